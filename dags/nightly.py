"""
# The night

Turns what a shop delivered for one day into the tables that BI reads the next morning: landing → preprocess → audit →
lake → warehouse → texts → vectors → features → score → audit → marts → publish.

* **When**: every day at 02:00 UTC, for the day before. By hand: *Trigger*, with the date of the night in the form.
* **Reads**: the shop's delivery of that date. **Writes**: lake, features, scores, marts, and at the end, in one swap,
  the file that BI reads. The scores are those of the champion as of the night's date: the latest promoted model whose
  evaluation days end before it (`train_recommender` makes them), also when an old night runs again.
* **Urgency**: BI expects it by 06:00 UTC. Until then, and after any failure, BI sees the night before, whole.
* **When a task is red**: its log ends in one line that says what failed and what to do. Mend that, then *Clear* the
  task: every step ends equal however often it runs. A failed audit is never tried again by itself.
* **In the morning**: *Report of the night*, a link on every task, says how it went and what needs a person, also when
  nothing was published. `monitor` compares the night with those before and alerts (`docs/monitoring.md`), `report`
  writes the page; whether they can, has no part in whether the run is green.
* **A range of nights**: *Backfill* in the UI, or `airflow backfill create --dag-id nightly --from-date A --to-date B`.
  Nights run in order, one at a time.
"""

from datetime import timedelta

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, chain
from nightmarket_airflow.alerts import not_published_in_time
from nightmarket_airflow.command import Command
from nightmarket_airflow.dbt import dbt_group
from nightmarket_airflow.defaults import (
    DEFAULT_ARGS,
    FEATURES,
    LAKE_EVENTS,
    MARTS,
    NIGHT,
    optional_date,
    optional_text,
)
from nightmarket_airflow.timetable import NightTimetable
from nightmarket_airflow.turn import TakeTurn

DATE = ("--date", NIGHT)
WAREHOUSE = {"pool": "warehouse_write"}

with DAG(
    dag_id="nightly",
    dag_display_name="The night",
    doc_md=__doc__,
    schedule=NightTimetable("0 2 * * *"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    deadline=DeadlineAlert(
        name="published by 06:00",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=4),
        callback=AsyncCallback(not_published_in_time),
    ),
    default_args={**DEFAULT_ARGS, "night": NIGHT},
    tags=["nightmarket", "night"],
    params={
        "date": optional_date("Night", "The day whose delivery is processed. Empty: the day of the schedule."),
        "accept_quarantine": optional_text(
            "Accept quarantine, because …",
            "Go on although more rows than allowed were refused. The reason is kept in ops.overrides. Empty: stop.",
        ),
    },
) as dag:
    take_turn = TakeTurn(task_id="take_turn", night=NIGHT)
    land = Command(task_id="land", words=["land", *DATE])
    preprocess = Command(task_id="preprocess", words=["preprocess", *DATE])
    audit_events = Command(
        task_id="audit_events",
        words=["audit", "landing", "events", *DATE, "--accept-quarantine", "{{ params.accept_quarantine or '' }}"],
    )
    publish_lake = Command(task_id="publish_lake", words=["publish-lake", *DATE], outlets=[LAKE_EVENTS])
    load = Command(task_id="load", words=["load", *DATE], **WAREHOUSE)
    texts = Command(task_id="texts", words=["texts", *DATE], **WAREHOUSE)
    vectors = Command(task_id="vectors", words=["vectors", *DATE], **WAREHOUSE)
    features = dbt_group("features", NIGHT)
    score = Command(task_id="score", words=["score", *DATE], **WAREHOUSE)
    audit_scores = Command(
        task_id="audit_scores", words=["audit", "features", "scores", *DATE], outlets=[FEATURES], **WAREHOUSE
    )
    rescore = Command(task_id="rescore", words=["rescore", "--after", NIGHT], **WAREHOUSE)
    marts = dbt_group("marts", NIGHT)
    publish = Command(task_id="publish", words=["publish", *DATE], outlets=[MARTS], **WAREHOUSE)
    # Teardowns run when all before them ended, however they did, and are no part of the run's own outcome.
    monitor = Command(task_id="monitor", words=["monitor", *DATE], **WAREHOUSE).as_teardown()
    report = Command(task_id="report", words=["report", *DATE], **WAREHOUSE).as_teardown()

    chain(take_turn, land, preprocess, audit_events, publish_lake, load, texts, vectors, features, score)
    chain(score, audit_scores, rescore, marts, publish, monitor, report)
