"""The parts of preprocess that read and write Parquet through Spark. Rows never pass through Python."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contracts import (
    FILE,
    IS_DUPLICATE,
    LANDING_DATE,
    LINE,
    MASKS,
    QUARANTINE,
    QUARANTINE_SCHEMA,
    Entity,
)
from pipelines.preprocess import transforms
from pipelines.preprocess.masking import count_name
from pipelines.preprocess.work import Counts, Work
from pipelines.preprocess.writing import keep_slices, of_slices, slices, write_files


def check_entity(spark: SparkSession, work: Work, entity: Entity) -> None:
    """Parse and judge every framed row once; the result is kept as Parquet and only read from then on."""
    framed, parts = work.framed[entity.name], []
    if framed.lines:
        lines = spark.read.parquet(*map(str, framed.lines))
        parts.append(lines.transform(transforms.parse_lines, entity))
    if framed.columns:
        columns = spark.read.parquet(*map(str, framed.columns))
        parts.append(columns.transform(transforms.parse_columns, entity))
    for part in parts:
        checked = part.transform(transforms.check, entity, work.settings.late_days)
        keep_slices(checked.transform(transforms.with_slice, entity, slices(work, entity)), work.checked(entity))


def write_quarantine(spark: SparkSession, work: Work, entities: Iterable[Entity]) -> None:
    """Refused rows of all entities with their text, by landing date."""
    parts = []
    for entity in entities:
        work.counts[entity.name] = Counts(refused=_refused(spark, work, entity), masked=_masked(spark, work, entity))
        if work.counts[entity.name].refused:
            checked = of_slices(spark, work.checked(entity))
            assert checked is not None  # refused rows were counted in it
            refused = checked.where(F.col("reason").isNotNull())
            parts.append(refused.withColumn("entity", F.lit(entity.name)).select(*QUARANTINE_SCHEMA.names))
    if parts:
        rows = reduce(DataFrame.unionByName, parts).repartition(LANDING_DATE)
        order = [F.col(n).asc_nulls_first() for n in (LANDING_DATE, "entity", FILE, LINE)]
        write_files(work, QUARANTINE, rows.sortWithinPartitions(*order), "0")


def _masked(spark: SparkSession, work: Work, entity: Entity) -> dict[tuple[date, str], tuple[int, int]]:
    checked = of_slices(spark, work.checked(entity))
    names = {kind: count_name(kind) for kind in MASKS}
    if checked is None or not any(column.masked for column in entity.columns):
        return {}
    counts = [F.sum((F.col(name) > 0).cast("int")) for name in names.values()]
    counts += [F.sum(F.col(name)) for name in names.values()]
    found = {}
    for day, *sums in checked.where(F.col("reason").isNull()).groupBy(LANDING_DATE).agg(*counts).collect():
        for kind, rows, places in zip(names, sums[: len(names)], sums[len(names) :], strict=True):
            if places:
                found[day, kind] = (rows, places)
    return found


def _refused(spark: SparkSession, work: Work, entity: Entity) -> Counter[tuple[date, str, str]]:
    checked = of_slices(spark, work.checked(entity))
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
