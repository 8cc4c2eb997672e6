"""
# Train on texts

Learns from what people wrote, in English and Chinese: how good a review says a thing is (`reviews`), in which order the
products of a query should stand (`search`), and what a customer's message is about (`intents`). Each is judged on what
it has not seen, and is promoted where it beats the floor beyond doubt. **Nothing is promoted unless you switch the dry
run off**; the log of `judge` says in words what would be, and why.

* **When**: every Sunday at 10:00 UTC, once it is switched on, or by hand with the form. A task that the shop has too
  little for is skipped, unless it was asked for by name.
* **Reads**: the lake. **Writes**: models, their metrics (`marts.model_performance` of the next night), the promotion
  log. It never writes to the warehouse, so nights do not wait for it.
* **Who is asked**: as in `train_recommender`: `approve` waits at most 4 hours where the gate says yes in a real run,
  and no answer is a yes.
* **Who reads it**: `nightly`, with the champions whose data ends before the night. The first night with another
  champion of `reviews` reads every review again.
"""

from datetime import timedelta

from airflow.sdk import DAG, TaskGroup
from nightmarket_airflow.champion import promote_after
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import (
    DEFAULT_ARGS,
    MODEL_INTENTS,
    MODEL_REVIEWS,
    MODEL_SEARCH,
    choice,
    dry_run,
    optional_date,
    optional_number,
)
from nightmarket_airflow.timetable import NightTimetable

TASKS = {"reviews": MODEL_REVIEWS, "search": MODEL_SEARCH, "intents": MODEL_INTENTS}
OF_REVIEWS = [
    "--config",
    "{{ params.config }}",
    "--language",
    "{{ '' if params.language == 'any' else params.language }}",
    "--tokens",
    "{{ params.tokens or '' }}",
]

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
        "task": choice("Task", "What to learn.", "all", *TASKS),
        "until": optional_date("Last delivery", "What is known ends here. Empty: the newest delivery."),
        "language": choice(
            "Language", "Of reviews. One: what the champion reads in the other is kept as it is.", "any", "en", "zh"
        ),
        "config": choice(
            "Config",
            "Of reviews. base: linear, on words and letters. encoder: a transformer for the unsure texts as well.",
            "base",
            "encoder",
        ),
        "tokens": optional_number(
            "Budget",
            "Tokens that the transformer is tuned on. Empty: 700,000, minutes on two cores.",
            1000,
            100_000_000,
        ),
        "device": choice("Device", "auto: the GPU where there is one, else the processor.", "auto", "cpu", "cuda"),
        "dry_run": dry_run(),
    },
) as dag:
    for family, outlet in TASKS.items():
        with TaskGroup(group_id=family):
            train = Command(
                task_id="train",
                words=[
                    "train",
                    family,
                    "--until",
                    "{{ params.until or '' }}",
                    *(OF_REVIEWS if family == "reviews" else []),
                    "--device",
                    "{{ params.device }}",
                    "{{ '--if-enough' if params.task == 'all' else '' }}",
                ],
                unless=[f"{{{{ '' if params.task in ('all', '{family}') else 'the task is ' ~ params.task }}}}"],
                pool="gpu",
            )
            promote_after(train, family, outlet)
