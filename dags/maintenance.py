"""
# Maintenance

Keeps the disk from filling: deletes lake files that no kept version needs, and reports and logs past their time.

* **When**: every Sunday at 12:00 UTC, once it is switched on. By hand it is **a dry run unless you switch that off**:
  the log says how many files would go.
* **Reads and deletes**: lake files older than `vacuum_days`, reports older than `bi_history_days`, media vectors of
  towers that are champion on no night since, Airflow's task
  logs older than `log_days` (all in `settings.yaml`). Landing files are never touched: everything can be made again
  from them.
* Older lake versions cannot identify training data afterwards.
"""

from datetime import timedelta

from airflow.sdk import DAG
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, YES_UNLESS_DRY, dry_run
from nightmarket_airflow.timetable import NightTimetable
from nightmarket_airflow.turn import TakeTurn

with DAG(
    dag_id="maintenance",
    dag_display_name="Maintenance",
    doc_md=__doc__,
    schedule=NightTimetable("0 12 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=DEFAULT_ARGS,
    tags=["nightmarket", "operations"],
    params={"dry_run": dry_run()},
) as dag:
    take_turn = TakeTurn(task_id="take_turn")
    vacuum = Command(task_id="vacuum", words=["vacuum", YES_UNLESS_DRY])
    retention = Command(task_id="retention", words=["retention", YES_UNLESS_DRY])

    take_turn >> vacuum >> retention
