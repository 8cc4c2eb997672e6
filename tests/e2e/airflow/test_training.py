"""A training under Airflow: judged, asked about, promoted; or not asked about at all, and green all the same."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from models.registry import champion_as_of
from pipelines.serve.client import FINISHED
from tests.e2e.airflow.conftest import Stack
from tests.e2e.conftest import HISTORY_UNTIL

pytestmark = pytest.mark.slow
UNASKED = {"train": "success", "judge": "success", "approve": "skipped", "promote": "skipped"}
WAITS = "awaiting_input"
FORM = {"until": str(HISTORY_UNTIL), "days": 7, "config": "quick", "device": "cpu"}


@pytest.fixture
def training(a_stack: Stack) -> Stack:
    """The same stack, where runs are those of `train_recommender`, with few test days for a shop of a few."""
    (a_stack.home / "settings.yaml").write_text("test_days: 2\n")
    made = replace(a_stack, dag="train_recommender")
    made.airflow.wait_for_dag(made.dag)
    made.airflow.pause(made.dag, False)
    return made


def states(made: Stack, run: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in made.airflow.tasks(made.dag, run)}


def question(made: Stack, run: str) -> dict[str, Any]:
    """What `approve` shows, once it waits for an answer."""
    made.until(lambda: states(made, run)["approve"] == WAITS or made.state(run) in FINISHED, "the question")
    assert states(made, run)["approve"] == WAITS
    made.until(lambda: parked(made, run) == made.task(run, "approve")["try_number"], "the scheduler's note of it")
    return made.airflow.call("GET", answer_path(made, run))


def parked(made: Stack, run: str) -> int:
    """How often the scheduler has noted that `approve` waits. Who answers before that meets it in the middle of it."""
    lines = (made.home / "logs" / "scheduler.log").read_text(errors="replace").splitlines()
    noted = ("TaskInstance Finished", "task_id=approve", f"run_id={run}", f"state={WAITS}")
    return sum(all(part in line for part in noted) for line in lines)


def answer_path(made: Stack, run: str) -> str:
    return f"dags/{made.dag}/dagRuns/{quote(run, safe='')}/taskInstances/approve/-1/hitlDetails"


def answer(made: Stack, run: str, chosen: str) -> None:
    made.until(lambda: made.airflow.call("PATCH", answer_path(made, run), {"chosen_options": [chosen]}), "the answer")


def ask_again(made: Stack, run: str) -> None:
    """*Clear* on `approve`, as in the UI."""
    body = {
        "dag_run_id": run, "task_ids": ["approve"], "include_downstream": True, "only_failed": False,
        "reset_dag_runs": True, "dry_run": False,
    }  # fmt: skip
    made.until(lambda: made.airflow.call("POST", f"dags/{made.dag}/clearTaskInstances", body), "the clearing")


def let_four_hours_pass(made: Stack) -> None:
    with closing(sqlite3.connect(made.home / "airflow" / "airflow.db", timeout=60)) as database, database:
        found = database.execute("select start_date, trigger_timeout from task_instance where state = ?", [WAITS])
        ((begun, ends),) = found.fetchall()
        assert (
            timedelta(hours=3.9) < datetime.fromisoformat(ends) - datetime.fromisoformat(begun) < timedelta(hours=4.1)
        )
        past = "2024-05-08 06:00:00.000000"
        database.execute("update task_instance set trigger_timeout = ? where state = ?", [past, WAITS])


def test_a_training_is_judged_asked_about_and_promoted(training: Stack) -> None:
    run = training.trigger(**FORM, dry_run=False)
    asked = question(training, run)
    assert champion_as_of(training.settings.models, "recommender") is None
    assert asked["subject"].endswith("the champion of recommender?")
    assert "there was no champion" in asked["body"]
    assert asked["defaults"] == ["Approve"]
    answer(training, run, "Approve")
    assert training.wait(run) == "success"
    assert set(states(training, run).values()) == {"success"}
    champion = champion_as_of(training.settings.models, "recommender")
    assert champion is not None
    assert champion.model_name in asked["subject"]
    assert champion.version in asked["body"]

    again = training.trigger(**FORM, dry_run=False)  # the gate: the same model is champion already
    assert training.wait(again) == "success"
    assert states(training, again) == UNASKED
    assert any("champion already" in line for line in training.log(again, "judge"))
    assert any("nobody is asked: the gate says no: " in line for line in training.log(again, "approve"))
    assert champion_as_of(training.settings.models, "recommender") == champion


def test_a_dry_run_and_a_rejected_one_promote_nothing_and_no_answer_is_a_yes(training: Stack) -> None:
    dry = training.trigger(**FORM)
    assert training.wait(dry) == "success"
    assert states(training, dry) == UNASKED
    assert any("nobody is asked: this is a dry run" in line for line in training.log(dry, "approve"))

    run = training.trigger(**FORM, dry_run=False)
    question(training, run)
    answer(training, run, "Reject")
    assert training.wait(run) == "success"
    assert states(training, run) == {**UNASKED, "approve": "success"}
    assert champion_as_of(training.settings.models, "recommender") is None

    ask_again(training, run)
    question(training, run)
    let_four_hours_pass(training)
    assert training.wait(run) == "success"
    assert set(states(training, run).values()) == {"success"}
    assert champion_as_of(training.settings.models, "recommender") is not None
