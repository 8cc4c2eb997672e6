"""One run at a time has the turn, for as long as it runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from nightmarket_airflow.turn import TakeTurn, claim


def run(name: str, states: dict[str, str], dag: str = "nightly") -> SimpleNamespace:
    """What `claim` asks of a task instance; `states` are the runs that Airflow knows."""
    return SimpleNamespace(dag_id=dag, run_id=name, get_dagrun_state=lambda dag_id, run_id: states[run_id])


def test_the_first_run_that_asks_has_the_turn_and_the_next_waits_for_it(tmp_path: Path) -> None:
    states = {"one": "running", "two": "running"}
    assert claim(tmp_path, run("one", states)) == ""
    assert claim(tmp_path, run("two", states)) == "nightly one"
    assert claim(tmp_path, run("one", states)) == ""  # a task that is tried again still has it


@pytest.mark.parametrize("end", ["success", "failed"])
def test_the_turn_ends_with_the_run_however_it_ends(tmp_path: Path, end: str) -> None:
    states = {"one": "running", "two": "running"}
    claim(tmp_path, run("one", states))
    states["one"] = end
    assert claim(tmp_path, run("two", states)) == ""
    assert claim(tmp_path, run("one", states | {"one": "running"})) == "nightly two"  # cleared: it queues up again


def test_runs_of_different_dags_wait_for_each_other(tmp_path: Path) -> None:
    states = {"one": "running"}
    claim(tmp_path, run("one", states, "load_history"))
    assert claim(tmp_path, run("one", states, "nightly")) == "load_history one"


@pytest.mark.parametrize("night", ["", "soon", "2024-13-01", "2024-5-1", "None"])
def test_what_is_no_date_fails_before_anything_is_done(night: str) -> None:
    with pytest.raises(AirflowFailException, match="is not a night"):
        TakeTurn(task_id="take_turn", night=night).execute({})
