"""Run the dbt project: day facts and features of a night, or the marts that BI reads.

dbt runs as a child process of its own: it opens the warehouse alone, and nothing of it stays behind in ours.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from pipelines import built
from pipelines.contracts import EVENT_DATE, OPS_BUILT_SQL, OPS_PENDING_DAYS
from pipelines.errors import AuditFailed, NightmarketError, Unavailable
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.settings import REPOSITORY, Settings
from pipelines.warehouse import build_alone, open_warehouse, transaction, upsert

PROJECT = REPOSITORY / "dbt_project"
_TAGS: dict[built.Half, str] = {"features": "tag:features", "marts": "tag:publish"}
_KEPT_FROM: dict[built.Half, tuple[str, ...]] = {
    "features": ("macros", "models/staging", "models/intermediate"),
    "marts": ("macros", "models/staging", "models/marts"),
}
"""The SQL behind the tables that a build adds to instead of making them anew: the day facts, the scored nights."""

# As in plugins/nightmarket_airflow/command.py, which may import nothing from here.
# 1 is PR_SET_PDEATHSIG of prctl(2), 9 is SIGKILL; whose parent is gone already is too late to be told.
_DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9);"
    " sys.exit('the step that started this is gone') if os.getppid() != int(sys.argv[1]) else None;"
    " os.execv(sys.argv[2], sys.argv[2:])"
)

_OUTCOMES = ("success", "error", "fail", "skipped", "no-op", "partial success")


def build(
    settings: Settings, as_of: date, select: built.Half, attempt: Attempt, events: bool = False
) -> dict[str, Any]:
    """Build and test one half of the dbt project as of a night; a rerun ends equal.

    `features` builds day facts of the pending event dates and every feature table, and then forgets those dates.
    `marts` builds what BI reads. After an upgrade that changed the SQL of tables that are kept, these are made anew.
    With `events`, dbt's JSON events go to stdout as they happen.

    Returns {"select", "as_of", "models", "tests", "seconds", "pending_days", "made_anew"}.
    Raises AuditFailed when a data test fails, NightmarketError when anything else does; the message is one line.
    """
    pending = _pending_days(settings)
    fault_point("features.started")
    with guard(settings, attempt):  # an attempt that slept here while its successor went on must not build after it
        seen = built.inputs(settings, select)
    started = time.monotonic()
    sql = _fingerprint(select)
    made_anew = _made_by(settings, select) != sql
    with build_alone(settings):
        counts = _run_dbt(settings, as_of, select, made_anew, events)
    fault_point("features.built")
    with guard(settings, attempt):
        _remember(settings, select, sql, pending if select == "features" else [])
        built.keep(settings, select, as_of, seen)
    seconds = round(time.monotonic() - started, 2)
    more = {"seconds": seconds, "pending_days": len(pending), "made_anew": made_anew}
    return {"select": select, "as_of": str(as_of), **counts, **more}


def _fingerprint(select: built.Half) -> str:
    """Of the SQL that the kept tables of one half are made by; the warehouse holds that of its last build."""
    digest = hashlib.sha256()
    for folder in _KEPT_FROM[select]:
        for path in sorted((PROJECT / folder).glob("*.sql")):
            digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _pending_days(settings: Settings) -> list[tuple[date, str]]:
    """Event dates loaded since the last build. Opening the warehouse also says early when another process holds it."""
    with contextlib.closing(open_warehouse(settings)) as connection:
        rows = connection.execute(f'select "{EVENT_DATE}", files_digest from {OPS_PENDING_DAYS.name}').fetchall()
    return [(row[0], row[1]) for row in rows]


def _made_by(settings: Settings, select: built.Half) -> str:
    with contextlib.closing(open_warehouse(settings)) as connection:
        row = connection.execute(f"select digest from {OPS_BUILT_SQL.name} where half = ?", [select]).fetchone()
    return str(row[0]) if row else ""


def _remember(settings: Settings, select: built.Half, sql: str, days: list[tuple[date, str]]) -> None:
    """What the half was built by, and that these days no longer wait.

    Only those: a day that was loaded again meanwhile has another digest and stays pending.
    """
    with contextlib.closing(open_warehouse(settings)) as connection, transaction(connection):
        upsert(connection, OPS_BUILT_SQL, [{"half": select, "digest": sql}])
        for day, digest in days:
            connection.execute(
                f'delete from {OPS_PENDING_DAYS.name} where "{EVENT_DATE}" = ? and files_digest is not distinct from ?',
                [day, digest],
            )


def _run_dbt(settings: Settings, as_of: date, select: built.Half, make_anew: bool, events: bool) -> dict[str, int]:
    target, logs = settings.home / "dbt" / "target", settings.home / "dbt" / "logs"
    results = target / "run_results.json"
    results.unlink(missing_ok=True)  # that of an earlier run must not speak for this one
    said = ("--log-format", "json") if events else ("--quiet",)
    command = [
        str(Path(sys.executable).with_name("dbt")), *said, "--no-use-colors",
        "build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", target_name(settings),
        "--target-path", str(target), "--log-path", str(logs),
        # `buildable` leaves out tests that also look at models of the other half
        "--select", _TAGS[select], "--indirect-selection", "buildable", "--exclude-resource-type", "unit_test",
    ]  # fmt: skip
    if make_anew:  # else dbt would refuse the new columns, or leave old days as the old SQL made them
        # On PostgreSQL this drops what others read from, and two threads that drop crosswise block each other.
        command += ["--full-refresh", "--threads", "1"]
    server = _server(settings)
    code, output = _call(command, _environment(settings, as_of), events)
    nodes = _results(results)
    if code != 0:
        if _server(settings) != server:  # asking raises the same where it is not back yet
            raise Unavailable(
                f"{select} of {as_of}: PostgreSQL went away while dbt built; nothing of it is shown to BI"
            )
        raise _failure(select, as_of, nodes, output, logs / "dbt.log")
    kinds = [node["unique_id"].partition(".")[0] for node in nodes]
    return {"models": kinds.count("model"), "tests": kinds.count("test")}


def _server(settings: Settings) -> str:
    """Names the run of the database server; '' for an embedded one."""
    if not settings.postgres:
        return ""
    from pipelines.warehouse.postgres import started_at

    return started_at(settings)


def _call(command: list[str], environment: dict[str, str], events: bool) -> tuple[int, str]:
    """dbt's exit code and what it said, of which with `events` only the outcomes of models; see `watched`."""
    if not Path(command[0]).exists():
        raise NightmarketError(f"cannot start dbt: there is no {command[0]}; run `make setup`")
    try:
        with subprocess.Popen(
            [*_dying_with_us(), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            said = []
            for line in process.stdout or ():
                if events:
                    print(watched(line), end="", flush=True)
                else:
                    said.append(line)
    except OSError as error:
        raise NightmarketError(f"cannot start dbt ({command[0]}): {error.strerror}") from error
    return process.returncode, "".join(said)


def _dying_with_us() -> list[str]:
    """What to put before a command so that it is killed with this process.

    A dbt that outlives a killed step would hold the warehouse against the rerun and write after it (law 6). The
    kernel is told by the new process itself: code between fork and exec (`preexec_fn`) would first run the fork
    handlers of every library that is loaded here, and those of gRPC have ended the child (seen under load).
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]


def watched(line: str) -> str:
    """The line as the orchestrator should see it: the outcome of a model as dbt's JSON, all else as plain text.

    Cosmos stores something in Airflow's database for every JSON event, while dbt waits: hundreds of small writes a
    build, of which only a model's outcome is ever read.
    """
    try:
        event = json.loads(line)
        node = event["data"].get("node_info") or {}
    except (ValueError, KeyError, AttributeError):
        return line
    is_outcome = node.get("resource_type") == "model" and node.get("node_status") in _OUTCOMES
    text = str(event.get("info", {}).get("msg", "")).strip()
    return line if is_outcome else f"{text}\n" if text else ""


def target_name(settings: Settings) -> str:
    """The output of dbt's profile."""
    return "served" if settings.postgres else "embedded"


def connection_environment(settings: Settings) -> dict[str, str]:
    """What dbt's profile asks for; the password comes from libpq's own file."""
    if not settings.postgres:
        return {"NIGHTMARKET_WAREHOUSE": str(settings.warehouse), "NIGHTMARKET_MEMORY_LIMIT": settings.memory_limit}
    from pipelines.warehouse.postgres import target

    given = target(settings)
    named = {"HOST": "host", "PORT": "port", "DATABASE": "dbname", "SSLMODE": "sslmode"}
    return {f"NIGHTMARKET_PG_{name}": str(given[key]) for name, key in named.items() if key in given}


def _environment(settings: Settings, as_of: date) -> dict[str, str]:
    return {
        **os.environ,
        **connection_environment(settings),
        "NIGHTMARKET_AS_OF": as_of.isoformat(),
        "NIGHTMARKET_BI_HISTORY_DAYS": str(settings.bi_history_days),
        "NIGHTMARKET_LATE_DAYS": str(settings.late_days),
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def _results(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    nodes: list[dict[str, Any]] = json.loads(path.read_text())["results"]
    return nodes


def _failure(select: str, as_of: date, nodes: list[dict[str, Any]], output: str, log: Path) -> NightmarketError:
    """The first node that failed by itself (skipped ones only follow from it), else dbt's own last words."""
    broken = [node for node in nodes if node["status"] in ("error", "fail", "runtime error")]
    if broken:
        node = min(broken, key=lambda node: node["status"] == "fail")  # an error explains more than a failed test
        kind, _, name = node["unique_id"].split(".")[:3]
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        text = f"{select} of {as_of}: dbt {kind} {name}{more} failed: {_line(node['message'])}; see {log}"
        return AuditFailed(text) if node["status"] == "fail" else NightmarketError(text)
    return NightmarketError(f"{select} of {as_of}: dbt failed: {_line(output)}; see {log}")


def _line(message: str | None) -> str:
    """The cause of a dbt message in one line: dbt opens with a heading ("Runtime Error in model …")."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    told = [line for line in lines if not line.endswith(("Encountered an error:", "Parsing Error", "Runtime Error"))]
    told = [line for line in told if " Error in " not in line] or lines or ["no message"]
    return told[0][:300]
