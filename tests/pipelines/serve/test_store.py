"""The object store is prepared once, against a real S3 API; one that does not keep its word is refused."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient

from pipelines.errors import NightmarketError, Unavailable
from pipelines.serve.store import prepare_store
from pipelines.settings import Settings
from tests.postgres import free_port

TOLD = {
    "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
}  # fmt: skip


@pytest.fixture
def store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings that name two buckets of an S3 server that has none yet."""
    port = free_port()
    for name, value in {**TOLD, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=60):
                break
            time.sleep(0.05)
        yield replace(settings, lake_url="s3://warehouse/lake", mlflow_artifacts="s3://models/mlflow")
    finally:
        server.kill()
        server.wait()


def test_buckets_are_made_once_and_left_empty(store: Settings) -> None:
    assert prepare_store(store) == {"buckets": ["models", "warehouse"], "made": ["models", "warehouse"]}
    assert prepare_store(store) == {"buckets": ["models", "warehouse"], "made": []}
    assert all("Contents" not in boto3.client("s3").list_objects_v2(Bucket=name) for name in ("models", "warehouse"))


def test_a_store_that_overwrites_all_the_same_is_refused(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BaseClient._make_api_call

    def careless(client: BaseClient, operation: str, words: dict) -> dict:
        words.pop("IfNoneMatch", None)
        return honest(client, operation, words)

    monkeypatch.setattr(BaseClient, "_make_api_call", careless)
    with pytest.raises(NightmarketError, match="racing commits would lose rows"):
        prepare_store(store)


def test_where_no_store_answers_it_is_tried_again_later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TOLD, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unavailable, match="no object store answers at http://127.0.0.1"):
        prepare_store(replace(settings, lake_url="s3://warehouse/lake"))
