"""The steps of a night. The `nightmarket` command and `night` run them through here; Airflow runs the command.

Each step is a function of (settings, batch, attempt) that returns counts; `run_step` gives it a fencing token, times
it, says one line, and leaves a row in `ops.runs` whether it worked or not.
"""

import contextlib
import errno
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from pipelines import built, ops, staging
from pipelines.audit import verdicts
from pipelines.contracts import OPS_NIGHTS, OPS_RUNS, SCORES_RECOMMENDATIONS
from pipelines.errors import NightmarketError, Superseded, Unavailable
from pipelines.fence import Attempt, guard, take
from pipelines.files import write_atomic
from pipelines.settings import Batch, Settings, night
from pipelines.warehouse import open_warehouse, upsert

Report = Callable[[str], None]
Result = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """`scope` is what the fencing token is taken for: the batch, or one thing that all batches share."""

    name: str
    run: Callable[[Settings, Batch, Attempt], Result]
    scope: str = ""


def _preprocess(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines import landing
    from pipelines.preprocess.job import preprocess

    landing.check_reach(settings, batch)
    manifest = preprocess(settings, batch, attempt)
    return {
        "rows": sum(e["rows"] for e in manifest["entities"].values()),
        "seconds_by_phase": manifest["seconds"],
        "missing_days": manifest["freshness"],  # of a stretch of history; a night would have stopped
    }


def _publish_lake(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines.publish_lake import publish_lake

    return publish_lake(settings, batch, attempt)


def _load(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines.load import load

    return load(settings, batch, attempt)


def _texts(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines.language import read_texts

    return read_texts(settings, newest_night(settings, batch), attempt)


def _vectors(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines.vectors import read_vectors

    return read_vectors(settings, newest_night(settings, batch), attempt)


def _features(settings: Settings, batch: Batch, attempt: Attempt, events: bool = False) -> Result:
    from pipelines import features

    verdicts.forget(settings, "features", batch)
    with guard(settings, attempt):
        built.forget(settings, "features", "marts")
    return features.build(settings, newest_night(settings, batch), "features", attempt, events)


def _score(settings: Settings, batch: Batch, attempt: Attempt, new_rules: bool = False) -> Result:
    from pipelines.scoring import score

    verdicts.forget(settings, "scores", batch)
    with guard(settings, attempt):
        built.forget(settings, "marts")
    return score(settings, batch.last, attempt, new_rules)


def _marts(settings: Settings, batch: Batch, attempt: Attempt, events: bool = False) -> Result:
    """Marts for the newest night; refused unless every audit behind them passed."""
    from pipelines import features, landing

    newest = newest_night(settings, batch)
    _require_audits(settings, batch, newest)
    _require_built(settings, "features", newest)
    row = {
        "night": batch.last,
        "is_closed": batch.last in landing.closed_days(settings, batch),
        "published_at": datetime.now(UTC),
    }
    with guard(settings, attempt), ops.writing(settings) as connection:
        built.forget(settings, "marts")
        upsert(connection, OPS_NIGHTS, [row])
    return features.build(settings, newest, "marts", attempt, events)


def _publish(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    """The marts of the newest night, in one swap."""
    from pipelines import bi

    newest = newest_night(settings, batch)
    _require_audits(settings, batch, newest)
    _require_built(settings, "marts", newest)
    rows = bi.publish(settings, newest, attempt)
    return {"rows": sum(rows.values()), "marts": rows, "night": str(newest)}


def _monitor(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
    from pipelines.monitoring import monitor

    return monitor(settings, batch.last, attempt)


def _require_built(settings: Settings, half: built.Half, newest: date) -> None:
    stands = built.as_of(settings, half)
    if stands != newest:
        found = f"as of {stands}" if stands else "not built since their inputs changed"
        raise NightmarketError(f"{half} are {found}, night {newest} needs them: run `nightmarket {half}` first")


def _require_audits(settings: Settings, batch: Batch, newest: date) -> None:
    """This batch's features, and the scores of every night that the marts will show."""
    staging.current(settings, batch)
    verdicts.require(settings, "features", batch)
    with open_warehouse(settings) as connection:
        scored = connection.execute(
            f"select distinct scored_for from {SCORES_RECOMMENDATIONS.name}"
            f" where scored_for in (select night from {OPS_NIGHTS.name}) and scored_for > ? order by 1",
            [newest - timedelta(settings.bi_history_days)],
        ).fetchall()
    own = [batch.last] if batch.is_night else []
    for day in sorted({row[0] for row in scored} | set(own)):
        verdicts.require(settings, "scores", night(day))


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("preprocess", _preprocess),
        Step("publish-lake", _publish_lake),
        Step("load", _load, scope="warehouse"),
        Step("texts", _texts, scope="warehouse"),
        Step("vectors", _vectors, scope="warehouse"),
        Step("features", _features, scope="warehouse"),
        Step("score", _score),
        Step("marts", _marts, scope="warehouse"),
        Step("publish", _publish, scope="bi"),
        Step("monitor", _monitor),
    )
}
AUDITS = ("landing", "events", "features", "scores")


def audit_step(stage: str, accept_quarantine: str | None = None) -> Step:
    """The audit of one stage as a step."""

    def run(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
        from pipelines.audit.run import audit

        return audit(settings, stage, batch, attempt, accept_quarantine)

    return Step(f"audit-{stage}", run)


def dbt_step(half: built.Half, events: bool) -> Step:
    """One half of the dbt project as a step; with `events`, dbt's own JSON events go to stdout while it runs."""
    run = {"features": _features, "marts": _marts}[half]
    return replace(STEPS[half], run=lambda settings, batch, attempt: run(settings, batch, attempt, events))


def score_step(new_rules: bool) -> Step:
    """Scoring as a step; with `new_rules` by the rules file as it is now, even where the night was scored before."""
    return replace(STEPS["score"], run=lambda settings, batch, attempt: _score(settings, batch, attempt, new_rules))


def newest_night(settings: Settings, batch: Batch) -> date:
    """The night features and marts stand for: this one, unless a later one was already built."""
    with open_warehouse(settings) as connection:
        row = connection.execute(f"select max(night) from {OPS_NIGHTS.name}").fetchone()
    found: date | None = row[0] if row else None
    return batch.last if found is None else max(found, batch.last)


def run_step(settings: Settings, step: Step, batch: Batch, report: Report) -> Result:
    """Run one step; its outcome goes to `ops.runs`. Failures are raised as one line after they are recorded."""
    started, clock = datetime.now(UTC), time.monotonic()
    row: dict[str, Any] = {"night": batch.key, "step": step.name, "started_at": started, "error": None}
    try:
        attempt = take(settings, step.name, step.scope or batch.key)
        row["attempt"] = attempt.id
        result = step.run(settings, batch, attempt)
    except Superseded as error:  # the record of this step belongs to the attempt that took over
        report(f"{batch.key}  {step.name:<15} STOPPED: {error}")
        raise
    except Exception as error:  # whatever it was, `ops.runs` must say that the step failed
        lost = settings.lake_url and not isinstance(error, NightmarketError) and is_lost_store(error)
        reason = one_line(error)
        if lost:
            reason = f"the lake at {settings.lake_url} went away while it was read: run this again ({reason[:200]})"
        elif not isinstance(error, NightmarketError):
            reason += keep_traceback(settings, error)
        _record_run(settings, row, "failed", clock, error=reason)
        report(f"{batch.key}  {step.name:<15} FAILED after {time.monotonic() - clock:.1f} s: {reason}")
        if isinstance(error, NightmarketError) and not is_full_disk(error):  # that one is said in plain words
            raise
        raise (Unavailable if lost else NightmarketError)(f"{batch.key} {step.name}: {reason}") from error
    seconds = round(time.monotonic() - clock, 2)
    for line in result.pop("lines", []):
        report(line)
    detail = {k: v for k, v in result.items() if k != "rows"}
    rows, version = int(result.get("rows") or 0), result.get("lake_version")
    _record_run(settings, row, "done", clock, rows=rows, detail=json.dumps(detail, default=str), lake_version=version)
    report(f"{batch.key}  {step.name:<15} {rows:>12,} rows {seconds:>8.1f} s")
    return {**result, "step": step.name, "seconds": seconds}


def _record_run(settings: Settings, row: dict[str, Any], status: str, clock: float, **more: Any) -> None:
    finished = {"finished_at": datetime.now(UTC), "seconds": round(time.monotonic() - clock, 3), "status": status}
    try:
        ops.record(settings, OPS_RUNS, [{**row, **finished, **more}], f"{row['night']}-{row['step']}")
        if status == "failed":
            ops.flush(settings)
    except (OSError, duckdb.Error, NightmarketError):
        # The step's own outcome matters more than its record: with a full disk there is nowhere to write one.
        if status != "failed":
            raise


def keep_traceback(settings: Settings, error: BaseException) -> str:
    """Leave the traceback of a fault nobody foresaw in a file; returns where, for the end of the line."""
    path = settings.run / "last-error.log"
    with contextlib.suppress(OSError):
        write_atomic(path, "".join(traceback.format_exception(error)).encode(), mode=0o600)
        return f" (details: {path})"
    return ""


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk, or a file-size limit, is behind the error, in whichever library it surfaced."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    signs = ("no space left", "disk full", "disk is full", "disk i/o error", "file too large", "could not write")
    return full or any(sign in str(error).lower() for sign in signs)


def is_lost_store(error: BaseException) -> bool:
    """Whether an object store that no longer answers is behind the error, in whichever library it surfaced."""
    return "generic s3 error" in str(error).lower() and not is_full_disk(error)


def one_line(error: BaseException) -> str:
    """The first useful line of any exception; a full disk is said in plain words wherever it surfaced."""
    text = " ".join(str(error).split()) or type(error).__name__
    if is_full_disk(error):
        return f"the disk is full (or a file-size limit was hit): free some space and run the step again ({text[:200]})"
    return text[:500]
