"""What was delivered for the night, and what was refused of it. Of a night that stopped before the lake, too: its books
are then only in the manifest that preprocess left.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines import staging
from pipelines.contracts import LANDING_DATE, OPS_LANDING_FILES, OPS_MASKED, OPS_QUARANTINE, QUARANTINE
from pipelines.errors import NightmarketError
from pipelines.report.book import Book, Row
from pipelines.report.runs import Outcome
from pipelines.settings import Settings

DAYS_COMPARED, DELIVERIES_COMPARED, EXAMPLES = 28, 7, 3
_COUNTS = ("files", "rows_in", "rows_published", "rows_deduplicated", "rows_quarantined")


@dataclass(frozen=True)
class Delivered:
    """`in_lake`: whether these rows are there; else the night stopped before."""

    entities: list[Row]
    quarantine: list[Row]
    masked: list[Row]
    in_lake: bool


def delivered(settings: Settings, book: Book, found: Outcome) -> Delivered:
    """Of the books, or of the manifest of an attempt that is not in the lake."""
    staged = _staged(settings, found)
    if staged is None:
        tonight, before = _delivered(book)
        refused, masked = _refused(book), _masked(book)
    else:
        manifest = staged[1]
        _, before = _delivered(book)
        tonight = _of_manifest(manifest, book.night)
        refused, masked = (_of_day(manifest.get(name, []), book.night) for name in ("quarantine", "masked"))
    expected = found.state in ("published", "failed later") and not found.is_closed
    entities = _held(tonight, before) if tonight or expected else []
    if refused:
        kept = _examples(settings, book.night, staged[0] if staged else None)
        refused = [{**row, "examples": kept.get((row["entity"], row["reason"]), [])} for row in refused]
    return Delivered(entities, refused, masked, staged is None)


def _delivered(book: Book) -> tuple[list[Row], list[Row]]:
    """By entity, what came on the night's date; and on each date before it."""
    names = (LANDING_DATE, "entity", *_COUNTS)
    sums = ", ".join(f"cast(sum({name}) as bigint)" for name in _COUNTS[1:])
    sql = (
        f"select {LANDING_DATE}, entity, cast(count(*) as bigint), {sums} from {OPS_LANDING_FILES.name}"
        f" where {LANDING_DATE} between ? and ? group by {LANDING_DATE}, entity order by {LANDING_DATE}, entity"
    )
    rows = book.ask((OPS_LANDING_FILES.name,), names, sql, [book.days_back(DAYS_COMPARED), book.night])
    return [r for r in rows if r[LANDING_DATE] == book.night], [r for r in rows if r[LANDING_DATE] != book.night]


def _held(tonight: list[Row], past: list[Row]) -> list[Row]:
    """Tonight's deliveries held against those before.

    `is_missing`: it came with each of the last deliveries, and tonight it did not. `is_above`: more is quarantined than
    the share of the four weeks before explains, by three standard deviations of a binomial and three rows.
    """
    came = {row["entity"]: row for row in tonight}
    days = sorted({row[LANDING_DATE] for row in past})[-DELIVERIES_COMPARED:]
    told = []
    for entity in sorted({row["entity"] for row in (*tonight, *past)}):
        before = [row for row in past if row["entity"] == entity]
        always = len(days) == DELIVERIES_COMPARED and set(days) <= {row[LANDING_DATE] for row in before}
        if entity not in came and not always:
            continue
        now, share = came.get(entity, dict.fromkeys(_COUNTS, 0)), _share(before)
        above = is_above(now["rows_quarantined"], now["rows_in"], share or 0.0)
        missing = entity not in came
        told.append({**now, "entity": entity, "usual_share": share, "is_missing": missing, "is_above": above})
    return told


def _share(past: list[Row]) -> float | None:
    rows = sum(row["rows_in"] or 0 for row in past)
    return sum(row["rows_quarantined"] or 0 for row in past) / rows if rows else None


def is_above(refused: int, rows: int, usual: float) -> bool:
    """Whether `refused` of `rows` is beyond three standard deviations, and three rows, above a usual share."""
    return refused > rows * usual + 3 * math.sqrt(rows * usual * (1 - usual)) + 3


def _refused(book: Book) -> list[Row]:
    rest = f"where {LANDING_DATE} = ? order by entity, reason"
    return sorted(book.rows(OPS_QUARANTINE.name, ("entity", "reason", "rows"), rest, [book.night]), key=_most_first)


def _most_first(row: Row) -> int:
    return -int(row["rows"] or 0)


def _masked(book: Book) -> list[Row]:
    """How much personal data was found in free text and masked."""
    rest = f"where {LANDING_DATE} = ? order by entity, kind"
    return book.rows(OPS_MASKED.name, ("entity", "kind", "rows", "places"), rest, [book.night])


# ---- what never came to the lake -----------------------------------------------------------------------------------


def _staged(settings: Settings, found: Outcome) -> tuple[Path, dict[str, Any]] | None:
    """Folder and manifest of the current attempt at a night that is not published, if its rows are not in the lake."""
    if found.state == "published":
        return None
    (batch,) = staging.batches([found.batch])
    try:
        folder, manifest = staging.current(settings, batch)
    except NightmarketError:  # it failed before that
        return None
    return None if staging.committed(folder) else (folder, manifest)


def _of_manifest(manifest: dict[str, Any], night: date) -> list[Row]:
    told = []
    for entity, entry in sorted(manifest["entities"].items()):
        if files := _of_day(entry["files"], night):
            counts = {name: sum(file[name] for file in files) for name in _COUNTS[1:]}
            told.append({LANDING_DATE: night, "entity": entity, "files": len(files), **counts})
    return told


def _of_day(rows: Iterable[Row], night: date) -> list[Row]:
    """Rows of a manifest, those that have a number of rows with the most first."""
    return sorted((row for row in rows if row[LANDING_DATE] == str(night)), key=lambda row: -row.get("rows", 0))


def _examples(settings: Settings, night: date, folder: Path | None) -> dict[tuple[str, str], list[Row]]:
    """The first few rows of each entity and reason as quarantine keeps them: masked. Of the lake, or of an attempt."""
    import pyarrow as pa
    import pyarrow.dataset as ds  # most nights have no quarantine, and these take seconds to import

    from pipelines import lake

    if folder is None:
        rows = lake.dataset(settings, QUARANTINE, [night])
    else:
        days = ds.partitioning(pa.schema([pa.field(LANDING_DATE, pa.date32())]), flavor="hive")
        rows = ds.dataset(folder / QUARANTINE, format="parquet", partitioning=days)
    columns = ["entity", "reason", "file", "line", "raw"]
    found: dict[tuple[str, str], list[Row]] = {}
    table = rows.to_table(columns=columns, filter=ds.field(LANDING_DATE) == night)
    for row in sorted(table.to_pylist(), key=lambda row: (row["file"] or "", row["line"] or 0, row["raw"] or "")):
        some = found.setdefault((row["entity"], row["reason"]), [])
        if len(some) < EXAMPLES:
            some.append(row)
    return found
