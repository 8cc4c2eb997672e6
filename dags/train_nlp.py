"""
# Train on the shop's texts

Learns to read reviews from the shop's own, where a rating says what the words should, judges what was learned on the
deliveries after a cut-off, and makes it champion if the interval of its gain says so. **Nothing is promoted unless you
switch the dry run off**; the log of `judge` says in words what would be promoted, and why.

* **When**: every Sunday at 10:00 UTC, once it is switched on, or by hand with the form.
* **Reads**: the lake. **Writes**: models, their metrics (`marts.model_performance` of the next night), the promotion
  log. It never writes to the warehouse, so nights do not wait for it.
* **Who is asked**: as in `train_recommender`: `approve` waits at most 4 hours where the gate says yes in a real run,
  and no answer is a yes.
* **Who reads it**: `nightly` reads reviews with the champion whose evaluation days end before the night. The first
  night with another champion reads every review again.
"""

from datetime import timedelta

from airflow.sdk import DAG
from nightmarket_airflow.champion import promote_after
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, MODEL_REVIEWS, choice, dry_run, optional_date
from nightmarket_airflow.timetable import NightTimetable

with DAG(
    dag_id="train_nlp",
    dag_display_name="Train on texts",
    doc_md=__doc__,
    schedule=NightTimetable("0 10 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=24),
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(hours=6)},
    tags=["nightmarket", "training"],
    params={
        "until": optional_date("Last delivery", "Its held-out days end here. Empty: the newest delivery of reviews."),
        "config": choice(
            "Config",
            "base: linear, on words and letters. encoder: a transformer for the unsure texts as well, minutes more.",
            "base",
            "encoder",
        ),
        "device": choice("Device", "auto: the GPU where there is one, else the processor.", "auto", "cpu", "cuda"),
        "dry_run": dry_run(),
    },
) as dag:
    train = Command(
        task_id="train",
        words=[
            "train",
            "reviews",
            "--until",
            "{{ params.until or '' }}",
            "--config",
            "{{ params.config }}",
            "--device",
            "{{ params.device }}",
        ],
        pool="gpu",
    )
    promote_after(train, "reviews", MODEL_REVIEWS)
