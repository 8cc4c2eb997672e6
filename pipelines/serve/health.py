"""Whether a server answers, asked without any password."""

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from pipelines.bi import watch
from pipelines.errors import Unavailable, UsageError
from pipelines.serve import airflow, mlflow, superset
from pipelines.serve.server import AIRFLOW, BI_WATCH, MLFLOW, NAMES, SPARK, SPARK_CONNECT, SUPERSET, host_of
from pipelines.settings import Settings

MASTER_PORT, CONNECT_PORT = 7077, 15002
COMPONENTS = ("scheduler", "dag_processor", "triggerer")
"""What Airflow's API server knows the health of beside its own."""


def require_healthy(settings: Settings, name: str) -> None:
    """For the server that `nightmarket serve NAME` runs beside us; raises Unavailable with what is wrong."""
    if name not in NAMES:
        raise UsageError(f"unknown server {name!r}; known: {', '.join(NAMES)}")
    component = name.removeprefix(AIRFLOW).replace("-", "_")
    if name == MLFLOW:
        problem = mlflow_problem(settings)
    elif name == SUPERSET:
        problem = superset_problem(settings)
    elif name == BI_WATCH:
        problem = _beats(watch.beat(settings))
    elif name == SPARK_CONNECT:
        problem = _listens(host_of(settings), CONNECT_PORT)
    elif name in SPARK:
        problem = _listens(settings.spark_master, MASTER_PORT)  # a worker has no port known beforehand
    elif component in COMPONENTS:
        problem = airflow_problem(settings.airflow_url or airflow.url(settings), (component,))
    else:
        problem = airflow_problem(airflow.url(settings), ())
    if problem:
        raise Unavailable(f"{name}: {problem}")


def _listens(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=10):
            return ""
    except OSError as error:
        return f"nobody listens at {host}:{port} ({error.strerror or error})"


def _beats(file: Path) -> str:
    """A process without a port touches a file after each round."""
    age = time.time() - file.stat().st_mtime if file.exists() else float("inf")
    return "" if age < 4 * watch.EVERY_SECONDS else "its last round is long ago, or none has come yet"


def mlflow_problem(settings: Settings) -> str:
    return _answers(f"{mlflow.url(settings)}/health")[1]


def superset_problem(settings: Settings) -> str:
    return _answers(f"{superset.url(settings)}/health")[1]


def airflow_problem(address: str, components: tuple[str, ...] = COMPONENTS) -> str:
    """What is wrong with the API server at this address, or with one of these components; '' where nothing is."""
    body, problem = _answers(f"{address}/api/v2/monitor/health")
    if problem:
        return problem
    found = json.loads(body)
    bad = [name for name in components if found.get(name, {}).get("status") != "healthy"]
    return f"{', '.join(bad)} not healthy yet" if bad else ""


def _answers(address: str) -> tuple[str, str]:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - http to a server of our own
            return answer.read().decode(), ""
    except (urllib.error.URLError, OSError) as error:
        return "", str(getattr(error, "reason", error))
