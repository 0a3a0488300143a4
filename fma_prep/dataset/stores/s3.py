"""S3 by s3fs's session, asked method by method: its file layer splits keys at ``?versionId=`` and strips them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from fsspec.asyn import sync
from s3fs import S3FileSystem

from fma_prep.dataset.stores import Entry, Opened

__all__ = ["S3Backend"]

_PART_BYTES = 32 << 20
_MAX_PARTS = 9000  # S3 has 10,000
_FIRST_BYTES = 1 << 23  # what comes with the opening: most tracks, whole, in one request


class S3Backend:
    """Keys of one bucket.

    Parameters
    ----------
    bucket : str
    options : mapping
        For `s3fs.S3FileSystem`: endpoint_url, config_kwargs, requester_pays, s3_additional_kwargs (SSE-KMS), profile, …
    """

    can_rename = False

    def __init__(self, bucket: str, options: Mapping[str, Any]) -> None:
        settings = {**options, "use_listings_cache": False}  # that cache misses new keys
        retries = {"mode": "standard", "total_max_attempts": 4}  # s3fs on top of botocore's old mode: minutes
        settings["config_kwargs"] = {
            "retries": retries,
            "max_pool_connections": 64,
            **settings.get("config_kwargs", {}),
        }
        self._fs = S3FileSystem(**settings)  # one a process for equal settings: a session costs 0.3 s
        self._fs.retries = 1
        self._bucket = bucket

    def join(self, root: str, path: str) -> str:
        """Return the whole key. No key is special to S3: ``..`` and ``//`` are as good as any."""
        if not path:
            return root
        return f"{root}/{path}" if root else path

    def walk(self, root: str) -> Iterator[Entry]:
        """Yield every key under a prefix, but for the markers that consoles leave for folders."""
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=f"{root}/" if root else "", **more)
            for item in page.get("Contents", ()):
                key = item["Key"]
                if not key.endswith("/"):
                    yield Entry(key, item["Size"], _identity(item))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def info(self, path: str) -> Entry:
        """Return size and identity."""
        if not path:
            raise IsADirectoryError(path)
        head = self._call("head_object", Key=path)
        return Entry(path, head["ContentLength"], _identity(head))

    def is_folder(self, path: str) -> bool:
        """Return whether any key lies under that prefix; the bucket itself must exist."""
        page = self._call("list_objects_v2", Prefix=f"{path}/" if path else "", MaxKeys=1)
        return bool(page.get("KeyCount", len(page.get("Contents", ())))) or not path

    def open(self, path: str) -> Opened:
        """Open a key: one request, and no other if it is small."""
        first, size, etag = self._get(path, 0, _FIRST_BYTES)

        def fetch(start: int, length: int) -> bytes:
            return self._get(path, start, length, **({"IfMatch": etag} if etag else {}))[0]

        return Opened(size, fetch, first=first, buffer_bytes=_FIRST_BYTES)

    def read(self, path: str, start: int, length: int | None) -> bytes:
        """Return a range of a key's content."""
        if length is not None and length <= 0:
            return b""
        return self._get(path, start, length)[0]

    def write(self, path: str, source: bytes | BinaryIO, overwrite: bool) -> bool:
        """Write by one PUT, or by an upload in parts that appears when it is completed."""
        if not overwrite and self._exists(path):
            return False
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        try:
            size = len(source) if isinstance(source, bytes) else _size_left(source)
            if size <= _PART_BYTES:
                body = source if isinstance(source, bytes) else source.read()
                self._call("put_object", Key=path, Body=body, **condition)
            else:
                self._upload(path, source, size, condition)
        except FileExistsError:
            return False
        except OSError as e:
            if not overwrite and _status(e) == 412:  # not every gateway names the condition that failed
                return False
            raise
        return True

    def delete(self, path: str) -> None:
        """Delete a key."""
        self._call("delete_object", Key=path)

    def rename(self, source: str, target: str) -> None:
        """S3 has none."""
        raise OSError(f"S3 cannot rename {source} to {target}")

    def make_folder(self, path: str) -> None:
        """Do nothing: S3 has no folders."""

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._fs.call_s3(method, Bucket=self._bucket, **arguments)
        return answer

    def _get(self, key: str, start: int, length: int | None, **condition: str) -> tuple[bytes, int, str]:
        wanted = f"bytes={start}-" + ("" if length is None else str(start + length - 1))
        if start == 0 and length is None:
            return self._body(key, **condition)
        try:
            return self._body(key, Range=wanted, **condition)
        except OSError as e:
            if _status(e) != 416:
                raise
            info = self.info(key)  # the range begins at the end of the file, or beyond
            return b"", info.size_bytes, ""

    def _body(self, key: str, **arguments: str) -> tuple[bytes, int, str]:
        async def get() -> tuple[bytes, int, str]:
            answer = await self._fs._call_s3("get_object", Bucket=self._bucket, Key=key, **arguments)
            body = answer["Body"]
            try:
                content = await body.read()
            finally:
                body.close()
            whole = answer.get("ContentRange", "").rpartition("/")[2]
            return content, int(whole) if whole.isdigit() else len(content), answer.get("ETag", "")

        content: tuple[bytes, int, str] = sync(self._fs.loop, get)
        return content

    def _exists(self, key: str) -> bool:
        try:
            self.info(key)
        except FileNotFoundError:
            return False
        return True

    def _upload(self, key: str, source: bytes | BinaryIO, size: int, condition: dict[str, str]) -> None:
        part_bytes = max(_PART_BYTES, -(-size // _MAX_PARTS))
        upload = {"Key": key, "UploadId": self._call("create_multipart_upload", Key=key)["UploadId"]}
        try:
            parts = []
            for number, start in enumerate(range(0, size, part_bytes), 1):
                body = source[start : start + part_bytes] if isinstance(source, bytes) else source.read(part_bytes)
                answer = self._call("upload_part", PartNumber=number, Body=body, **upload)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._call("complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload, **condition)
        except BaseException:
            with suppress(Exception):  # the first error says more; a lifecycle rule clears the parts
                self._call("abort_multipart_upload", **upload)
            raise


def _identity(item: Mapping[str, Any]) -> dict[str, str]:
    if item.get("ETag"):
        return {"etag": str(item["ETag"]).strip('"')}
    return {"modified": item["LastModified"].isoformat()}  # a gateway over files that it did not write


def _size_left(file: BinaryIO) -> int:
    here = file.tell()
    size = file.seek(0, 2) - here
    file.seek(here)
    return size


def _status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error that s3fs made of a botocore one."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return int(status) if status is not None else None
