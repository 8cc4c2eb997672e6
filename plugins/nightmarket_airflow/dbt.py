"""A half of the dbt project as a task group: one dbt process, one task a model (Cosmos, WATCHER mode)."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = REPOSITORY / "dbt_project"
TAGS = {"features": "tag:features", "marts": "tag:publish"}

# A build that was killed (its task, its machine) is tried again: Cosmos then lets the models' tasks call dbt, and
# `nightmarket-dbt` builds the half once for all of them. A build that failed by itself would fail again.
_KILLED_ONLY = ExceptionRetryPolicy(
    rules=[RetryRule(exception=Exception, action=RetryAction.FAIL, reason="dbt says why; see the log of the producer")]
)


def dbt_group(half: str, night: str) -> DbtTaskGroup:
    """`half` is features or marts, `night` a template that renders to YYYY-MM-DD.

    `nightmarket-dbt` stands where Cosmos expects dbt, so that the build has its fencing token and its row in ops.runs.
    """
    group = DbtTaskGroup(
        group_id=half,
        project_config=ProjectConfig(
            dbt_project_path=PROJECT,
            manifest_path=PROJECT / "target" / "manifest.json",
            project_name="nightmarket",
            partial_parse=False,  # the command keeps dbt's own parse cache, in the home
        ),
        profile_config=ProfileConfig(
            profile_name="nightmarket", target_name="embedded", profiles_yml_filepath=PROJECT / "profiles.yml"
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            invocation_mode=InvocationMode.SUBPROCESS,
            dbt_executable_path=str(REPOSITORY / ".venv" / "bin" / "nightmarket-dbt"),
            setup_operator_args={
                "pool": "warehouse_write",
                "retries": 1,
                "retry_delay": timedelta(seconds=5),
                "retry_policy": _KILLED_ONLY,
            },
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=[TAGS[half]],
            test_behavior=TestBehavior.NONE,  # `dbt build` of the producer tests each model where it is built
            emit_datasets=False,  # their names hold the path of the warehouse; the DAG's own assets do not
        ),
        operator_args={
            "install_deps": False,
            "append_env": True,
            "env": {"NIGHTMARKET_HALF": half, "NIGHTMARKET_NIGHT": night},
            "retries": 0,
            "poke_interval": 2,
            "execution_timeout": timedelta(hours=2),
        },
    )
    _after_the_build(group)
    return group


def _after_the_build(group: DbtTaskGroup) -> None:
    """Let the models' tasks begin when the build is done.

    Cosmos starts them beside it, where each asks every few seconds how its model is doing: on two cores that took more
    processor time than dbt. Afterwards each finds its model's outcome at once. A failed build leaves them without a
    run, and its producer says which model or test it was.
    """
    done = group.children[f"{group.group_id}.dbt_producer_watcher_done"]
    for name, task in group.children.items():
        if name.endswith("_run") and not task.upstream_task_ids:
            done >> task
