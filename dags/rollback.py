"""
# Roll back

Shows BI an earlier published night again, by one rename: the kept file, byte for byte. With *Model too* the champion
before the present one is put back as well. **A dry run unless you switch that off**; the log says what would replace
what.

* **When**: by hand, when what was published this morning is wrong. It takes less than a second and waits for nobody; a
  `publish` that is under way at that moment is stopped.
* **Reads**: the kept nights. **Writes**: the file that BI reads, and with *Model too* the promotion log, nothing else.
* **Not for** keeping a bad night away for good: the next run of `nightly` publishes the newest night again. Mend its
  cause, or pause `nightly`. A model put back scores what is scored from then on; scored nights stay as they are.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, MARTS, YES_UNLESS_DRY, dry_run, optional_date

with DAG(
    dag_id="rollback",
    dag_display_name="Roll back",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(minutes=30)},
    tags=["nightmarket", "operations"],
    params={
        "to": optional_date("Night to show", "One of the kept nights. Empty: the one before the night BI sees now."),
        "model": Param(
            False,
            type="boolean",
            title="Model too",
            description="On: also put back the recommender's champion before the present one.",
        ),
        "dry_run": dry_run(),
    },
) as dag:
    Command(
        task_id="rollback",
        words=[
            "rollback",
            "--to",
            "{{ params.to or '' }}",
            "--family",
            "{{ 'recommender' if params.model else '' }}",
            YES_UNLESS_DRY,
        ],
        outlets=[MARTS],
    )
