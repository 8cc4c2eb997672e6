"""How the night went: did it publish, what each step took, audits, delivered files and what was refused of them."""

import math
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any

from pipelines.contracts import (
    LANDING_DATE,
    OPS_AUDIT_RESULTS,
    OPS_LANDING_FILES,
    OPS_MASKED,
    OPS_NIGHTS,
    OPS_OVERRIDES,
    OPS_QUARANTINE,
    OPS_RUNS,
    QUARANTINE,
)
from pipelines.errors import UsageError
from pipelines.report.book import Book, Row
from pipelines.settings import Settings

STEP = "report"
"""The report's own run is no part of the night that it tells of."""
NIGHTS_COMPARED, DAYS_COMPARED, DELIVERIES_COMPARED = 14, 28, 7
EXAMPLES = 3
_RUN = ("night", "step", "status", "rows", "error", "started_at", "finished_at", "seconds")


@dataclass(frozen=True)
class Outcome:
    """`state`: published, failed (nothing was shown), again (shown, then run again and failed), unfinished."""

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
    state = ("again" if failed else "published") if shown else ("failed" if failed else "unfinished")
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
    """Each step of the night beside the median of the last nights in which it was done."""
    before = [r for r in _runs(book) if r["status"] == "done" and ".." not in r["night"] and r["night"] < found.batch]
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


# ---- what was delivered --------------------------------------------------------------------------------------------

_COUNTS = ("files", "rows_in", "rows_published", "rows_deduplicated", "rows_quarantined")


def deliveries(book: Book) -> list[Row]:
    """By entity, what came tonight and before: counts, the usual share that is quarantined, and what is out of order.

    `is_missing`: it came with each of the last deliveries, and tonight it did not. `is_above`: more is quarantined than
    the share of the four weeks before explains, by three standard deviations of a binomial and three rows.
    """
    names = (LANDING_DATE, "entity", *_COUNTS)
    sums = ", ".join(f"cast(sum({name}) as bigint)" for name in _COUNTS[1:])
    sql = (
        f"select {LANDING_DATE}, entity, cast(count(*) as bigint), {sums} from {OPS_LANDING_FILES.name}"
        f" where {LANDING_DATE} between ? and ? group by {LANDING_DATE}, entity order by {LANDING_DATE}, entity"
    )
    rows = book.ask((OPS_LANDING_FILES.name,), names, sql, [book.days_back(DAYS_COMPARED), book.night])
    tonight = {row["entity"]: row for row in rows if row[LANDING_DATE] == book.night}
    before = [row for row in rows if row[LANDING_DATE] != book.night]
    days = sorted({row[LANDING_DATE] for row in before})[-DELIVERIES_COMPARED:]
    told = []
    for entity in sorted({row["entity"] for row in rows}):
        past = [row for row in before if row["entity"] == entity]
        always = len(days) == DELIVERIES_COMPARED and set(days) <= {row[LANDING_DATE] for row in past}
        came = tonight.get(entity)
        if came is None and not always:
            continue
        share = _share(past)
        now = came or dict.fromkeys(_COUNTS, 0)
        told.append(
            {
                **now, "entity": entity, "usual_share": share, "is_missing": came is None,
                "is_above": is_above(now["rows_quarantined"], now["rows_in"], share or 0.0),
            }
        )  # fmt: skip
    return told


def _share(past: list[Row]) -> float | None:
    rows = sum(row["rows_in"] or 0 for row in past)
    return sum(row["rows_quarantined"] or 0 for row in past) / rows if rows else None


def is_above(refused: int, rows: int, usual: float) -> bool:
    """Whether `refused` of `rows` is beyond three standard deviations, and three rows, above a usual share."""
    return refused > rows * usual + 3 * math.sqrt(rows * usual * (1 - usual)) + 3


def quarantine(settings: Settings, book: Book) -> list[Row]:
    """By entity and reason how many rows were refused, with the first few as quarantine keeps them: masked."""
    rest = f"where {LANDING_DATE} = ? order by rows desc, entity, reason"
    counted = book.rows(OPS_QUARANTINE.name, ("entity", "reason", "rows"), rest, [book.night])
    if not counted:
        return []
    kept = _examples(settings, book.night)
    return [{**row, "examples": kept.get((row["entity"], row["reason"]), [])} for row in counted]


def _examples(settings: Settings, night: date) -> dict[tuple[str, str], list[Row]]:
    import pyarrow.dataset as ds  # most nights have no quarantine, and these take seconds to import

    from pipelines import lake

    columns = ["entity", "reason", "file", "line", "raw"]
    rows = lake.dataset(settings, QUARANTINE, [night]).to_table(columns=columns, filter=ds.field(LANDING_DATE) == night)
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows.to_pylist(), key=lambda row: (row["file"] or "", row["line"] or 0, row["raw"] or "")):
        some = found.setdefault((row["entity"], row["reason"]), [])
        if len(some) < EXAMPLES:
            some.append(row)
    return found


def masked(book: Book) -> list[Row]:
    """How much personal data was found in free text and masked."""
    rest = f"where {LANDING_DATE} = ? order by entity, kind"
    return book.rows(OPS_MASKED.name, ("entity", "kind", "rows", "places"), rest, [book.night])


def audit_pages(settings: Settings, found: Outcome) -> list[dict[str, Any]]:
    """The audits' own pages that are there, as links from a report's place."""
    folder = settings.reports / "audit" / found.batch
    pages = sorted(folder.glob("*/summary.html")) if folder.is_dir() else []
    return [{"stage": p.parent.name, "href": f"../audit/{found.batch}/{p.parent.name}/summary.html"} for p in pages]
