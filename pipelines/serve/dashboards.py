"""`make bi`: Superset on loopback with the dashboards of `bi/`, beside whatever else of the stack runs."""

import json
import time
from pathlib import Path
from typing import Any

from pipelines.errors import NightmarketError
from pipelines.files import write_atomic
from pipelines.serve import processes, superset
from pipelines.serve.health import superset_problem
from pipelines.serve.server import SUPERSET, server
from pipelines.serve.stack import Report, last_words, mark_of, require_free
from pipelines.settings import Settings

FIRST_START_SECONDS = 900.0


def up(settings: Settings, report: Report) -> dict[str, Any]:
    """Start Superset, again if it runs: each start imports the bundle. Returns when it answers; `down` stops it.

    Raises UsageError where the warehouse is no PostgreSQL, NightmarketError where its environment or port is missing.
    """
    if not superset.PROGRAM.exists():
        raise NightmarketError(f"no Superset at {superset.PROGRAM.parent.parent}: run `make bi`, which makes it")
    found, record = server(settings, SUPERSET), settings.run / "superset.json"
    _stop(settings, record)
    require_free(settings, ("superset_port",))
    report("superset: starting; the first time it makes its tables, which takes a minute or two")
    log = settings.home / "logs" / f"{SUPERSET}.log"
    started = processes.start(found.command, found.environment, mark_of(settings), log, found.folder)
    write_atomic(record, json.dumps(started).encode())
    _wait(settings, started, log)
    secret = superset.home(settings) / "admin-password"
    report(f"Superset {superset.url(settings)}   user {superset.USER}, password in {secret}")
    return {"superset": superset.url(settings)}


def _stop(settings: Settings, record: Path) -> None:
    if record.exists():
        pid, born = json.loads(record.read_text())
        processes.stop_one(pid, born, mark_of(settings))


def _wait(settings: Settings, started: tuple[int, float], log: Path) -> None:
    deadline = time.monotonic() + FIRST_START_SECONDS
    while problem := superset_problem(settings):
        if not processes.lives(*started, mark_of(settings)):
            raise NightmarketError(f"superset stopped while starting: {last_words(log)}; its log is {log}")
        if time.monotonic() > deadline:
            raise NightmarketError(
                f"superset is not up after {FIRST_START_SECONDS:.0f} s ({problem}); its log is {log}"
            )
        time.sleep(0.5)
