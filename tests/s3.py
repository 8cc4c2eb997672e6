"""A real S3 API on this machine: the `moto_server` process, its bucket, and the variables that lead to it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUCKET = "bucket"
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Store:
    """It takes any key, so it listens on 127.0.0.1 only. Objects live in the process: stopped, they are gone."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=START_SECONDS)

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Every object's size by its key."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", [])}

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        known = self.variables
        return boto3.client(
            "s3",
            endpoint_url=known["AWS_ENDPOINT_URL"],
            aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def serving() -> Iterator[Store]:
    """Start the server on a free port, make the bucket, stop it at the end."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    store = Store(process, port)
    try:
        _wait(store)
        store.client().create_bucket(Bucket=BUCKET)
        yield store
    finally:
        store.stop()


def _wait(store: Store) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert store.process.poll() is None, "moto_server ended while it was starting"
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{store.port}/moto-api/", timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(f"moto_server did not answer on port {store.port} within {START_SECONDS} s")
