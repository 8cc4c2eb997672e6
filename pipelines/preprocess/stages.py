"""The parts of preprocess that read and write Parquet through Spark. Rows never pass through Python."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from functools import reduce
from math import ceil
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import lake
from pipelines.contracts import (
    EVENT_DATE,
    FILE,
    IS_DUPLICATE,
    LANDING_DATE,
    LINE,
    QUARANTINE,
    QUARANTINE_SCHEMA,
    Entity,
)
from pipelines.preprocess import transforms
from pipelines.preprocess.work import Counts, Work

ROWS_AT_A_TIME = 2_000_000
"""Partitions are written in groups of about this many rows, so memory does not grow with the length of a batch.

Duplicates and sessions never cross an event date, so groups of whole dates give the same rows as one pass.
"""
ROWS_PER_FILE = 1_000_000
"""A group with a larger partition is sorted and written in slices of users, a file each: one sort of ten million rows
is one task on one core, and spills.
"""


def check_entity(spark: SparkSession, work: Work, entity: Entity) -> None:
    """Parse and judge every framed row once; the result is kept as Parquet and only read from then on."""
    framed, parts = work.framed[entity.name], []
    if framed.lines:
        lines = spark.read.parquet(*map(str, framed.lines))
        parts.append(lines.transform(transforms.parse_lines, entity))
    if framed.columns:
        columns = spark.read.parquet(*map(str, framed.columns))
        parts.append(columns.transform(transforms.parse_columns, entity))
    for number, part in enumerate(parts):
        checked = part.transform(transforms.check, entity, work.settings.late_days)
        checked.write.parquet(str(work.checked(entity) / f"part-{number}"))


def _checked(spark: SparkSession, work: Work, entity: Entity) -> DataFrame | None:
    parts = sorted(work.checked(entity).glob("part-*")) if work.checked(entity).exists() else []
    return spark.read.parquet(*map(str, parts)) if parts else None


def write_entity(spark: SparkSession, work: Work, entity: Entity, delivered: set[date]) -> None:
    """Write the partitions that the batch touches: its own accepted rows beside those of other deliveries.

    `delivered`: partitions that hold rows of an earlier pass over the same batch; they are replaced too.
    """
    checked = _checked(spark, work, entity)
    accepted = None if checked is None else checked.where(F.col("reason").isNull()).drop("reason", "raw")
    sizes = _sizes(accepted, entity)
    touched = set(sizes) | delivered
    work.touched[entity.name] = touched
    work.base[entity.name] = {str(d): v for d, v in lake.digests(work.settings, entity.name, touched).items()}
    rows = accepted
    if entity.partition == EVENT_DATE:
        existing = work.scratch / "existing"
        if lake.copy_partitions(work.settings, entity.name, sorted(touched), existing, without=work.batch):
            others = spark.read.parquet(str(existing)).drop(IS_DUPLICATE)
            sizes += _sizes(others, entity)
            rows = others if accepted is None else accepted.unionByName(others)
    if rows is None:
        return
    for number, (first, last) in enumerate(_groups(sizes)):
        group = rows.where(F.col(entity.partition).between(F.lit(first), F.lit(last)))
        flagged = group.transform(transforms.flag_duplicates, entity)
        if entity.partition == EVENT_DATE:
            flagged = flagged.transform(transforms.sessionise, work.settings.session_gap_minutes)
        slices = ceil(max(n for day, n in sizes.items() if first <= day <= last) / ROWS_PER_FILE)
        parts = [flagged] if slices == 1 else _sliced(spark, work, entity, flagged, slices)
        _write([part.transform(transforms.to_lake, entity) for part in parts], work, entity.name, number)


def _sliced(spark: SparkSession, work: Work, entity: Entity, rows: DataFrame, slices: int) -> list[DataFrame]:
    """The rows in slices, computed once: what each reads is Parquet. Sail joins partitions again before it writes, so
    `repartition` into as many would neither give several files nor keep them sorted.
    """
    folder = work.scratch / "sliced" / entity.name
    shutil.rmtree(folder, ignore_errors=True)  # the group before
    rows.transform(transforms.with_slice, entity, slices).write.partitionBy(transforms.SLICE).parquet(str(folder))
    return [spark.read.parquet(str(path)) for path in sorted(folder.glob(f"{transforms.SLICE}=*"))]


def _sizes(rows: DataFrame | None, entity: Entity) -> Counter[date]:
    if rows is None:
        return Counter()
    return Counter({r[0]: r[1] for r in rows.groupBy(entity.partition).count().collect()})


def _groups(sizes: Counter[date]) -> Iterator[tuple[date, date]]:
    """Consecutive dates, together at most ROWS_AT_A_TIME rows where a single date is not larger already."""
    first: date | None = None
    last, total = date.min, 0
    for day in sorted(sizes):
        if first is not None and total + sizes[day] > ROWS_AT_A_TIME:
            yield first, last
            first, total = None, 0
        first, last, total = first or day, day, total + sizes[day]
    if first is not None:
        yield first, last


def _write(parts: list[DataFrame], work: Work, name: str, number: int) -> None:
    """Write into folders nobody reads, then move the files to their partitions."""
    partition = lake.partition_column(name)
    for index, rows in enumerate(parts):
        written = work.scratch / "written" / name / f"{number}-{index}"
        rows.write.partitionBy(partition).parquet(str(written))
        for folder in sorted(written.glob(f"{partition}=*")):
            target = work.folder / name / folder.name
            target.mkdir(parents=True, exist_ok=True)
            for position, file in enumerate(sorted(folder.glob("*.parquet"))):
                file.rename(target / f"{index:03d}-{position:03d}.parquet")


def write_quarantine(spark: SparkSession, work: Work, entities: Iterable[Entity]) -> None:
    """Refused rows of all entities with their text, by landing date."""
    parts = []
    for entity in entities:
        work.counts[entity.name] = Counts(refused=_refused(spark, work, entity))
        if work.counts[entity.name].refused:
            checked = _checked(spark, work, entity)
            assert checked is not None  # refused rows were counted in it
            refused = checked.where(F.col("reason").isNotNull())
            parts.append(refused.withColumn("entity", F.lit(entity.name)).select(*QUARANTINE_SCHEMA.names))
    if parts:
        rows = reduce(DataFrame.unionByName, parts).repartition(LANDING_DATE)
        order = [F.col(n).asc_nulls_first() for n in (LANDING_DATE, "entity", FILE, LINE)]
        _write([rows.sortWithinPartitions(*order)], work, QUARANTINE, 0)


def _refused(spark: SparkSession, work: Work, entity: Entity) -> Counter[tuple[date, str, str]]:
    checked = _checked(spark, work, entity)
    if checked is None:
        return Counter()
    rows = checked.where(F.col("reason").isNotNull()).groupBy(LANDING_DATE, FILE, "reason").count().collect()
    return Counter({(r[0], r[1], r[2]): r[3] for r in rows})


def count_written(spark: SparkSession, work: Work, entity: Entity) -> None:
    """Originals and duplicates of this batch's files, from the files just written and not from what was meant."""
    folder = work.folder / entity.name
    counts = work.counts[entity.name]
    if not _has_files(folder):
        return
    rows = spark.read.parquet(str(folder))
    # A partition column read back from folder names is a date on Spark and text on Sail.
    rows = rows.withColumn(LANDING_DATE, F.col(LANDING_DATE).cast("date"))
    ours = rows.where(F.col(LANDING_DATE).between(F.lit(work.batch.first), F.lit(work.batch.last)))
    for day, file, is_duplicate, number in ours.groupBy(LANDING_DATE, FILE, IS_DUPLICATE).count().collect():
        (counts.deduplicated if is_duplicate else counts.published)[(day, file)] += number


def _has_files(folder: Path) -> bool:
    return any(folder.glob("*=*/*.parquet"))
