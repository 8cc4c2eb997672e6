"""One writer at a time, and nights in order, whatever the schedule, the form and a backfill start at once.

`max_active_runs` does not hold across DAGs, and a backfill has a limit of its own; a pool holds a task, not a run. So
every DAG that writes begins with a task that waits for its turn: a run has the turn from the success of that task to
the end of the run.
"""

import re
from datetime import date
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException

WRITERS = ("nightly", "load_history", "maintenance")
TASK = "take_turn"
POOL = "turn"
"""One slot, so that no two runs look at the same moment."""


class TakeTurn(BaseSensorOperator):
    """Pass when no other run of a writing DAG has the turn and no earlier run of this DAG is waiting.

    `night`: the date this run is for, templated; a run that is for none gives "". Where it is no date the run fails
    here, before anything was done.
    """

    template_fields = ("night",)
    ui_color = "#f3e8fd"

    def __init__(self, *, night: str = "", is_dated: bool = True, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", poke_interval=5, pool=POOL, **kwargs)
        self.night = night
        self.is_dated = is_dated

    def poke(self, context: Any) -> bool:
        if self.is_dated and not _is_date(self.night):
            raise AirflowFailException(
                f"{self.night!r} is not a night: trigger the DAG with a date, YYYY-MM-DD, in the form"
            )
        ti = context["ti"]
        earlier = ti.get_previous_dagrun(state="running")
        if earlier is not None:
            self.log.info("waiting for the earlier run %s", earlier.run_id)
            return False
        for dag in WRITERS:
            holder = _holder(ti, dag)
            if holder is not None:
                self.log.info("waiting for %s of %s, which has the turn", holder, dag)
                return False
        return True


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _holder(ti: Any, dag: str) -> str | None:
    """The run of `dag`, other than ours, that has taken its turn and has not ended."""
    if not ti.get_dr_count(dag_id=dag, states=["running"]):
        return None
    for run_id, states in ti.get_task_states(dag_id=dag, task_ids=[TASK]).items():
        ours = dag == ti.dag_id and run_id == ti.run_id
        if not ours and states.get(TASK) == "success" and ti.get_dagrun_state(dag, run_id) == "running":
            return str(run_id)
    return None
