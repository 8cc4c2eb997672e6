"""What the object store needs before the first night: buckets, and that it keeps its word about conditional puts."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import NightmarketError, Unavailable
from pipelines.settings import Settings


def prepare_store(settings: Settings) -> dict[str, list[str]]:
    """Make the buckets of the lake and of MLflow's artefacts that do not exist; where they are depends on AWS_* alone.

    Raises NightmarketError for a store that overwrites where it was asked not to: two commits of the lake at once would
    then both succeed, and one would be lost.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client("s3")
    wanted = {urlsplit(url).netloc for url in (settings.lake_url, settings.mlflow_artifacts) if url}
    try:
        known = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for bucket in sorted(wanted - known):
            client.create_bucket(Bucket=bucket)
        for bucket in sorted(wanted):
            _require_conditional_put(client, bucket)
    except ClientError as error:
        raise NightmarketError(f"the object store at {client.meta.endpoint_url} refuses: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"no object store answers at {client.meta.endpoint_url}: {error}") from error
    return {"buckets": sorted(wanted), "made": sorted(wanted - known)}


def _require_conditional_put(client: Any, bucket: str) -> None:
    from botocore.exceptions import ClientError

    key = f"prepare/{secrets.token_hex(8)}"
    client.put_object(Bucket=bucket, Key=key, Body=b"first", IfNoneMatch="*")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"second", IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise
    else:
        raise NightmarketError(
            f"the object store at {client.meta.endpoint_url} overwrites an object though it was told not to"
            " (If-None-Match): racing commits would lose rows; use a store that supports conditional puts"
        )
    finally:
        client.delete_object(Bucket=bucket, Key=key)
