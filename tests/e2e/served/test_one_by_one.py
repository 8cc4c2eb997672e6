"""The services of docker-compose.yml as processes here: prepared, served, asked for their health, stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from pipelines.serve import processes
from pipelines.serve.server import AIRFLOW, NAMES, POOLS
from tests.e2e.conftest import command, last_json
from tests.e2e.served.conftest import url_of
from tests.postgres import Server, free_port

pytestmark = pytest.mark.slow
MARK = "one-by-one"
PATIENCE = 600.0


@pytest.fixture
def home(database_server: Server, secrets: Path, tmp_path: Path) -> Iterator[Path]:
    """An empty home whose Airflow is to be on PostgreSQL, where nothing is prepared yet."""
    with database_server.connect("superuser", "postgres") as connection:
        connection.execute("drop database airflow with (force)")
        connection.execute("create database airflow owner airflow template template0")
    chosen = {"airflow_port": free_port(), "airflow_database": url_of(database_server, "airflow")}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(chosen))
    yield tmp_path
    processes.stop(MARK)


def serve(home: Path, name: str) -> subprocess.Popen[bytes]:
    """`nightmarket serve NAME`, until it is healthy as its container would be."""
    told = {**os.environ, "NIGHTMARKET_HOME": str(home), processes.MARK: MARK, "SPT_NOENV": "1"}
    with (home / f"{name}.log").open("wb") as log:
        words = [sys.executable, "-m", "pipelines.cli", "serve", name]
        server = subprocess.Popen(words, env=told, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + PATIENCE
    while command(home, "healthy", name).returncode:
        assert server.poll() is None, (home / f"{name}.log").read_text()[-1500:]
        assert time.monotonic() < deadline, f"{name} was never healthy"
    return server


def test_airflow_is_prepared_once_and_served_by_four_processes_that_heed_a_stop(home: Path) -> None:
    prepared = command(home, "prepare-airflow")
    assert prepared.returncode == 0, prepared.stderr
    assert last_json(prepared)["pools_made"] == sorted(POOLS)
    assert last_json(command(home, "prepare-airflow"))["pools_made"] == []

    servers = [serve(home, name) for name in NAMES if name.startswith(AIRFLOW)]  # the API server first
    assert {address for _, address, _ in processes.listeners(MARK)} == {"127.0.0.1"}
    assert not (home / "airflow" / "airflow.db").exists()
    for server in reversed(servers):
        with suppress(ProcessLookupError):
            server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE)


def test_a_database_that_is_not_there_is_said_in_one_line_and_tried_again(home: Path) -> None:
    nowhere = f"postgresql+psycopg2://airflow@127.0.0.1:{free_port()}/airflow"
    done = command(home, "prepare-airflow", NIGHTMARKET_AIRFLOW_DATABASE=nowhere)
    assert done.returncode == 1
    assert last_json(done)["retry"] is True
    assert "airflow db migrate failed: " in last_json(done)["error"]
    assert "refused" in last_json(done)["error"]
