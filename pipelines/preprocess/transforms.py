"""What preprocess does to rows, as functions DataFrame -> DataFrame without input or output.

Order of the steps: `parse_lines` or `parse_columns` (text columns, `raw`, `reason`), `check` (typed columns; `reason`
says why a row is refused), `flag_duplicates`, `sessionise`. Apache Spark and Sail give the same rows for each: what
they disagree on (inexact numbers as text, lone surrogates, junk after an object) is refused with a reason.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from pipelines.contracts import (
    EVENT_DATE,
    FILE,
    IS_DUPLICATE,
    LANDING_DATE,
    LINE,
    SESSION,
    UNREADABLE,
    UNREADABLE_REASON,
    Entity,
)
from pipelines.preprocess import values
from pipelines.preprocess.rules import rejection
from pipelines.preprocess.schema import END, LAKE_TYPES, line_schema

REPEAT = "is_repeat"
"""The row repeats an earlier one of the same delivery; such a row takes no part in sessions."""

MALFORMED = "malformed json"
_OPTIONS = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
_MARKER = f'{{"{END}":1}}'
_LONE_SURROGATE = r"\\u[dD][89a-fA-F]"
_SURROGATE_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_INFINITE = r"[0-9][eE][+-]?[0-9]{3}"
_INEXACT = r"[:\[,]\s*(-?(0\.000|[0-9]{8,}\.|[0-9]{19}|[0-9]+(\.[0-9]+)?[eE])|-0(\.0*)?\s*[,}\]])"
_IN_OBJECT = r"^\{[^{}]*(\{[^{}]*\}[^{}]*)*(\{[^{}]*)?"


def parse_lines(lines: DataFrame, entity: Entity) -> DataFrame:
    """JSON lines to text columns. In: landing_date, file, line, raw, unreadable_reason. Out: see `_parsed`.

    The line is parsed together with a marker object behind it, as a JSON array: text after the object's end, or a
    second object, then spoils the array on every engine (Spark alone would ignore it).
    """
    raw = F.btrim(F.col("raw"), F.lit(values.BLANKS))
    whole = raw.startswith("{") & raw.endswith("}") & ~_has_lone_surrogate(raw) & ~_outside_text(raw, _INFINITE)
    array = F.from_json(
        F.when(whole, F.concat(F.lit("["), raw, F.lit("," + _MARKER + "]"))), ArrayType(line_schema(entity)), _OPTIONS
    )
    parsed = lines.withColumn("array", array)
    is_object = (F.size("array") == 2) & (F.col("array")[1][END] == "1")
    parsed = parsed.withColumn("row", F.when(F.coalesce(is_object, F.lit(False)), F.col("array")[0]))
    row = F.col("row")
    given = F.coalesce(
        F.col(UNREADABLE_REASON), row[UNREADABLE_REASON], F.when(row[UNREADABLE].isNotNull(), "unreadable")
    )
    reason = F.coalesce(given, F.when(row.isNull(), MALFORMED), _not_text(raw, entity))
    return parsed.select(
        *_provenance(),
        F.coalesce(row[UNREADABLE], F.col("raw")).alias("raw"),
        reason.alias("reason"),
        *[(row[c.name] if c.kind == "map" else values.text(row[c.name])).alias(c.name) for c in entity.columns],
    )


def parse_columns(columns: DataFrame, entity: Entity) -> DataFrame:
    """Rows that arrive as columns of text (CSV, Parquet); maps are JSON object text. Out: see `parse_lines`."""
    reason = F.coalesce(F.col(UNREADABLE_REASON), F.when(F.col(UNREADABLE).isNotNull(), "unreadable"))
    maps = [c.name for c in entity.columns if c.kind == "map"]
    for name in maps:
        given = values.text(F.col(name))
        not_a_map = given.isNotNull() & _map(given).isNull()
        reason = F.coalesce(reason, F.when(not_a_map, f"{name} {values.NOT_A['map']}"))
        reason = F.coalesce(reason, F.when(_inexact(given), f"{name} holds an inexact number"))
    raw = F.coalesce(F.col(UNREADABLE), F.to_json(F.struct(*entity.names)))
    return columns.select(
        *_provenance(),
        raw.alias("raw"),
        reason.alias("reason"),
        *[(_map if c.kind == "map" else lambda v: v)(values.text(F.col(c.name))).alias(c.name) for c in entity.columns],
    )


def _provenance() -> list[Column]:
    return [F.col(LANDING_DATE), F.col(FILE), F.col(LINE).cast("bigint").alias(LINE)]


def _map(given: Column) -> Column:
    whole = given.startswith("{") & given.endswith("}") & ~_has_lone_surrogate(given)
    array = F.from_json(
        F.when(whole, F.concat(F.lit('[{"m":'), given, F.lit('},{"m":{}}]'))),
        "array<struct<m:map<string,string>>>",
        _OPTIONS,
    )
    return F.when(F.size(array) == 2, array[0]["m"])


def _has_lone_surrogate(raw: Column) -> Column:
    # The pairs are taken out only where there is a surrogate at all: a regular expression over every row costs.
    alone = F.regexp_replace(raw, _SURROGATE_PAIR, "").rlike(_LONE_SURROGATE)
    return F.when(raw.rlike(_LONE_SURROGATE), alone).otherwise(F.lit(False))


def _outside_text(raw: Column, pattern: str) -> Column:
    """Whether `pattern` occurs outside JSON strings. Strings are cut out only where it occurs at all."""
    return F.when(raw.rlike(pattern), _bare(raw).rlike(pattern)).otherwise(F.lit(False))


def _inexact(given: Column) -> Column:
    """Whether the JSON object that `given` begins with holds a number that engines print differently.

    Looked for in the object itself and in objects directly inside it.
    """
    return F.when(given.rlike(_INEXACT), _bare(given).rlike(_IN_OBJECT + _INEXACT)).otherwise(F.lit(False))


def _bare(raw: Column) -> Column:
    return F.regexp_replace(F.regexp_replace(raw, r"\\.", ""), '"[^"]*"', '""')


def _not_text(raw: Column, entity: Entity) -> Column:
    """A text column whose JSON value is an object, an array or a number that cannot be text exactly.

    A quote inside a JSON string is escaped, so `"name":` is always a key. A number in a text column (an id) must be
    whole and below 10^18: engines print others differently.
    """
    names = "|".join(c.name for c in entity.columns if c.kind == "string")
    odd = rf'"({names})"\s*:\s*([\[{{]|-?[0-9]*[.eE]|-?[0-9]{{19}}|-0)'
    reason = F.when(raw.rlike(odd), F.concat(F.regexp_extract(raw, odd, 1), F.lit(" is not text or a whole number")))
    maps = "|".join(c.name for c in entity.columns if c.kind == "map")
    if maps:
        no_map = rf'"({maps})"\s*:\s*[\["0-9tf-]'
        reason = F.coalesce(
            reason,
            F.when(raw.rlike(no_map), F.concat(F.regexp_extract(raw, no_map, 1), F.lit(f" {values.NOT_A['map']}"))),
            F.when(_inexact(F.regexp_extract(raw, rf'"{maps}"\s*:\s*(\{{.*)', 1)), f"{maps} holds an inexact number"),
        )
    return reason


def check(rows: DataFrame, entity: Entity, late_days: int) -> DataFrame:
    """Text columns to the lake's types. A refused row keeps `raw` and its `reason`; an accepted one has neither.

    Out: landing_date, file, line, reason, raw, the contract's columns, and event_date for events.
    """
    typed = {c.name: values.parsed(F.col(f"text_{c.name}"), c.kind) for c in entity.columns if c.kind != "map"}
    given = rows.select(
        *_provenance(), "raw", "reason", *[F.col(c.name).alias(f"text_{c.name}") for c in entity.columns]
    )
    parsed = given.select("*", *[typed.get(c.name, F.col(f"text_{c.name}")).alias(c.name) for c in entity.columns])
    if entity.partition == EVENT_DATE:
        parsed = parsed.withColumn(EVENT_DATE, F.to_date("occurred_at"))
    judged = parsed.withColumn("reason", F.coalesce(F.col("reason"), rejection(entity, late_days)))
    kept = [*entity.names, *([EVENT_DATE] if entity.partition == EVENT_DATE else [])]
    return judged.select(
        *_provenance(),
        "reason",
        F.when(F.col("reason").isNotNull(), F.col("raw")).alias("raw"),
        *[F.when(F.col("reason").isNull(), F.col(name)).alias(name) for name in kept],
    )


def flag_duplicates(rows: DataFrame, entity: Entity) -> DataFrame:
    """Add is_duplicate and is_repeat. The first row of a key by (landing_date, file, line) is the original.

    None of the ordering columns is NULL; the order is total because a line of a file exists once.
    """
    window = Window.partitionBy(entity.partition, *entity.key).orderBy(
        F.col(LANDING_DATE).asc_nulls_first(), F.col(FILE).asc_nulls_first(), F.col(LINE).asc_nulls_first()
    )
    return rows.withColumn(IS_DUPLICATE, F.row_number().over(window) > 1).withColumn(
        REPEAT, F.coalesce(F.lag(LANDING_DATE).over(window) == F.col(LANDING_DATE), F.lit(False))
    )


def sessionise(events: DataFrame, gap_minutes: int) -> DataFrame:
    """Give a session_id to rows that have a user and none, and drop is_repeat.

    A session is a stretch of one user's events of one delivery without a pause longer than the gap; it ends at
    midnight UTC. Its id is made of the user, the delivery and the first moment, so neither row order nor any other
    delivery changes it. Rows that repeat an earlier row of their delivery stay without.
    """
    needs = F.col(SESSION).isNull() & F.col("user_id").isNotNull() & ~F.col(REPEAT)
    # Rows that need none are alone in their window: in one shared window they would be sorted by a single task.
    group = F.when(needs, F.col("user_id")).otherwise(
        F.concat_ws("/", F.col("event_id"), FILE, F.col(LINE).cast("string"))
    )
    window = Window.partitionBy(LANDING_DATE, EVENT_DATE, "needs", "group").orderBy(
        F.col("occurred_at").asc_nulls_first(), F.col("event_id").asc_nulls_first()
    )
    pause = F.unix_micros("occurred_at") - F.unix_micros("before")
    starts = F.when(F.col("before").isNull() | (pause > gap_minutes * 60_000_000), F.col("occurred_at"))
    started = (
        events.withColumn("needs", needs)
        .withColumn("group", group)
        .withColumn("before", F.lag("occurred_at").over(window))
        .withColumn("starts", starts)
        .withColumn("start", F.max("starts").over(window.rowsBetween(Window.unboundedPreceding, 0)))
    )
    name = F.concat_ws("|", "user_id", F.col(LANDING_DATE).cast("string"), F.unix_micros("start").cast("string"))
    made = F.concat(F.lit("s-"), F.substring(F.sha2(name, 256), 1, 24))
    return started.withColumn(SESSION, F.when(F.col("needs"), made).otherwise(F.col(SESSION))).drop(
        "needs", "group", "before", "starts", "start", REPEAT
    )


def to_lake(rows: DataFrame, entity: Entity) -> DataFrame:
    """The lake's columns in the lake's order and types, sorted so that a user's events lie together."""
    kinds = {c.name: LAKE_TYPES[c.kind] for c in entity.columns}
    names = entity.lake_schema().names
    order = (
        (EVENT_DATE, "user_id", "occurred_at", "event_id")
        if entity.partition == EVENT_DATE
        else (LANDING_DATE, *entity.key)
    )
    columns = [F.col(n).cast(kinds[n]).alias(n) if n in kinds else F.col(n) for n in names]
    ties = (LANDING_DATE, FILE, LINE)
    ordered = [F.col(n).asc_nulls_first() for n in dict.fromkeys((*order, *ties))]
    return rows.select(*columns).repartition(entity.partition).sortWithinPartitions(*ordered)
