"""Homes of the tiny shop, made once and copied: a clean run to compare with, and states to start from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines import night
from pipelines.settings import Settings
from pipelines.tablehash import lake_hashes, warehouse_hashes
from tests.e2e import shop

HISTORY_UNTIL = shop.DAYS[5]
NIGHTS = shop.DAYS[6:8]


def quiet(line: str) -> None:
    """A report that says nothing."""


def settings_of(home: Path) -> Settings:
    return Settings(home=home)


def history(home: Path, until: date = HISTORY_UNTIL) -> None:
    night.run_history(settings_of(home), None, until, None, None, None, quiet)


def nights(home: Path, days: tuple[date, ...] = NIGHTS) -> None:
    for day in days:
        night.run_night(settings_of(home), day, None, None, None, quiet)


def hashes(home: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Hash of every lake and warehouse table but those named; `ops` and what is made of it compare counts only."""
    found = {**lake_hashes(settings_of(home)), **warehouse_hashes(settings_of(home))}
    left_out = (*without, "marts.night_runs", "marts.data_quality")
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
    home = tmp_path_factory.mktemp("history")
    shop.land(home)
    history(home)
    return home


@pytest.fixture(scope="session")
def clean(after_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, two undisturbed nights later: what every other way of getting there must equal."""
    home = tmp_path_factory.mktemp("clean") / "home"
    shutil.copytree(after_history, home)
    nights(home)
    return home


@pytest.fixture(scope="session")
def clean_first(after_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One undisturbed night later."""
    home = tmp_path_factory.mktemp("clean-first") / "home"
    shutil.copytree(after_history, home)
    nights(home, NIGHTS[:1])
    return home


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """A private copy of a home, to disturb."""

    def copy(home: Path) -> Path:
        target = tmp_path / "home"
        shutil.copytree(home, target)
        return target

    return copy
