"""`make up` and `make down`: Airflow and MLflow on loopback, and the end of just what was started."""

import json
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.errors import NightmarketError
from pipelines.files import write_atomic
from pipelines.serve import airflow, mlflow, processes
from pipelines.serve.client import Airflow
from pipelines.serve.health import airflow_problem, mlflow_problem
from pipelines.serve.server import AIRFLOW, MLFLOW, POOLS, migrate, server
from pipelines.settings import Settings

Report = Callable[[str], None]
START_SECONDS = 300.0
SERVERS = (*airflow.SERVERS, MLFLOW)


def up(settings: Settings, report: Report) -> dict[str, Any]:
    """Start what is not running, wait until it answers, unless it does already; returns URLs, users, password files.

    Raises NightmarketError where a port is taken, an environment is missing or a server does not come up.
    """
    if not airflow.PROGRAM.exists():
        raise NightmarketError(f"no Airflow at {airflow.PROGRAM.parent.parent}: run `make setup` first")
    mark = _mark(settings)
    airflow.admin_password(settings)
    missing = _missing(settings)
    if missing:
        if len(missing) == len(SERVERS):
            require_free(settings, ("airflow_port", "mlflow_port"))
        report("airflow: preparing its database")
        migrate(settings)
        _start(settings, mark, missing)
    _wait(settings, report)
    Airflow.log_in(settings).ensure_pools(POOLS)
    say_where(settings, report)
    return {"airflow": airflow.url(settings), "mlflow": mlflow.url(settings)}


def say_where(settings: Settings, report: Report) -> None:
    """A line per server: address, user, and the file with the password."""
    for name, address, folder in (
        ("Airflow", airflow.url(settings), airflow.home(settings)),
        ("MLflow", mlflow.url(settings), mlflow.home(settings)),
    ):
        report(f"{name:<8} {address}   user admin, password in {folder / 'admin-password'}")


def _missing(settings: Settings) -> list[str]:
    """Servers that do not run: all of them at first, one of them after it was killed."""
    known, mark = _running(settings), _mark(settings)
    return [name for name in SERVERS if name not in known or not processes.lives(*known[name], mark)]


def _running(settings: Settings) -> dict[str, tuple[int, float]]:
    path = settings.run / "servers.json"
    return {name: (pid, born) for name, (pid, born) in json.loads(path.read_text()).items()} if path.exists() else {}


def _start(settings: Settings, mark: str, names: list[str]) -> None:
    running = _running(settings)
    for name in names:
        log = settings.home / "logs" / f"{name}.log"
        found = server(settings, name if name == MLFLOW else AIRFLOW + name)
        running[name] = processes.start(found.command, found.environment, mark, log, found.folder)
    write_atomic(settings.run / "servers.json", json.dumps(running).encode())


def down(settings: Settings, report: Report) -> dict[str, Any]:
    """Stop every process of the stack, whoever its parent is by now: TERM, 15 seconds, KILL."""
    stopped = processes.stop(_mark(settings)) if _mark_file(settings).exists() else 0
    report(f"stopped {stopped} processes" if stopped else "nothing was running")
    return {"stopped": stopped}


def is_up(settings: Settings) -> bool:
    """Whether every server of the stack answers."""
    return all(not problem for problem in _unhealthy(settings).values())


def mark_of(settings: Settings) -> str:
    """What every process of this home's stack carries in its environment."""
    return _mark(settings)


def _mark_file(settings: Settings) -> Path:
    return settings.run / "stack"


def _mark(settings: Settings) -> str:
    path = _mark_file(settings)
    if not path.exists():
        write_atomic(path, secrets.token_hex(8).encode(), mode=0o600)
    return path.read_text()


def require_free(settings: Settings, names: tuple[str, ...]) -> None:
    """Raises NightmarketError where somebody listens on the port that one of these settings names."""
    for name in names:
        port = getattr(settings, name)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise NightmarketError(
                    f"port {port} on 127.0.0.1 is taken ({error.strerror}): stop what holds it, or choose another one"
                    f" by NIGHTMARKET_{name.upper()} or `{name}:` in {settings.home / 'settings.yaml'}"
                ) from error


def _wait(settings: Settings, report: Report) -> None:
    deadline = time.monotonic() + START_SECONDS
    said: set[str] = set()
    while True:
        waiting = {name: problem for name, problem in _unhealthy(settings).items() if problem}
        for name in sorted({"airflow", "mlflow"} - set(waiting) - said):
            report(f"{name}: up")
            said.add(name)
        # Asked also when all is well: a scheduler that just died is called healthy until its next heartbeat is due.
        if stopped := _missing(settings):
            log = settings.home / "logs" / f"{stopped[0]}.log"
            raise NightmarketError(f"{stopped[0]} stopped while starting: {last_words(log)}; its log is {log}")
        if not waiting:
            return
        name, problem = next(iter(waiting.items()))
        if time.monotonic() > deadline:
            raise NightmarketError(
                f"{name} is not up after {START_SECONDS:.0f} s ({problem}); its log is in {settings.home / 'logs'}"
            )
        time.sleep(0.5)


def last_words(log: Path) -> str:
    """The newest line of a log that tells of an error, else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    lines = [line for line in lines if "Background on this error" not in line]  # SQLAlchemy's last one is a link
    told = [line for line in lines if "error" in line.lower()] or lines or ["it said nothing"]
    return told[-1][:300]


def _unhealthy(settings: Settings) -> dict[str, str]:
    """What is wrong with each server; '' where nothing is."""
    return {"airflow": airflow_problem(airflow.url(settings)), "mlflow": mlflow_problem(settings)}
