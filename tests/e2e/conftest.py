"""Homes of the tiny shop, made once and copied: a clean run to compare with, and states to start from."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from pipelines import night
from pipelines.settings import Settings, load_settings
from pipelines.tablehash import lake_hashes, warehouse_hashes
from pipelines.warehouse import open_warehouse
from tests.e2e import shop
from tests.once import once
from tests.postgres import Server

HISTORY_UNTIL = shop.DAYS[5]
NIGHTS = shop.DAYS[6:8]


def quiet(line: str) -> None:
    """A report that says nothing."""


def settings_of(home: Path) -> Settings:
    """As its commands see it: a served home names its warehouse in settings.yaml."""
    return load_settings(home)


def what_bi_sees(home: Path) -> str:
    """Another text as soon as BI sees something else: the digest of its file, or the edition."""
    settings = settings_of(home)
    if settings.postgres:
        with open_warehouse(settings, read_only=True) as connection:
            return str(connection.execute("select edition, night from ops.current_night").fetchall())
    return hashlib.sha256(settings.bi.read_bytes()).hexdigest()


def history(home: Path, until: date = HISTORY_UNTIL) -> None:
    night.run_history(settings_of(home), None, until, None, None, None, quiet)


def nights(home: Path, days: tuple[date, ...] = NIGHTS) -> None:
    for day in days:
        night.run_night(settings_of(home), day, None, None, None, quiet)


def later(factory: pytest.TempPathFactory, name: str, start: Path, days: tuple[date, ...]) -> Path:
    """A copy of `start` after these nights, made once for all workers."""

    def make(home: Path) -> None:
        shutil.copytree(start, home)
        nights(home, days)

    return once(factory, name, make)


def hashes(home: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Hash of every lake and warehouse table but those named; `ops` and what is made of it compare counts only."""
    found = {**lake_hashes(settings_of(home)), **warehouse_hashes(settings_of(home))}
    left_out = (*without, "marts.night_runs", "marts.data_quality", "marts.night_monitor")
    return {name: value for name, value in found.items() if name not in left_out}


def command(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `nightmarket` as its users do: a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *words],
        env={**os.environ, "NIGHTMARKET_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def last_json(result: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def after_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny shop with all its landing files, after `history` and before its first night."""

    def make(home: Path) -> None:
        home.mkdir()
        shop.land(home)
        history(home)

    return once(tmp_path_factory, "after-history", make)


@pytest.fixture(scope="session")
def clean_first(after_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, one undisturbed night later."""
    return later(tmp_path_factory, "clean-first", after_history, NIGHTS[:1])


@pytest.fixture(scope="session")
def clean(clean_first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two undisturbed nights later: what every other way of getting there must equal."""
    return later(tmp_path_factory, "clean", clean_first, NIGHTS[1:])


def serve(home: Path, conninfo: str) -> None:
    """Let the warehouse of a home be this database."""
    path = home / "settings.yaml"
    given = yaml.safe_load(path.read_text()) if path.exists() else {}
    path.write_text(yaml.safe_dump({**given, "postgres": conninfo}))


@pytest.fixture(scope="session")
def served_after_history(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`after_history` with the warehouse on PostgreSQL."""
    home = tmp_path_factory.mktemp("served")
    shop.land(home)
    serve(home, postgres.new_warehouse("after_history"))
    history(home)
    return home


@pytest.fixture(scope="session")
def served_clean_first(served_after_history: Path, postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clean_first` with the warehouse on PostgreSQL."""
    home = tmp_path_factory.mktemp("served-clean-first") / "home"
    shutil.copytree(served_after_history, home)
    serve(home, postgres.new_warehouse("clean_first", template="after_history"))
    nights(home, NIGHTS[:1])
    return home


@pytest.fixture(scope="session")
def served_clean(served_clean_first: Path, postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clean` with the warehouse on PostgreSQL."""
    home = tmp_path_factory.mktemp("served-clean") / "home"
    shutil.copytree(served_clean_first, home)
    serve(home, postgres.new_warehouse("clean", template="clean_first"))
    nights(home, NIGHTS[1:])
    return home


@pytest.fixture
def copy_of(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Path]]:
    """A private copy of a home, to disturb; of a served one with a private copy of its database."""
    made: list[str] = []

    def copy(home: Path) -> Path:
        target = tmp_path / "home"
        shutil.copytree(home, target)
        if conninfo := settings_of(home).postgres:
            template = conninfo.rpartition("dbname=")[2]
            made.append(f"copy_{template}_{len(made)}")
            serve(target, request.getfixturevalue("postgres").new_warehouse(made[-1], template))
        return target

    yield copy
    for name in made:
        request.getfixturevalue("postgres").drop(name)
