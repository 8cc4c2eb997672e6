"""How the night went: did it publish, what each step took, and what the audits said."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from pipelines.contracts import OPS_AUDIT_RESULTS, OPS_NIGHTS, OPS_OVERRIDES, OPS_RUNS
from pipelines.errors import UsageError
from pipelines.report.book import Book, Row
from pipelines.settings import Settings

STEP = "report"
"""The report's own run is no part of the night that it tells of."""
NIGHTS_COMPARED = 14
_RUN = ("night", "step", "status", "rows", "error", "started_at", "finished_at", "seconds")


@dataclass(frozen=True)
class Outcome:
    """`state`: published, failed (nothing was shown), failed later (after it was shown), unfinished."""

    state: str
    batch: str  # the night's date, or "first..last" of the history pass it came with
    runs: list[Row]
    failed: list[Row]
    started_at: datetime
    published_at: datetime | None
    seconds: float
    is_closed: bool


def outcome(book: Book) -> Outcome:
    """What `ops.runs` says of the night. Raises UsageError where it says nothing: the date may be mistyped."""
    key = str(book.night)
    runs = [row for row in _runs(book) if row["step"] != STEP]
    own = [row for row in runs if row["night"] == key]
    if not own:
        passes = sorted({row["night"] for row in runs if _holds(row["night"], key)})
        own = [row for row in runs if passes and row["night"] == passes[-1]]
    if not own:
        raise UsageError(f"no run of night {key} is on record, so there is nothing to report; check the date")
    shown = next((row["finished_at"] for row in own if row["step"] == "publish" and row["status"] == "done"), None)
    failed = [row for row in own if row["status"] == "failed" and (shown is None or row["finished_at"] > shown)]
    state = ("failed later" if failed else "published") if shown else ("failed" if failed else "unfinished")
    closed = book.rows(OPS_NIGHTS.name, ("is_closed",), "where night = ?", [book.night])
    return Outcome(
        state, own[0]["night"], own, failed, min(row["started_at"] for row in own), shown,
        sum(row["seconds"] or 0.0 for row in own), bool(closed and closed[0]["is_closed"]),
    )  # fmt: skip


def _runs(book: Book) -> list[Row]:
    """Of the night, of those it is compared with, and of every history pass, which is known by its last day."""
    rest = "where right(night, 10) >= ? order by started_at, step"
    return book.rows(OPS_RUNS.name, _RUN, rest, [str(book.days_back(4 * NIGHTS_COMPARED))])


def _holds(batch: str, night: str) -> bool:
    first, dots, last = batch.partition("..")
    return bool(dots) and first <= night <= last


def steps(book: Book, found: Outcome) -> list[Row]:
    """Each step of the night beside the median of the last nights in which it was done; a history pass has no such."""
    done = [r for r in _runs(book) if r["status"] == "done" and ".." not in r["night"] + found.batch]
    before = [r for r in done if r["night"] < found.batch]
    nights = sorted({row["night"] for row in before})[-NIGHTS_COMPARED:]
    told = []
    for run in found.runs:
        seconds = [r["seconds"] for r in before if r["step"] == run["step"] and r["night"] in nights]
        usual = median(seconds) if seconds else None
        rate = (run["rows"] or 0) / run["seconds"] if run["seconds"] else None
        slow = usual is not None and run["seconds"] > 2 * usual and run["seconds"] - usual > 30
        told.append({**run, "median": usual, "nights": len(seconds), "rate": rate or None, "is_slow": slow})
    return told


def audits(book: Book, found: Outcome) -> list[Row]:
    """Every expectation that was held against the night, what failed first."""
    columns = ("suite", "expectation", "severity", "success", "observed", "unexpected_count", "rows")
    rows = book.rows(OPS_AUDIT_RESULTS.name, columns, "where night = ? order by suite, expectation", [found.batch])
    return sorted(rows, key=lambda row: (row["success"], row["severity"] != "critical"))


def overrides(book: Book, found: Outcome) -> list[Row]:
    columns = ("entity", "reason", "rows_quarantined", "rows_in")
    return book.rows(OPS_OVERRIDES.name, columns, "where night = ? order by entity", [found.batch])


def audit_pages(settings: Settings, found: Outcome) -> list[dict[str, Any]]:
    """The audits' own pages that are there, as links from a report's place."""
    folder = settings.reports / "audit" / found.batch
    pages = sorted(folder.glob("*/summary.html")) if folder.is_dir() else []
    return [{"stage": p.parent.name, "href": f"../audit/{found.batch}/{p.parent.name}/summary.html"} for p in pages]
