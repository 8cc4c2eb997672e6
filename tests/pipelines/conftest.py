"""One Sail session for all tests that need an engine: starting one takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from models.tracking import initialise
from pipelines.session import spark_session
from pipelines.settings import Settings


@pytest.fixture(scope="session")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    with spark_session(Settings(home=tmp_path_factory.mktemp("sail"))) as session:
        yield session


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, shop="shop")


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store to copy: making its tables takes longer than a training run here."""
    folder = tmp_path_factory.mktemp("mlflow") / "mlflow"
    initialise(folder)
    return folder


@pytest.fixture
def mlflow_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the door to MLflow sets for its process ends with the test."""
    import mlflow

    before = mlflow.get_tracking_uri()
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    yield
    mlflow.set_tracking_uri(before)
