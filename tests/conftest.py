"""Shared by all tests: quiet telemetry, and the names of what a missing program kept from running."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from tests.postgres import Server

# Airflow has an environment of its own: what imports it is tested there (`tests/plugins`), all else in `.venv`.
collect_ignore = ["plugins"] if importlib.util.find_spec("airflow") is None else []

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run one worker a core; their models are tiny
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from pipelines.doctor import java

    needs = [item for item in items if item.get_closest_marker("java")]
    if needs and not java().ok:
        for item in needs:
            item.add_marker(pytest.mark.skip(reason=java().message))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run on this machine")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            terminalreporter.line(f"{report.nodeid}: {reason}")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """A running PostgreSQL with the roles of docker/postgres; libpq finds their passwords by PGPASSFILE."""
    from tests.postgres import Server

    server = Server(tmp_path_factory.mktemp("postgres"))
    os.environ["PGPASSFILE"] = str(server.pgpass)  # for the processes that tests start, too
    server.make()
    try:
        yield server
    finally:
        server.stop()
        del os.environ["PGPASSFILE"]


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Server]":
    """A PostgreSQL to kill, that no other test uses."""
    from tests.postgres import Server

    server = Server(tmp_path / "server")
    monkeypatch.setenv("PGPASSFILE", str(server.pgpass))
    server.folder.mkdir()
    server.make()
    yield server
    server.stop()


@pytest.fixture
def served(postgres: "Server", tmp_path: Path, request: pytest.FixtureRequest) -> "Iterator[Settings]":
    """A home whose warehouse is a fresh database on PostgreSQL."""
    from pipelines.settings import Settings

    name = f"t{abs(hash(request.node.nodeid))}"
    yield Settings(home=tmp_path, shop="shop", postgres=postgres.new_warehouse(name))
    postgres.drop(name)


@pytest.fixture(params=["embedded", "served"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> "Settings":
    """A home on each of the two warehouses: the test runs twice."""
    from pipelines.settings import Settings

    if request.param == "served":
        found: Settings = request.getfixturevalue("served")
        return found
    return Settings(home=tmp_path, shop="shop")
