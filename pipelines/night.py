"""A night, and a stretch of history, without Airflow: the same steps in the same order."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines import landing
from pipelines.errors import NightmarketError, UsageError
from pipelines.faults import fault_point
from pipelines.fence import Attempt
from pipelines.land import land
from pipelines.settings import Batch, Settings, night
from pipelines.steps import STEPS, Report, Result, Step, audit_step, run_step

TO_LAKE = ("preprocess", "audit-landing", "audit-events", "publish-lake")
TO_FEATURES = ("load", "texts", "vectors", "features", "audit-features")
TO_BI = ("marts", "publish")


def land_step(source: str, path: Path | None) -> Step:
    """Bring the batch's days of a source to landing."""

    def run(settings: Settings, batch: Batch, attempt: Attempt) -> Result:
        landed = land(settings, source, path, batch.first, batch.last)
        return {**landed, "rows": sum(landed["rows"].values()), "rows_by_entity": landed["rows"]}

    return Step("land", run)


def run_night(
    settings: Settings,
    day: date,
    source: str | None,
    path: Path | None,
    accept_quarantine: str | None,
    report: Report,
) -> dict[str, Any]:
    """One night from landing to BI. Running it again, whole or after a kill, ends equal."""
    batch = night(day)
    results = []
    if source is not None:
        results.append(run_step(settings, land_step(source, path), batch, report))
    results += _steps(settings, (*TO_LAKE, *TO_FEATURES), batch, report, accept_quarantine)
    results.append(run_step(settings, STEPS["score"], batch, report))
    results.append(run_step(settings, audit_step("scores"), batch, report))
    results += rescore(settings, day, report)
    results += _steps(settings, TO_BI, batch, report)
    results += _measured(settings, batch, report)
    return _summary(batch, results)


def _measured(settings: Settings, batch: Batch, report: Report) -> list[Result]:
    """BI has its night by now: what goes wrong here is said and recorded, and fails nothing."""
    try:
        return [run_step(settings, STEPS["monitor"], batch, report)]
    except NightmarketError:
        return []


def run_history(
    settings: Settings,
    first: date | None,
    until: date,
    source: str | None,
    path: Path | None,
    accept_quarantine: str | None,
    report: Report,
    in_lake: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Many days in one pass: lake, features and marts, no scores. Equal to the same days night by night.

    `in_lake` is called when the days are in the lake: what only reads that may begin beside the rest.
    """
    if source is not None:
        landed = land(settings, source, path, first, until)
        report(f"landed {landed['files_written']} new files, {landed['first']} to {landed['last']}")
    start, _ = landing.landed_dates(settings)
    batch = Batch(max(first or start, start), until)
    if batch.first > batch.last:
        raise UsageError(f"nothing has landed up to {until}; the first landed day is {start}")
    if batch.is_night:
        raise UsageError(f"{until} alone is a night: run `nightmarket night --date {until}`, which scores it too")
    results = _steps(settings, TO_LAKE, batch, report, accept_quarantine)
    in_lake()
    results += _steps(settings, TO_FEATURES, batch, report)
    for sentence in results[0]["missing_days"]:
        report(sentence)
    results += rescore(settings, batch.first - timedelta(1), report)
    results += _steps(settings, TO_BI, batch, report)
    return _summary(batch, results)


def _steps(
    settings: Settings, names: tuple[str, ...], batch: Batch, report: Report, accept_quarantine: str | None = None
) -> list[Result]:
    results = []
    for name in names:
        stage = name.removeprefix("audit-")
        step = audit_step(stage, accept_quarantine) if name.startswith("audit-") else STEPS[name]
        results.append(run_step(settings, step, batch, report))
    return results


def rescore(settings: Settings, day: date, report: Report) -> list[Result]:
    """Days filled in behind scored nights change what those may know: score every night after `day` again (law 5)."""
    from pipelines.scoring import scored_nights_after

    results = []
    for later in scored_nights_after(settings, day):
        results.append(run_step(settings, STEPS["score"], night(later), report))
        results.append(run_step(settings, audit_step("scores"), night(later), report))
        fault_point("rescore.night")
    return results


def _summary(batch: Batch, results: list[Result]) -> dict[str, Any]:
    steps = {f"{r['step']}": {"rows": r.get("rows", 0), "seconds": r["seconds"]} for r in results}
    return {"batch": batch.key, "steps": steps, "seconds": round(sum(r["seconds"] for r in results), 1)}
