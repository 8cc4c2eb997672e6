"""`nightmarket serve NAME`: one server in the foreground, for a container or a service manager.

Its command and its environment are those of `nightmarket up`, so nothing about it is said a second time elsewhere.
"""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.files import write_atomic
from pipelines.serve import airflow, mlflow, superset
from pipelines.serve.secret import new_key, secret
from pipelines.settings import REPOSITORY, Settings

MLFLOW = "mlflow"
AIRFLOW = "airflow-"
SPARK_MASTER, SPARK_WORKER, SPARK_CONNECT = SPARK = ("spark-master", "spark-worker", "spark-connect")
BI_WATCH, SUPERSET = "bi-watch", "superset"
NAMES = (*(f"{AIRFLOW}{name}" for name in airflow.SERVERS), MLFLOW, *SPARK, BI_WATCH, SUPERSET)
POOLS = {
    "warehouse_write": "one writer at a time in the warehouse",
    "gpu": "one training at a time",
    "turn": "one run at a time asks whether it is its turn",
}


@dataclass(frozen=True)
class Server:
    """How one server is started, and the folder it runs in."""

    command: list[str]
    environment: dict[str, str]
    folder: Path


def server(settings: Settings, name: str) -> Server:
    """The server of this name; raises UsageError for one there is not."""
    if name not in NAMES:
        raise UsageError(f"unknown server {name!r}; known: {', '.join(NAMES)}")
    if name == MLFLOW:
        return Server(mlflow.command(settings), mlflow.environment(settings), _private(mlflow.home(settings)))
    if name in SPARK:
        return _spark(settings, name)
    if name == SUPERSET:
        folder = _private(superset.home(settings))
        return Server(superset.command(), superset.environment(settings), folder)
    if name == BI_WATCH:
        return Server([sys.executable, "-m", "pipelines.bi.watch"], dict(os.environ), REPOSITORY)
    folder, words = _private(airflow.home(settings)), airflow.SERVERS[name.removeprefix(AIRFLOW)]
    if words == airflow.SERVERS["api-server"]:
        airflow.admin_password(settings)  # makes the file that it reads; the others are not given this secret
    return Server([str(airflow.PROGRAM), *words], airflow.environment(settings), folder)


def host_of(settings: Settings) -> str:
    """The name other machines reach this one by; Spark's processes bind it and tell it to each other."""
    return settings.listen if settings.listen == "127.0.0.1" else socket.gethostname()


def _spark(settings: Settings, name: str) -> Server:
    import pipelines.serve.spark as spark

    host = host_of(settings)
    node = spark.Node(  # in a folder of its own: the nodes of a cluster see one home
        folder=_private(settings.home / "spark" / f"{name}-{host}"), host=host, master_host=settings.spark_master,
        cores=settings.spark_cores, memory_mib=settings.spark_memory_mib,
    )  # fmt: skip
    spark.write_properties(node, secret(spark.CLUSTER_SECRET, settings.home / "spark" / "cluster-secret", new_key))
    commands = {
        SPARK_MASTER: spark.master_command, SPARK_WORKER: spark.worker_command, SPARK_CONNECT: spark.connect_command,
    }  # fmt: skip
    # Without a token the server would ask nobody for one.
    own = settings.home / "spark" / "connect-token"
    token = secret("spark_connect_token", own, new_key) if name == SPARK_CONNECT else None
    return Server(commands[name](node), spark.environment(node, token), node.folder)


def serve(settings: Settings, name: str) -> NoReturn:
    """Become that server: its signals and its exit are ours."""
    found = server(settings, name)
    os.chdir(found.folder)
    try:
        os.execve(found.command[0], found.command, found.environment)  # noqa: S606 - a list of words of our own
    except OSError as error:
        raise NightmarketError(
            f"cannot start {name}: no {found.command[0]} ({error.strerror}); run `make setup`"
        ) from error


def migrate(settings: Settings) -> None:
    """Airflow's tables as its version wants them; Unavailable where its database does not answer."""
    _private(airflow.home(settings))
    _private(mlflow.home(settings))
    _airflow(settings, "db", "migrate")


def prepare_airflow(settings: Settings) -> dict[str, list[str]]:
    """What Airflow's servers need before the first of them starts: tables and pools. A pool that is there is left."""
    migrate(settings)
    said = _airflow(settings, "pools", "list", "--output", "json")
    known = {pool["pool"] for pool in json.loads(said.strip().splitlines()[-1])}  # warnings come before it
    missing = {name: text for name, text in POOLS.items() if name not in known}
    if missing:
        file = settings.run / "pools.json"
        pools = {n: {"slots": 1, "description": text, "include_deferred": False} for n, text in missing.items()}
        write_atomic(file, json.dumps(pools).encode())
        _airflow(settings, "pools", "import", str(file))
    return {"pools_made": sorted(missing)}


def _private(folder: Path) -> Path:
    """The folder, made if need be, which only its owner may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _airflow(settings: Settings, *words: str) -> str:
    """What `airflow WORDS` prints."""
    command, environment = [str(airflow.PROGRAM), *words], airflow.environment(settings)
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"airflow {' '.join(words[:2])} failed: {_cause(done.stderr or done.stdout)}"
        raise Unavailable(reason) if "OperationalError" in done.stderr else NightmarketError(reason)
    return done.stdout


def _cause(said: str) -> str:
    """The last line that names an error, else the last one; after it come hints and a link of SQLAlchemy's."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line]
    return (named or lines or ["no message"])[-1][:300]
