"""
# Train the recommender

Fits the recommender's models on the days before a cut-off, judges them on the held-out days after it, and makes the
best one champion if the interval of its gain says so. **Promotion is a dry run unless you switch that off**: the log
says in words what would be promoted, and why.

* **When**: every Sunday at 08:00 UTC, once it is switched on, or by hand with the form.
* **Reads**: the lake. **Writes**: models, their metrics (`marts.model_performance` of the next night), the promotion
  log. It never writes to the warehouse, so nights do not wait for it.
* **Who reads it**: `nightly` scores with the champion whose evaluation days end before the night.
"""

from datetime import timedelta

from airflow.sdk import DAG
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, DRY_UNLESS_REAL, MODEL_RECOMMENDER, dry_run, optional_date
from nightmarket_airflow.timetable import NightTimetable

with DAG(
    dag_id="train_recommender",
    dag_display_name="Train the recommender",
    doc_md=__doc__,
    schedule=NightTimetable("0 8 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(hours=6)},
    tags=["nightmarket", "training"],
    params={
        "until": optional_date("Last day of evaluation", "Its held-out days end here. Empty: the newest day."),
        "dry_run": dry_run(),
    },
) as dag:
    train = Command(task_id="train", words=["train", "recommender", "--until", "{{ params.until or '' }}"], pool="gpu")
    promote = Command(
        task_id="promote",
        words=[
            "promote",
            "recommender",
            DRY_UNLESS_REAL,
        ],
        outlets=[MODEL_RECOMMENDER],
    )

    train >> promote
