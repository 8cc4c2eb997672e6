"""The DAGs as Airflow's own environment reads them, once for all tests."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "python"


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """{errors, heavy, ours, dags}: see `describe.py`."""
    outside = {n: v for n, v in os.environ.items() if not n.startswith(("AIRFLOW", "NIGHTMARKET"))}
    done = subprocess.run(
        [str(AIRFLOW), str(Path(__file__).with_name("describe.py"))],
        env={
            **outside,
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def dags(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return described["dags"]
