"""What a person is told when a run fails or is late: one line with the reason and what to do.

It goes to the log of the server that noticed, where whatever the team uses for alerts can pick it up by its first word,
and to a webhook and by e-mail where those are set up (`notify`).
"""

import asyncio
from typing import Any

from nightmarket_airflow.notify import send

NEXT_STEP = {
    "CommandFailed": "run the task again (Clear): every step ends equal however often it runs",
    "AirflowFailException": "mend what the line names, then clear the task; docs/operations.md lists the lines",
}

MOST = 5
"""Alarms that one alert spells out."""


def task_failed(context: Any) -> None:
    """On the failure of a task, after its last try."""
    ti, error = context["ti"], context.get("exception")
    todo = NEXT_STEP.get(type(error).__name__, "read the task's log, then clear the task")
    send(f"NIGHTMARKET FAILED {ti.dag_id}.{ti.task_id} of run {ti.run_id}: {error}. Next: {todo}")


def alarms_raised(context: Any, alarms: list[str]) -> None:
    """A task has done its work and found something that a person should see: one alert for all of it."""
    if alarms:
        ti = context["ti"]
        told = "; ".join(alarms[:MOST]) + (f"; and {len(alarms) - MOST} more" if len(alarms) > MOST else "")
        send(f"NIGHTMARKET ALARM {ti.dag_id}.{ti.task_id} of run {ti.run_id}: {told}")


async def not_published_in_time(*, context: dict[str, Any]) -> None:
    """The deadline of a nightly run has passed and the run is not done. Runs in the triggerer."""
    await asyncio.to_thread(
        send,
        f"NIGHTMARKET LATE run {context['dag_run']['dag_run_id']} has not ended by its deadline,"
        f" {context['deadline']['deadline_time']}; unless `publish` is green, BI sees the night before. Next:"
        " open the run in the grid, see which task runs or waits, and its log",
    )
