"""Print all DAGs as JSON. Run by Airflow's own Python, which has no pytest: see `tests/dags/conftest.py`."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "plugins"))


def seconds(value) -> float | None:
    return value.total_seconds() if value is not None else None


def task(task) -> dict:
    return {
        "kind": type(task).__name__,
        "then": sorted(task.downstream_task_ids),
        "words": list(getattr(task, "words", [])),
        "outlets": [asset.name for asset in task.outlets],
        "owner": task.owner,
        "retries": task.retries,
        "retry_backoff": bool(task.retry_exponential_backoff),
        "retries_by_policy": task.retry_policy is not None,
        "timeout": seconds(task.execution_timeout),
        "waits": seconds(getattr(task, "response_timeout", None)),
        "unanswered": getattr(task, "defaults", None),
        "pool": task.pool,
        "alerts": bool(task.on_failure_callback),
        "is_aside": task.is_teardown and not task.on_failure_fail_dagrun,
    }


def dag(dag) -> dict:
    return {
        "doc": dag.doc_md,
        "title": dag.dag_display_name,
        "tags": sorted(dag.tags),
        "schedule": getattr(dag.timetable, "_expression", None),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timeout": seconds(dag.dagrun_timeout),
        "deadlines": [f"{alert.name}: {seconds(alert.interval) / 3600:g} h" for alert in dag.deadline or []],
        "params": {name: {"default": dag.params[name], **dag.params.get_param(name).schema} for name in dag.params},
        "about_params": {name: dag.params.get_param(name).description for name in dag.params},
        "file": Path(dag.fileloc).name,
        "tasks": {task_id: task(found) for task_id, found in sorted(dag.task_dict.items())},
    }


def main() -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"), load_op_links=False)
    heavy = ("pandas", "numpy", "torch", "pyspark", "duckdb", "great_expectations", "mlflow", "dbt")
    found = {
        "errors": {Path(name).name: text.strip().splitlines()[-1] for name, text in bag.import_errors.items()},
        "heavy": sorted(name for name in heavy if name in sys.modules),
        "ours": sorted(name for name in sys.modules if name.split(".")[0] in ("pipelines", "models")),
        "dags": {dag_id: dag(found) for dag_id, found in sorted(bag.dags.items())},
    }
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
