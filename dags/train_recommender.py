"""
# Train the recommender

Fits the recommender's models on the days before a cut-off, judges them on the held-out days after it, and makes the
best one champion if the interval of its gain says so. **Nothing is promoted unless you switch the dry run off**; the
log of `judge` says in words what would be promoted, and why.

* **When**: every Sunday at 08:00 UTC, once it is switched on, or by hand with the form.
* **Reads**: the lake, and for the gate what was shown to shoppers (`docs/feedback.md`). **Writes**: models, their
  metrics (`marts.model_performance` of the next night), the promotion log. Nights do not wait while it trains; `judge`
  and `promote` open the warehouse and take turns with them.
* **Who is asked**: where the gate says yes, `approve` shows its verdict and waits at most 4 hours for *Approve* or
  *Reject* (Browse → Required Actions). No answer is a yes: the gate has measured it, and a week must not need a person.
  Where the gate says no, or in a dry run, nobody is asked: `approve` and `promote` are skipped and the run is green.
* **Who reads it**: `nightly` scores with the champion whose evaluation days end before the night.
"""

from datetime import timedelta

from airflow.sdk import DAG
from nightmarket_airflow.champion import promote_after
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import (
    DEFAULT_ARGS,
    MODEL_RECOMMENDER,
    choice,
    dry_run,
    optional_date,
    optional_number,
)
from nightmarket_airflow.timetable import NightTimetable

with DAG(
    dag_id="train_recommender",
    dag_display_name="Train the recommender",
    doc_md=__doc__,
    schedule=NightTimetable("0 8 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=24),
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(hours=6)},
    tags=["nightmarket", "training"],
    params={
        "until": optional_date("Last day of evaluation", "Its held-out days end here. Empty: the newest day."),
        "days": optional_number(
            "Window", "How many days before the cut-off to learn from. Empty: training_days of the settings.", 7, 1000
        ),
        "config": choice(
            "Config",
            "The transformer's frozen settings. quick: a tenth of the time, for a first look.",
            "base",
            "quick",
        ),
        "epochs": optional_number("Epochs", "At most so many passes over the data. Empty: as the config says.", 1, 500),
        "device": choice("Device", "auto: the GPU where there is one, else the processor.", "auto", "cpu", "cuda"),
        "dry_run": dry_run(),
    },
) as dag:
    train = Command(
        task_id="train",
        words=[
            "train",
            "recommender",
            "--until",
            "{{ params.until or '' }}",
            "--days",
            "{{ params.days or '' }}",
            "--config",
            "{{ params.config }}",
            "--epochs",
            "{{ params.epochs or '' }}",
            "--device",
            "{{ params.device }}",
        ],
        pool="gpu",
    )
    promote_after(train, "recommender", MODEL_RECOMMENDER, pool="warehouse_write")
