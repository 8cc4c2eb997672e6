"""The parts of preprocess that read and write Parquet through Spark. Rows never pass through Python."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
ROWS_AT_A_TIME_ON_A_CLUSTER = 50_000_000
"""Behind `sc://`, where memory is that of many machines and a small group would leave most of them idle."""

ROWS_PER_FILE = 1_000_000
"""A larger partition is a group of its own, sorted and written in slices of users, a file each: one sort of ten million
rows is one task on one core, and spills.
"""
ROWS_PER_BUCKET = 250_000
WRITERS_ON_A_CLUSTER = 32
"""Slices that are written at the same time: each is one task. Sail sorts them one by one, in the memory of one."""


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
    for number, (first, last) in enumerate(_groups(sizes, _rows_at_a_time(work))):
        group = rows.where(F.col(entity.partition).between(F.lit(first), F.lit(last)))
        counts = [n for day, n in sizes.items() if first <= day <= last]
        buckets = max(transforms.BUCKETS, ceil(sum(counts) / ROWS_PER_BUCKET))
        flagged = group.transform(transforms.flag_duplicates, entity, buckets)
        if entity.partition == EVENT_DATE:
            flagged = flagged.transform(transforms.sessionise, work.settings.session_gap_minutes, buckets)
        slices = ceil(max(counts) / ROWS_PER_FILE)
        heavy = _heavy(group) if slices > 1 and entity.partition == EVENT_DATE else []
        parts = [flagged] if slices == 1 else _sliced(spark, work, entity, flagged, slices, heavy)
        _write([part.transform(transforms.to_lake, entity) for part in parts], work, entity.name, number)


def _rows_at_a_time(work: Work) -> int:
    return ROWS_AT_A_TIME_ON_A_CLUSTER if work.on_cluster else ROWS_AT_A_TIME


def _heavy(group: DataFrame) -> list[str]:
    """Users who alone would fill a good part of a slice: a robot, a till, the id that stands for all guests."""
    by_user = group.where(F.col("user_id").isNotNull()).groupBy("user_id").count()
    return [row[0] for row in by_user.where(F.col("count") > ROWS_PER_FILE // 2).select("user_id").collect()]


def _sliced(
    spark: SparkSession, work: Work, entity: Entity, rows: DataFrame, slices: int, heavy: list[str]
) -> list[DataFrame]:
    """The rows in slices, computed once: what each reads is Parquet. Sail joins partitions again before it writes, so
    `repartition` into as many would neither give several files nor keep them sorted.
    """
    folder = work.scratch / "sliced" / entity.name
    shutil.rmtree(folder, ignore_errors=True)  # the group before
    sliced = rows.transform(transforms.with_slice, entity, slices, heavy)
    sliced.write.partitionBy(transforms.SLICE).parquet(str(folder))
    return [spark.read.parquet(str(path)) for path in sorted(folder.glob(f"{transforms.SLICE}=*"))]


def _sizes(rows: DataFrame | None, entity: Entity) -> Counter[date]:
    if rows is None:
        return Counter()
    return Counter({r[0]: r[1] for r in rows.groupBy(entity.partition).count().collect()})


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


def _write(parts: list[DataFrame], work: Work, name: str, number: int) -> None:
    """Write into folders nobody reads, then move the files to their partitions."""
    with ThreadPoolExecutor(WRITERS_ON_A_CLUSTER if work.on_cluster else 1) as pool:
        written = [pool.submit(_write_part, rows, work, name, number, index) for index, rows in enumerate(parts)]
    for part in written:
        part.result()


def _write_part(rows: DataFrame, work: Work, name: str, number: int, index: int) -> None:
    partition = lake.partition_column(name)
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
