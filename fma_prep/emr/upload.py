"""Bring the code to a bucket, under names that say its content: what is there is never sent again."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from fma_prep.emr.watch import told
from fma_prep.errors import RefusedError
from fma_prep.progress import progress

__all__ = ["places", "upload"]


def places(where: str, archive: Path, root: Path) -> dict[str, str]:
    """Return where each piece of code goes under the URI `where`; and the archive's sha256."""
    code = {name: f"{where}/{_name(path)}" for name, path in _files(archive, root).items()}
    return code | {"archive_sha256": _sha256(archive)}


def upload(s3: Any, where: str, archive: Path, root: Path, say: Callable[[str], None]) -> None:
    """Upload what is not there yet, whole or not at all."""
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    for path in _files(archive, root).values():
        key, size = f"{prefix}/{_name(path)}", path.stat().st_size
        if _is_there(s3, bucket, key, size):
            say(f"{path.name} is in {where} already")
            continue
        with progress(path.name, total=size, unit="B") as bar:
            try:
                s3.upload_file(str(path), bucket, key, Callback=bar.update)
            except (ClientError, S3UploadFailedError) as e:
                raise RefusedError(f"cannot upload {path.name}: {e}", where, "See --print-policy.") from e
        say(f"uploaded {path.name}, {size / 1e6:.1f} MB")


def _is_there(s3: Any, bucket: str, key: str, size_bytes: int) -> bool:
    try:
        return bool(s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == size_bytes)
    except ClientError as e:
        if e.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return False
        raise told(e, f"cannot look into s3://{bucket}", "See --print-policy.") from e


def _files(archive: Path, root: Path) -> dict[str, Path]:
    return {
        "archive": archive,
        "digitize.py": root / "jobs" / "digitize.py",
        "install.sh": root / "bootstrap" / "install.sh",
    }


def _name(path: Path) -> str:
    return f"{_sha256(path)[:16]}/{path.name}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
