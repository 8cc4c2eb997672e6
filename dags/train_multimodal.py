"""
# Train on products

Learns one space in which products lie by what is said, shown and heard of them, with what is bought together side by
side; it is judged by what people bought beside a product in the test days, against a frozen reader of titles. **Nothing
is promoted unless you switch the dry run off**; the log of `judge` says in words what would be, and why.

* **When**: every Sunday at 11:00 UTC, once it is switched on, or by hand with the form. A shop with too little to learn
  from is skipped on Sundays; by hand it is told what is missing.
* **Reads**: the lake, and the pictures and sounds beside landing. **Writes**: models, their metrics
  (`marts.model_performance` of the next night), the promotion log. It never writes to the warehouse.
* **Who is asked**: as in `train_recommender`: `approve` waits at most 4 hours where the gate says yes in a real run,
  and no answer is a yes.
* **Who reads it**: `nightly`, with the champion whose evaluation days end before the night; its first night looks at
  every picture and sound once.
"""

from datetime import timedelta

from airflow.sdk import DAG
from nightmarket_airflow.champion import promote_after
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, MODEL_MULTIMODAL, choice, dry_run, optional_date
from nightmarket_airflow.timetable import NightTimetable

with DAG(
    dag_id="train_multimodal",
    dag_display_name="Train on products",
    doc_md=__doc__,
    schedule=NightTimetable("0 11 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=24),
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(hours=6)},
    tags=["nightmarket", "training"],
    params={
        "until": optional_date("Last day of evaluation", "Its held-out days end here. Empty: the newest day."),
        "config": choice(
            "Config", "The towers' frozen settings. quick: a third of the time, for a first look.", "base", "quick"
        ),
        "device": choice("Device", "auto: the GPU where there is one, else the processor.", "auto", "cpu", "cuda"),
        "dry_run": dry_run(),
    },
) as dag:
    train = Command(
        task_id="train",
        words=[
            "train",
            "multimodal",
            "--until",
            "{{ params.until or '' }}",
            "--config",
            "{{ params.config }}",
            "--device",
            "{{ params.device }}",
            "{{ '--if-enough' if dag_run.run_type == 'scheduled' else '' }}",
        ],
        pool="gpu",
    )
    promote_after(train, "multimodal", MODEL_MULTIMODAL)
