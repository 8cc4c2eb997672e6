"""Airflow, MLflow and the warehouse on PostgreSQL: a night equals the embedded one though it is disturbed."""

from pathlib import Path

import pytest

from tests.e2e.airflow.test_nights import kill_the_scheduler
from tests.e2e.conftest import NIGHTS, hashes
from tests.e2e.served.conftest import stack_on
from tests.postgres import Server

pytestmark = pytest.mark.slow


def test_a_night_is_green_and_equal_though_the_scheduler_is_killed(
    database_server: Server, served_after_history: Path, clean_first: Path, manifest: None, tmp_path: Path
) -> None:
    with stack_on(database_server, served_after_history, tmp_path) as made:
        run = made.trigger(date=str(NIGHTS[0]))
        kill_the_scheduler(made, run)
        assert made.wait(run) == "success"
        assert hashes(made.home) == hashes(clean_first)
        assert not (made.home / "airflow" / "airflow.db").exists()
