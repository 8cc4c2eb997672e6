"""A real stack, Airflow's four servers and MLflow, over a copy of the tiny shop and on free ports."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Unavailable
from pipelines.serve import stack
from pipelines.serve.client import FINISHED, Airflow
from pipelines.settings import REPOSITORY, Settings

PATIENCE = 1200.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass
class Stack:
    """The stack of one home, and what the tests ask of it; runs and tasks are those of `dag`."""

    settings: Settings
    dag: str = "nightly"

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def airflow(self) -> Airflow:
        return Airflow.log_in(self.settings)

    def up(self) -> None:
        stack.up(self.settings, lambda line: None)
        self.airflow.wait_for_dag(self.dag)

    def down(self) -> None:
        stack.down(self.settings, lambda line: None)

    def trigger(self, **params: Any) -> str:
        return self.airflow.trigger(self.dag, params)

    def state(self, run_id: str) -> str:
        return str(self.airflow.run(self.dag, run_id)["state"])

    def wait(self, run_id: str) -> str:
        """Until the run has ended; its state."""
        return self.until(lambda: self.state(run_id) in FINISHED and self.state(run_id), f"the end of {run_id}")

    def until(self, reached: Any, what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if found := reached():
                    return found
            except Unavailable:  # the API server is starting, or SQLite was busy
                pass
            time.sleep(1)
        raise AssertionError(f"{what} did not come in {PATIENCE:.0f} s; {self.unfinished()}")

    def unfinished(self) -> str:
        """Each task of each run that has begun and not ended: where a wait hangs."""
        try:
            runs = [run["dag_run_id"] for run in self.airflow.call("GET", f"dags/{self.dag}/dagRuns")["dag_runs"]]
            tasks = [(run, task) for run in runs for task in self.airflow.tasks(self.dag, run)]
            begun = [(r, t) for r, t in tasks if t["state"] and t["state"] != "success"]
            return "; ".join(f"{r} {t['task_id']} try {t['try_number']}: {t['state']}" for r, t in begun) or "all done"
        except Unavailable as error:
            return str(error)

    def task(self, run_id: str, name: str) -> dict[str, Any]:
        return next(t for t in self.airflow.tasks(self.dag, run_id) if t["task_id"] == name)

    def log(self, run_id: str, name: str) -> list[str]:
        return self.airflow.log(self.dag, run_id, name, self.task(run_id, name)["try_number"])


@pytest.fixture(scope="session")
def manifest() -> None:
    """dbt's manifest, from which the DAGs are made; `make setup` makes it, a bare checkout has none."""
    if not (REPOSITORY / "dbt_project" / "target" / "manifest.json").exists():
        subprocess.run(["make", "dbt_project/target/manifest.json"], cwd=REPOSITORY, check=True)


@pytest.fixture
def a_stack(after_history: Path, manifest: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack over a private copy of the shop after `history`; `nightly` is switched on."""
    home = tmp_path / "home"
    shutil.copytree(after_history, home)
    airflow_port, mlflow_port = free_ports(2)
    for name in [n for n in os.environ if n.startswith("NIGHTMARKET_") and n != "NIGHTMARKET_SCREENSHOTS"]:
        monkeypatch.delenv(name)  # settings of the person who runs the tests
    made = Stack(Settings(home=home, airflow_port=airflow_port, mlflow_port=mlflow_port))
    try:
        made.up()
        made.airflow.pause("nightly", False)
        yield made
    finally:
        made.down()
