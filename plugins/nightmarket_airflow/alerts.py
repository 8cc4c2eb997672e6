"""What a person is told when a run fails or is late: one line with the reason and what to do.

It goes to the log of the server that noticed, where whatever the team uses for alerts can pick it up by its first word.
"""

import logging
from typing import Any

log = logging.getLogger("nightmarket.alerts")

NEXT_STEP = {
    "CommandFailed": "run the task again (Clear): every step ends equal however often it runs",
    "AirflowFailException": "mend what the line names, then clear the task; docs/operations.md lists the lines",
}


def task_failed(context: Any) -> None:
    """On the failure of a task, after its last try."""
    ti, error = context["ti"], context.get("exception")
    todo = NEXT_STEP.get(type(error).__name__, "read the task's log, then clear the task")
    log.error("NIGHTMARKET FAILED %s.%s of run %s: %s. Next: %s", ti.dag_id, ti.task_id, ti.run_id, error, todo)


async def not_published_in_time(*, context: dict[str, Any]) -> None:
    """The deadline of a nightly run has passed and the run is not done. Runs in the triggerer."""
    log.error(
        "NIGHTMARKET LATE run %s is not published by its deadline, %s; BI sees the night before. Next: open the run in "
        "the grid, see which task runs or waits, and its log",
        context["dag_run"]["dag_run_id"],
        context["deadline"]["deadline_time"],
    )
