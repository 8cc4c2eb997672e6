"""What the served stack is made of, as processes of this machine: PostgreSQL, and MLflow and Airflow on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pipelines.serve.init import GENERATED
from pipelines.settings import Settings, load_settings
from tests.e2e.airflow.conftest import Stack, free_ports, manifest  # noqa: F401 - a fixture
from tests.e2e.conftest import serve
from tests.postgres import Server, free_port
from tests.servers import Process


@pytest.fixture(scope="session")
def database_server(postgres: Server) -> Server:
    """PostgreSQL with its secrets, and every other secret that `nightmarket init` makes beside them."""
    for name, make in GENERATED.items():
        if not name.startswith("pg_"):
            (postgres.secrets / name).write_text(make())
    return postgres


@contextmanager
def told_the_secrets(server: Server) -> Iterator[None]:
    """The folder of secrets and the password file, where every process that a test starts finds them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("NIGHTMARKET_")]:
            patch.delenv(name)  # settings of the person who runs the tests
        patch.setenv("NIGHTMARKET_SECRETS", str(server.secrets))
        patch.setenv("NIGHTMARKET_HASH_KEY", (server.secrets / "hash_key").read_text())
        patch.setenv("PGPASSFILE", str(server.pgpass))
        yield


@pytest.fixture
def secrets(database_server: Server) -> Iterator[Path]:
    with told_the_secrets(database_server):
        yield database_server.secrets


@pytest.fixture
def mlflow_server(database_server: Server, secrets: Path, tmp_path: Path) -> Iterator[Process]:
    """An MLflow server with its runs and users on PostgreSQL; its home is its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        home=tmp_path / "server", mlflow_port=port, mlflow_database=url_of(database_server, "mlflow"), mlflow_url=url
    )
    process = Process(settings, "mlflow", f"{url}/health", tmp_path / "mlflow.log")
    process.start()
    yield process
    process.kill()


def url_of(server: Server, role: str) -> str:
    """The database of this role, and of this name."""
    return f"postgresql+psycopg2://{role}@127.0.0.1:{server.port}/{role}"


@contextmanager
def stack_on(server: Server, history: Path, folder: Path) -> Iterator[Stack]:
    """A running stack with all its databases on this server, over a copy of a served home after `history`."""
    home = folder / "home"
    shutil.copytree(history, home)
    serve(home, server.new_warehouse(folder.name, template="after_history"))
    with server.connect("superuser", "postgres") as connection:
        for role in ("airflow", "mlflow"):
            connection.execute(f"drop database {role} with (force)")
            connection.execute(f"create database {role} owner {role} template template0")
    airflow_port, mlflow_port = free_ports(2)
    chosen = {
        **yaml.safe_load((home / "settings.yaml").read_text()),
        "airflow_port": airflow_port, "mlflow_port": mlflow_port, "test_days": 2,
        "airflow_database": url_of(server, "airflow"), "mlflow_database": url_of(server, "mlflow"),
    }  # fmt: skip
    (home / "settings.yaml").write_text(yaml.safe_dump(chosen))
    with told_the_secrets(server):
        made = Stack(load_settings(home))
        try:
            made.up()
            made.airflow.pause("nightly", False)
            yield made
        finally:
            made.down()
            server.drop(folder.name)
