"""Airflow, MLflow and the warehouse on PostgreSQL: a night equals the embedded one, whatever is killed meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines.serve import processes, stack
from tests import postgres
from tests.e2e.airflow.conftest import Stack
from tests.e2e.conftest import NIGHTS, hashes
from tests.e2e.served.conftest import stack_on

pytestmark = pytest.mark.slow


@pytest.fixture
def served(
    database_server: postgres.Server, served_after_history: Path, manifest: None, tmp_path: Path
) -> Iterator[Stack]:
    with stack_on(database_server, served_after_history, tmp_path) as made:
        yield made


def of_the_stack(made: Stack, words: str) -> list[psutil.Process]:
    """Living processes of the stack whose command line has these words."""
    found = []
    for process in processes.marked(stack.mark_of(made.settings)):
        try:
            if words in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def kill_the_scheduler(made: Stack) -> None:
    """While dbt builds; its workers are left behind and go on by themselves."""
    made.until(lambda: of_the_stack(made, "dbt_project"), "dbt")
    for process in of_the_stack(made, "airflow scheduler"):
        process.kill()
    made.until(lambda: not of_the_stack(made, "airflow scheduler"), "the scheduler's death")
    made.up()


def test_a_night_is_green_and_equal_though_the_scheduler_is_killed(served: Stack, clean_first: Path) -> None:
    run = served.trigger(date=str(NIGHTS[0]))
    kill_the_scheduler(served)
    assert served.wait(run) == "success"
    assert hashes(served.home) == hashes(clean_first)
    assert not (served.home / "airflow" / "airflow.db").exists()
