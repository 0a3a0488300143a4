"""Who we are in a store, and what we may do there: tried, not read out of policies."""

import getpass
import os
import secrets
from collections.abc import Mapping
from typing import Any

from fma_prep.dataset.storage import list_input, open_store
from fma_prep.dataset.uri import parse
from fma_prep.errors import FmaPrepError

__all__ = ["check_input", "check_output", "who"]


def who(uri: str, options: Mapping[str, Any]) -> str:
    """Return who asks, as the store of `uri` sees it: an ARN or access key on S3, a user name on HDFS and disks.

    Never raises: not to know is an answer too.
    """
    try:
        scheme = parse(uri).scheme
    except FmaPrepError:
        return "?"
    if scheme == "s3":
        return _who_on_s3(options)
    named = (
        (os.environ.get("HADOOP_USER_NAME") or os.environ.get("SPARK_USER")) if scheme in ("hdfs", "viewfs") else None
    )
    try:
        return named or getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return str(os.getuid())


def check_input(uri: str, options: Mapping[str, Any], track: str | None) -> list[str]:
    """List INPUT and read the beginning of one track; return what is wrong, a sentence each.

    Parameters
    ----------
    track : str or None
        Relative to INPUT, as somebody who has listed it knows; None lists it here.
    """
    try:
        if track is None:
            store, tracks, _ = list_input(uri, options)
            if not tracks:
                return [f"{store.uri}: there are no tracks in it. Check the spelling."]
            track = tracks[0].path
        else:
            store = list_input(uri, options)[0] if _is_pattern(uri) else open_store(uri, options)
            store.is_folder()
        store.read_range(track, 0, 16)
    except FmaPrepError as e:
        return [str(e)]
    return []


def check_output(uri: str, options: Mapping[str, Any]) -> list[str]:
    """Write, rename and delete a small file in OUTPUT; return what is wrong, a sentence each."""
    name = f"_doctor-{secrets.token_hex(8)}"
    try:
        store = open_store(uri, options)
        store.write(name, b"written by doctor, and deleted again")
        if store.can_rename:
            store.rename(name, f"{name}-renamed")
            name += "-renamed"
        store.delete(name)
    except FmaPrepError as e:
        return [str(e).replace(name, "…")]  # the same sentence from every host
    return []


def _is_pattern(uri: str) -> bool:
    return any(c in uri for c in "*?[")


def _who_on_s3(options: Mapping[str, Any]) -> str:
    """Ask STS; where there is none (a gateway of one's own, a closed network), name the key."""
    from botocore.config import Config  # noqa: PLC0415  # half a second, and only needed here
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    session = Session(profile=options.get("profile"))
    if "key" in options:
        session.set_credentials(options["key"], options.get("secret"), options.get("token"))
    try:
        credentials = session.get_credentials()
        if credentials is None:
            return "nobody: no credentials"
        key = str(credentials.access_key)
        endpoint = options.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1})
        region = session.get_config_variable("region") or "us-east-1"
        sts = session.create_client("sts", region_name=region, config=config, endpoint_url=endpoint)
        return str(sts.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError, KeyError):
        return f"key …{key[-4:]}" if "key" in locals() else "?"
