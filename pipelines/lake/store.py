"""Where the lake's tables lie: a folder of the home, or a bucket behind an S3 API.

Keys and endpoint come from the AWS_* variables that delta-rs and boto3 both read; no setting holds a secret.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.settings import Settings

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_REFUSED = re.compile(r"\b(40[0-9]|NoSuchBucket|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch)\b")
_NOISE = re.compile(r"Kernel error -> |Generic S3 error|Error performing list request|↳", re.IGNORECASE)


def location(settings: Settings, name: str) -> str:
    """Folder or URL of a table."""
    if not settings.lake_url:
        return str(settings.lake / name)
    if not settings.lake_url.startswith("s3://"):
        raise UsageError(f"setting lake_url must be s3://bucket/folder, not {settings.lake_url!r}")
    return f"{settings.lake_url.rstrip('/')}/{name}"


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """Say in one line where the store failed. On a disk an OSError is the disk's own and passes."""
    try:
        yield
    except OSError as error:
        if not settings.lake_url:
            raise
        said = " ".join(_NOISE.sub(" ", _COLOURS.sub("", str(error))).split())[:300]
        if _REFUSED.search(said):  # the store answers: trying again does not help
            raise NightmarketError(f"the store refused the lake at {settings.lake_url}: {said}") from error
        raise Unavailable(
            f"the lake at {settings.lake_url} cannot be reached; see that the store runs and AWS_ENDPOINT_URL names it,"
            f" then run again ({said})"
        ) from error


def place(settings: Settings, name: str, path: str, file: Path) -> None:
    """Bring a staged file to `path` of the table, where no reader sees it before a commit; safe to repeat."""
    if settings.lake_url:
        with reached(settings):
            _upload(f"{location(settings, name)}/{path}", file)
    else:
        _link(settings.lake / name / path, file)


def _link(target: Path, file: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        os.link(file, part)
    except OSError:  # another file system
        shutil.copyfile(file, part)
    part.replace(target)


def _upload(url: str, file: Path) -> None:
    """An object of the same name and size is an earlier try's. A cut upload leaves no object: S3 shows one whole."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        client = _client()
        if _size(client, bucket, key) != file.stat().st_size:
            client.upload_file(str(file), bucket, key)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise OSError(f"upload of {key}: {error}") from error


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # As delta-rs does: an endpoint of one's own is rarely known by a host name for each bucket.
    style = "path" if "AWS_ENDPOINT_URL" in os.environ else "auto"
    config = Config(connect_timeout=10, s3={"addressing_style": style})
    return boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=config)


def _size(client: Any, bucket: str, key: str) -> int | None:
    from botocore.exceptions import ClientError

    try:
        return int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        # Asked for one object, a store that lets nobody list the bucket answers 403 for "not there".
        if error.response["Error"]["Code"] in ("404", "403", "NoSuchKey"):
            return None
        raise
