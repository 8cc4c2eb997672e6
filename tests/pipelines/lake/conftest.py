"""Every test of this folder that asks for `settings` runs twice: on a folder, and on an S3 API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests import s3


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.Store]:
    with s3.serving() as store:
        yield store


@pytest.fixture
def s3_settings(s3_server: s3.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose lake is a folder of its own in the bucket."""
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    return Settings(home=tmp_path, shop="shop", lake_url=f"s3://{s3.BUCKET}/{tmp_path.name}/lake")


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "s3":
        found: Settings = request.getfixturevalue("s3_settings")
        return found
    return Settings(home=tmp_path, shop="shop")
