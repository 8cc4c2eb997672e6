"""
# Load history

Brings many days in at once: lake, features and marts, without scores. Use it to set a shop up, or after a gap of more
than a few days; for some nights with their scores use *Backfill* on `nightly` instead.

* **When**: by hand, with the form.
* **Reads**: the shop's deliveries of the range. **Writes**: lake, features, marts, and the file that BI reads.
* Ends equal to the same days run night by night, and may be run again over days that are already there.
* It waits for its turn: while a night runs, it does not start.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param
from nightmarket_airflow.command import Command
from nightmarket_airflow.defaults import DEFAULT_ARGS, FEATURES, LAKE_EVENTS, MARTS, optional_date, optional_text
from nightmarket_airflow.turn import TakeTurn

with DAG(
    dag_id="load_history",
    dag_display_name="Load history",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(days=2),
    default_args=DEFAULT_ARGS,
    tags=["nightmarket", "history"],
    params={
        "until": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Last day",
            description="The last day to load. Required: without it the run fails at once.",
        ),
        "first": optional_date("First day", "Empty: the first day that has landed."),
        "source": optional_text(
            "Source", "A source by name (`nightmarket sources` lists them). Empty: only what has landed already.", 60
        ),
        "path": optional_text("Path", "Where the source's data is, on the machine that runs the commands.", 1000),
        "accept_quarantine": optional_text(
            "Accept quarantine, because …",
            "Go on although more rows than allowed were refused. The reason is kept in ops.overrides. Empty: stop.",
        ),
    },
) as dag:
    take_turn = TakeTurn(task_id="take_turn", night="{{ params.until or '' }}")
    history = Command(
        task_id="history",
        words=[
            "history",
            "--until",
            "{{ params.until }}",
            "--from",
            "{{ params.first or '' }}",
            "--source",
            "{{ params.source or '' }}",
            "--path",
            "{{ params.path or '' }}",
            "--accept-quarantine",
            "{{ params.accept_quarantine or '' }}",
        ],
        pool="warehouse_write",
        execution_timeout=timedelta(days=1),
        outlets=[LAKE_EVENTS, FEATURES, MARTS],
    )

    take_turn >> history
