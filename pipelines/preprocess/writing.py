"""Accepted rows into the lake's partitions: duplicates flagged, sessions made, sorted, a file per million rows.

Duplicates and sessions never cross an event date, so a batch is written in groups of whole dates, and memory does not
grow with its length. A large date is a group of its own, written in the slices of users that its rows were kept in when
they were checked.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import lake
from pipelines.contracts import EVENT_DATE, IS_DUPLICATE, MASKS, Entity
from pipelines.preprocess import transforms
from pipelines.preprocess.masking import count_name
from pipelines.preprocess.transforms import SLICE
from pipelines.preprocess.work import Work

ROWS_AT_A_TIME = 2_000_000
ROWS_AT_A_TIME_ON_A_CLUSTER = 50_000_000
"""Behind `sc://`, where memory is that of many machines and a small group would leave most of them idle."""

ROWS_PER_FILE = 1_000_000
"""A larger partition is written in several files: one sort of ten million rows is one task on one core, and spills."""

WRITERS, WRITERS_ON_A_CLUSTER = 2, 32
"""Files of a date that are made at the same time: each is one task, and takes the memory of its rows."""

Sizes = Counter[tuple[date, int]]
"""Rows by partition date and slice."""


@dataclass(frozen=True)
class Accepted:
    """The rows to write of an entity: those of this batch that were accepted, and `others` of the lake, which lie in
    the same partitions and came in other deliveries.
    """

    spark: SparkSession
    work: Work
    entity: Entity
    others: DataFrame | None

    @property
    def slices(self) -> int:
        return slices(self.work, self.entity)

    def rows(self, wanted: Iterable[int] | None = None) -> DataFrame | None:
        """All rows, or those of some slices; None where there are none. They do not carry the number of their slice."""
        parts = []
        checked = of_slices(self.spark, self.work.checked(self.entity), wanted)
        if checked is not None:
            parts.append(checked.where(F.col("reason").isNull()).drop("reason", "raw", *map(count_name, MASKS)))
        if self.others is not None:
            others = self.others
            if wanted is not None:
                numbered = others.transform(transforms.with_slice, self.entity, self.slices)
                others = numbered.where(F.col(SLICE).isin(*wanted)).drop(SLICE)
            parts.append(others)
        return parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1]) if parts else None


def slices(work: Work, entity: Entity) -> int:
    """In how many slices of users checked rows are kept: as many as the largest delivery fills files."""
    rows: Counter[date] = Counter()
    for file in work.framed[entity.name].files:
        rows[file.landing_date] += file.rows_in
    return max(1, ceil(max(rows.values(), default=0) / ROWS_PER_FILE))


def keep_slices(rows: DataFrame, folder: Path) -> None:
    """Write rows that carry the number of their slice, a folder for each; those written before stay."""
    rows.write.partitionBy(SLICE).mode("append").parquet(str(folder))


def of_slices(spark: SparkSession, folder: Path, wanted: Iterable[int] | None = None) -> DataFrame | None:
    """What `keep_slices` wrote, of some slices or all, without the number; None where there is nothing."""
    # By their names: not every engine sees in a condition which folders it need not read.
    names = (
        [f"{SLICE}={n}" for n in wanted] if wanted is not None else [path.name for path in folder.glob(f"{SLICE}=*")]
    )
    paths = [str(folder / name) for name in sorted(names) if (folder / name).exists()]
    return spark.read.parquet(*paths).drop(SLICE) if paths else None


def write_entity(spark: SparkSession, work: Work, entity: Entity, delivered: set[date]) -> None:
    """Write the partitions that the batch touches: its own accepted rows beside those of other deliveries.

    `delivered`: partitions that hold rows of an earlier pass over the same batch; they are replaced too.
    """
    accepted = Accepted(spark, work, entity, None)
    sizes = _sizes(accepted)
    touched = {day for day, _ in sizes} | delivered
    work.touched[entity.name] = touched
    work.base[entity.name] = {str(d): v for d, v in lake.digests(work.settings, entity.name, touched).items()}
    if entity.partition == EVENT_DATE:
        existing = work.scratch / "existing"
        if lake.copy_partitions(work.settings, entity.name, sorted(touched), existing, without=work.batch):
            others = spark.read.parquet(str(existing)).drop(IS_DUPLICATE)
            accepted = Accepted(spark, work, entity, others)
            sizes = _sizes(accepted)
    by_day: Counter[date] = Counter()
    for (day, _), number in sizes.items():
        by_day[day] += number
    for number, (first, last) in enumerate(_groups(by_day, _rows_at_a_time(work))):
        _write_group(accepted, number, first, last, {n: rows for (d, n), rows in sizes.items() if d == first == last})


def _sizes(accepted: Accepted) -> Sizes:
    rows = accepted.rows()
    if rows is None:
        return Counter()
    numbered = rows.transform(transforms.with_slice, accepted.entity, accepted.slices)
    counted = numbered.groupBy(accepted.entity.partition, SLICE).count().collect()
    return Counter({(row[0], row[1]): row[2] for row in counted})


def _groups(sizes: Counter[date], rows_at_a_time: int) -> Iterator[tuple[date, date]]:
    """Consecutive dates, together at most so many rows. A date of several files is alone: its slices would cut the
    others into small ones.
    """
    first: date | None = None
    last, total = date.min, 0
    for day in sorted(sizes):
        alone = max(sizes[day], sizes[last]) > ROWS_PER_FILE
        if first is not None and (alone or total + sizes[day] > rows_at_a_time):
            yield first, last
            first, total = None, 0
        first, last, total = first or day, day, total + sizes[day]
    if first is not None:
        yield first, last


def _rows_at_a_time(work: Work) -> int:
    return ROWS_AT_A_TIME_ON_A_CLUSTER if work.on_cluster else ROWS_AT_A_TIME


def _write_group(accepted: Accepted, number: int, first: date, last: date, sizes: dict[int, int]) -> None:
    """Write the partitions first to last. `sizes`: rows by slice where it is one date alone."""
    work, entity = accepted.work, accepted.entity
    within = F.col(entity.partition).between(F.lit(first), F.lit(last))
    found = work.scratch / "duplicates" / entity.name / str(number)
    rows = accepted.rows()
    assert rows is not None  # they were counted
    numbered = rows.where(within).transform(transforms.with_slice, entity, accepted.slices)
    # Kept as Parquet: few rows, of which the engine then knows that they are few.
    keep_slices(numbered.transform(transforms.duplicates, entity), found)

    def write(index: int, wanted: list[int] | None) -> None:
        part = accepted.rows(wanted)
        assert part is not None
        flagged = part.where(within).transform(transforms.flag, of_slices(accepted.spark, found, wanted))
        held = sum(sizes[n] for n in wanted or ())
        for place, whole in enumerate(_whole(accepted, flagged, held, work.scratch / "pieces" / f"{number}-{index}")):
            write_files(work, entity.name, whole.transform(transforms.to_lake, entity), f"{number}-{index}-{place}")

    parts = _parts(sizes) if sum(sizes.values()) > ROWS_PER_FILE else [None]
    with ThreadPoolExecutor(WRITERS_ON_A_CLUSTER if work.on_cluster else WRITERS) as pool:
        for written in [pool.submit(write, index, wanted) for index, wanted in enumerate(parts)]:
            written.result()


def _parts(sizes: dict[int, int]) -> list[list[int] | None]:
    """Slices that make a file together: neighbours, as long as their rows find place in it."""
    parts: list[list[int]] = []
    total = 0
    for number in sorted(sizes):
        if not parts or total + sizes[number] > ROWS_PER_FILE:
            parts.append([])
            total = 0
        parts[-1].append(number)
        total += sizes[number]
    return [*parts]


def _whole(accepted: Accepted, flagged: DataFrame, held: int, folder: Path) -> list[DataFrame]:
    """The rows as they are to be written, in one frame or, where one user fills several files, in several."""
    entity = accepted.entity
    if entity.partition != EVENT_DATE:
        return [flagged.transform(transforms.in_order, entity)]
    rows = flagged.transform(transforms.sessionise, accepted.work.settings.session_gap_minutes)
    pieces = round(held / ROWS_PER_FILE)
    if pieces < 2:
        return [rows]
    # A robot, a till, the id that stands for all guests: when the sessions are made of all its rows, these come apart.
    keep_slices(rows.transform(transforms.with_piece, entity, pieces), folder)
    found = [of_slices(accepted.spark, folder, [n]) for n in range(pieces)]
    return [piece.transform(transforms.in_order, entity) for piece in found if piece is not None]


def write_files(work: Work, name: str, rows: DataFrame, place: str) -> None:
    """Write into a folder nobody reads, then move the files to their partitions."""
    partition = lake.partition_column(name)
    written = work.scratch / "written" / name / place
    rows.write.partitionBy(partition).parquet(str(written))
    for folder in sorted(written.glob(f"{partition}=*")):
        target = work.folder / name / folder.name
        target.mkdir(parents=True, exist_ok=True)
        for position, file in enumerate(sorted(folder.glob("*.parquet"))):
            file.rename(target / f"{place}-{position:03d}.parquet")
    shutil.rmtree(written)
