"""What the served stack is made of, as processes of this machine: PostgreSQL, and MLflow on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests import postgres
from tests.servers import Process


@pytest.fixture(scope="package")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    server = postgres.Server(tmp_path_factory.mktemp("postgres"))
    server.make()
    yield server
    server.stop()


@pytest.fixture
def secrets(database_server: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets and the password file, where every process that a test starts finds them."""
    for name in [n for n in os.environ if n.startswith("NIGHTMARKET_")]:
        monkeypatch.delenv(name)  # settings of the person who runs the tests
    monkeypatch.setenv("NIGHTMARKET_SECRETS", str(database_server.secrets))
    monkeypatch.setenv("PGPASSFILE", str(database_server.pgpass))
    return database_server.secrets


@pytest.fixture
def mlflow_server(database_server: postgres.Server, secrets: Path, tmp_path: Path) -> Iterator[Process]:
    """An MLflow server with its runs and users on PostgreSQL; its home is its own."""
    port = postgres.free_port()
    settings = Settings(
        home=tmp_path / "server",
        mlflow_port=port,
        mlflow_database=f"postgresql+psycopg2://mlflow@127.0.0.1:{database_server.port}/mlflow",
        mlflow_url=f"http://127.0.0.1:{port}",
    )
    (secrets / "mlflow_admin_password").write_text("a password of this test")
    process = Process(settings, "mlflow", f"{settings.mlflow_url}/health", tmp_path / "mlflow.log")
    process.start()
    yield process
    process.kill()
