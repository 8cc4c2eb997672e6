"""One writer at a time, whatever the schedule, the form and a backfill start at once.

`max_active_runs` does not hold across DAGs, and a backfill has a limit of its own; a pool holds a task, not a run. So
every DAG that writes begins with a task that takes its turn: from then on the turn is its run's, until that run ends.
Who has it stands in `$NIGHTMARKET_HOME/run/turn.json`; whether that run still runs, Airflow knows. So nothing has to be
given back, and a run that was killed or marked as failed holds nobody up.
"""

import fcntl
import json
import os
import re
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowRuntimeError, ErrorType

POOL = "turn"
"""One slot: of all waiting runs just one asks, the scheduler lets the earliest logical date ask first, and waiting
runs never fill the executor.
"""
ASK_SECONDS = 2.0


class TakeTurn(BaseOperator):
    """Wait until no other run has the turn, then take it.

    `night`: the date this run is for, templated. Where it is no date the run fails here, before anything was done;
    a DAG that is not about a night gives none.
    """

    template_fields = ("night",)
    ui_color = "#f3e8fd"

    def __init__(self, *, night: str | None = None, **kwargs: Any) -> None:
        super().__init__(**{"pool": POOL, "execution_timeout": timedelta(days=2), **kwargs})
        self.night = night

    def execute(self, context: Any) -> str | None:
        if self.night is not None and not _is_date(self.night):
            raise AirflowFailException(
                f"{self.night!r} is not a night: trigger the DAG with a date, YYYY-MM-DD, in the form"
            )
        ti, said = context["ti"], ""
        while holder := claim(Path(os.environ["NIGHTMARKET_HOME"]), ti):
            if holder != said:
                self.log.info("waiting for %s, which has the turn", holder)
                said = holder
            time.sleep(ASK_SECONDS)
        return self.night


def claim(home: Path, ti: Any) -> str:
    """Take the turn for the run of `ti` and return ''; where another running run has it, return that one's name."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    path = home / "run" / "turn.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        holder = json.loads(path.read_text()) if path.exists() else {}
        ours = {"dag": ti.dag_id, "run": ti.run_id}
        if holder and holder != ours and _runs(ti, holder):
            return f"{holder['dag']} {holder['run']}"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(ours))
        fresh.replace(path)
        return ""


def _runs(ti: Any, holder: dict[str, str]) -> bool:
    try:
        return bool(ti.get_dagrun_state(holder["dag"], holder["run"]) == "running")
    except AirflowRuntimeError as error:
        if error.error.error in (ErrorType.DAGRUN_NOT_FOUND, ErrorType.GENERIC_ERROR):
            detail = json.dumps(error.error.detail or {})
            if error.error.error == ErrorType.DAGRUN_NOT_FOUND or "404" in detail or "not found" in detail.lower():
                return False  # the run was deleted
        raise


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False
