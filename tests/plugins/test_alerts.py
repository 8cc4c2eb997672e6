"""One line for the person: what, why, what next."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from nightmarket_airflow.alerts import not_published_in_time, task_failed
from nightmarket_airflow.command import CommandFailed


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (AirflowFailException("audit events of 2024-05-01: …"), "mend what the line names"),
        (CommandFailed("the command was killed"), "run the task again"),
        (TimeoutError("timed out"), "read the task's log"),
    ],
)
def test_a_failed_task_says_its_reason_and_what_to_do(
    error: Exception, todo: str, caplog: pytest.LogCaptureFixture
) -> None:
    ti = SimpleNamespace(dag_id="nightly", task_id="audit_events", run_id="manual__1")
    with caplog.at_level(logging.ERROR, "nightmarket.alerts"):
        task_failed({"ti": ti, "exception": error})
    (line,) = caplog.messages
    assert line.startswith(f"NIGHTMARKET FAILED nightly.audit_events of run manual__1: {error}")
    assert todo in line


def test_a_late_run_is_named_with_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    context = {"dag_run": {"dag_run_id": "scheduled__1"}, "deadline": {"id": "x", "deadline_time": "2024-05-02 06:00"}}
    with caplog.at_level(logging.ERROR, "nightmarket.alerts"):
        asyncio.run(not_published_in_time(context=context))
    (line,) = caplog.messages
    assert "NIGHTMARKET LATE run scheduled__1" in line
    assert "2024-05-02 06:00" in line
