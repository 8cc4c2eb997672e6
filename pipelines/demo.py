"""`nightmarket demo`: a whole shop from nothing: a year of history, training, three nights in Airflow, a summary."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import bi, night, ops
from pipelines.contracts import OPS_RUNS
from pipelines.errors import NightmarketError
from pipelines.promotion import promote
from pipelines.query import query
from pipelines.report.kept import path_of
from pipelines.serve import stack
from pipelines.serve.client import FINISHED, Airflow
from pipelines.settings import Settings
from pipelines.steps import Report
from pipelines.training import train
from pipelines.training_run import Choices
from pipelines.warehouse import open_warehouse

SOURCE = "complete_journey"
HISTORY_UNTIL = date(2017, 12, 27)
NIGHTS = (date(2017, 12, 28), date(2017, 12, 29), date(2017, 12, 30))
NIGHTLY = "nightly"


def demo(settings: Settings, report: Report) -> dict[str, Any]:
    """Run it; every number in the summary is read back from what was written. The servers are left running."""
    clock = time.monotonic()
    with ThreadPoolExecutor(2) as beside:  # the servers take their time to start, and training reads only the lake
        starting = beside.submit(stack.up, settings, report)
        training: list[Future[dict[str, Any]]] = []

        def learn() -> None:
            training.append(
                beside.submit(train, settings, "recommender", HISTORY_UNTIL, report, Choices(config="quick"))
            )

        history = night.run_history(settings, None, HISTORY_UNTIL, SOURCE, None, None, report, in_lake=learn)
        trained = training[0].result()
        promoted = promote(settings, "recommender", dry_run=False)
        report(promoted["verdict"])
        servers = starting.result()
    airflow = Airflow.log_in(settings)
    with _switched_on(airflow):
        seconds = {str(day): run_in_airflow(airflow, {"date": str(day)}, report) for day in NIGHTS}
    total = round(time.monotonic() - clock, 1)
    console = Console()
    console.print(_steps(settings, history["seconds"], seconds))
    console.print(_floors(settings))
    users, rows, short = _lists(settings)
    console.print(f"{rows:,} recommendations for {users:,} users; {short} lists are shorter than {settings.top_k}.")
    console.print(f"BI reads {bi.place(settings)} (night {bi.current_night(settings)})")
    if (page := path_of(settings, NIGHTS[-1])).is_file():
        console.print(f"How the last night went: {page}", soft_wrap=True)
    console.print('Ask it: .venv/bin/nightmarket query "select * from marts.recommendations limit 5"')
    stack.say_where(settings, console.print)
    console.print("They run until `make down`.")
    return {
        "seconds": total,
        "users": users,
        "recommendations": rows,
        "short_lists": short,
        "history": history,
        "nights": seconds,
        "trained": trained.get("seconds"),
        "champion": promoted["champion"],
        **servers,
    }


@contextmanager
def _switched_on(airflow: Airflow) -> Iterator[None]:
    """`nightly` runs what it is asked for; afterwards it is paused, since this shop delivers no more days."""
    airflow.wait_for_dag(NIGHTLY)
    airflow.pause(NIGHTLY, False)
    try:
        yield
    finally:
        airflow.pause(NIGHTLY, True)


def run_in_airflow(airflow: Airflow, params: dict[str, Any], report: Report) -> float:
    """Trigger `nightly`, say each task as it ends, and return the run's seconds. Raises with the first failed task."""
    run_id = airflow.trigger(NIGHTLY, params)
    said: set[str] = set()
    while True:
        run = airflow.run(NIGHTLY, run_id)
        for task in airflow.tasks(NIGHTLY, run_id):
            is_model = task["task_id"].endswith(
                ("_run", "_done")
            )  # dbt's models: their group's producer stands for them
            if task["state"] in FINISHED and task["task_id"] not in said and not is_model:
                said.add(task["task_id"])
                report(
                    f"{params.get('date')}  {task['task_id']:<32} {task['state']:<8} {task['duration'] or 0:>7.1f} s"
                )
        if run["state"] in FINISHED:
            break
        time.sleep(1)
    if run["state"] == "failed":
        raise NightmarketError(f"run {run_id} failed: {why_failed(airflow, run_id)}")
    return (_time(run["end_date"]) - _time(run["start_date"])).total_seconds()


def why_failed(airflow: Airflow, run_id: str) -> str:
    """The alert line of the first task that failed."""
    for task in airflow.tasks(NIGHTLY, run_id):
        if task["state"] == "failed":
            lines = airflow.log(NIGHTLY, run_id, task["task_id"], task["try_number"])
            told = [line for line in lines if "NIGHTMARKET FAILED" in line] or lines[-1:] or ["no log"]
            return str(told[-1])
    return "no task failed; the run timed out or was marked as failed"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def _lists(settings: Settings) -> tuple[int, int, int]:
    _, rows, _ = query(
        settings,
        "select count(*), coalesce(sum(n), 0), count(*) filter (n < "
        f"{int(settings.top_k)}) from (select user_id, count(*) as n from marts.recommendations group by all)",
        limit=1,
    )
    users, total, short = rows[0]
    return int(users), int(total), int(short)


def _steps(settings: Settings, history: float, nights: dict[str, float]) -> Table:
    """What each command took, from `ops.runs`; the last row is the wall clock, Airflow included."""
    ops.flush(settings)
    with open_warehouse(settings, read_only=True) as connection:
        rows = connection.execute(
            f"select night, step, rows, seconds from {OPS_RUNS.name} where status = 'done' order by started_at"
        ).fetchall()
    batches = list(dict.fromkeys(row[0] for row in rows))
    cells = {(step, batch): f"{seconds:.1f} ({count or 0:,})" for batch, step, count, seconds in rows}
    table = Table("step", *batches, title="Seconds (rows) by step")
    for step in dict.fromkeys(row[1] for row in rows):
        table.add_row(step, *(cells.get((step, batch), "") for batch in batches))
    walls = {batch: nights.get(batch, history) for batch in batches}
    table.add_row("from start to end", *(f"{walls[batch]:.1f}" for batch in batches))
    return table


def _floors(settings: Settings) -> Table:
    names, rows, _ = query(
        settings,
        "select model_name, slice, metric, value, low, high, users from marts.model_performance"
        " where family = 'recommender' and metric in ('ndcg@10', 'recall@10') order by metric, slice, value desc",
        limit=100,
    )
    table = Table(*names, title="Floors on the held-out days (95 % intervals over users)")
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v if v is not None else "") for v in row))
    return table
