"""Which deliveries of reviews are still to be read, and the writing of what was read out of them.

The lake is the truth, and `ops.read_texts` says which of its files were read by which model. So reading is a
comparison, as loading is: after a kill, a backfill or a new champion the same call makes both equal again, and a night
reads what is new and what was changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines import lake
from pipelines.contracts import (
    LANDING_DATE,
    OPS_READ_TEXTS,
    REVIEWS,
    SCORES_REVIEW_ASPECTS,
    SCORES_REVIEW_TEXTS,
)
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, insert, open_warehouse, upsert

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_A_TIME = 50_000
"""Reviews that are read, and committed, together: bounds the memory, and what a kill can cost."""


@dataclass(frozen=True)
class Due:
    """`read`: deliveries to be read, with the digest of their files; `gone`: deliveries that the lake holds no more."""

    read: dict[date, str]
    gone: list[date]
    digests: dict[date, str]  # of all deliveries up to the night


def due(settings: Settings, night: date, version: str) -> Due:
    """By comparing what lies in the lake with what was read by the model `version`."""
    digests = {day: digest for day, digest in lake.digests(settings, REVIEWS.name).items() if day <= night}
    with open_warehouse(settings) as connection:
        rows = connection.execute(
            f'select "{LANDING_DATE}", files_digest, model_version from {OPS_READ_TEXTS.name} where entity = ?',
            [REVIEWS.name],
        ).fetchall()
    known = {row[0]: (row[1], row[2]) for row in rows}
    read = {day: digest for day, digest in sorted(digests.items()) if known.get(day) != (digest, version)}
    return Due(read, sorted(set(known) - set(digests)), digests)


def groups(settings: Settings, days: Sequence[date]) -> Iterator[list[date]]:
    """The days in order, as many together as hold `ROWS_AT_A_TIME` rows; one day is never cut."""
    files = lake.active_files(settings, REVIEWS.name)
    group: list[date] = []
    total = 0
    for day in days:
        rows = sum(files.get(day, {}).values())
        if group and total + rows > ROWS_AT_A_TIME:
            yield group
            group, total = [], 0
        group.append(day)
        total += rows
    if group:
        yield group


def write(
    connection: Warehouse, days: Mapping[date, str], texts: "pa.Table", aspects: "pa.Table", version: str
) -> None:
    """What was read out of these deliveries, in place of what was there; in the caller's transaction."""
    forget(connection, days)
    insert(connection, SCORES_REVIEW_TEXTS, texts)
    insert(connection, SCORES_REVIEW_ASPECTS, aspects)
    counts = {row["values"]: row["counts"] for row in texts[LANDING_DATE].value_counts().to_pylist()}
    for day, digest in days.items():
        row = {"entity": REVIEWS.name, LANDING_DATE: day, "files_digest": digest, "model_version": version}
        upsert(connection, OPS_READ_TEXTS, [{**row, "rows": counts.get(day, 0)}])


def forget(connection: Warehouse, days: Mapping[date, str] | Sequence[date]) -> None:
    for day in days:
        for table in (SCORES_REVIEW_TEXTS, SCORES_REVIEW_ASPECTS):
            connection.execute(f'delete from {table.name} where "{LANDING_DATE}" = ?', [day])
        connection.execute(
            f'delete from {OPS_READ_TEXTS.name} where entity = ? and "{LANDING_DATE}" = ?', [REVIEWS.name, day]
        )
