"""What preprocess does to rows, as functions DataFrame -> DataFrame without input or output.

Order of the steps: `parse_lines` or `parse_columns` (text columns, `raw`, `reason`), `check` (typed columns; `reason`
says why a row is refused), `duplicates` and `flag`, `sessionise`, `to_lake`. Apache Spark and Sail give the same rows
for each: what they disagree on (inexact numbers as text, lone surrogates, junk after an object) is refused with a
reason.
"""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

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
from pipelines.preprocess.masking import mask_counts, masked
from pipelines.preprocess.rules import rejection
from pipelines.preprocess.schema import END, LAKE_TYPES, wrapped_schema

REPEAT = "is_repeat"
"""The row repeats an earlier one of the same delivery; such a row takes no part in sessions."""

SLICE = "slice"
BUCKETS = 16
"""Of rows that are compared with the one before: one window partition a key says the same and took Sail ten times as
long.
"""

_GIVEN = "given"
_DAY_BITS = 1 << 37  # more than the microseconds of a day
MALFORMED = "malformed json"
_OPTIONS = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
_LONE_SURROGATE = r"\\u[dD][89a-fA-F]"
_SURROGATE_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_INFINITE = r"[:\[,]\s*[-+.0-9]+[eE][+-]?[0-9]{3}"  # where a number may stand: ids in quotes are full of 1e123
_INEXACT = r"[:\[,]\s*(-?(0\.000|[0-9]{8,}\.|[0-9]{19}|[0-9]+(\.[0-9]+)?[eE])|-0(\.0*)?\s*[,}\]])"
_IN_OBJECT = r"^\{[^{}]*(\{[^{}]*\}[^{}]*)*(\{[^{}]*)?"


def parse_lines(lines: DataFrame, entity: Entity) -> DataFrame:
    """JSON lines to text columns. In: landing_date, file, line, raw, unreadable_reason. Out: see `_parsed`.

    The line is parsed as a member of an object that ends in a marker: text behind the line's own end then hides the
    marker on every engine (Spark alone would ignore such text).
    """
    raw = F.btrim(F.col("raw"), F.lit(values.BLANKS))
    whole = raw.startswith("{") & raw.endswith("}") & ~_has_lone_surrogate(raw) & ~_outside_text(raw, _INFINITE)
    wrapped = F.when(whole, F.concat(F.lit('{"row":'), raw, F.lit(f',"{END}":1}}')))
    parsed = lines.withColumn("parsed", F.from_json(wrapped, wrapped_schema(entity), _OPTIONS))
    parsed = parsed.withColumn("row", F.when(F.col("parsed")[END] == "1", F.col("parsed")["row"]))
    row = F.col("row")
    given = F.coalesce(
        F.col(UNREADABLE_REASON), row[UNREADABLE_REASON], F.when(row[UNREADABLE].isNotNull(), "unreadable")
    )
    reason = F.coalesce(given, F.when(row.isNull(), MALFORMED), _not_text(raw, entity))
    return parsed.select(
        *_provenance(),
        F.coalesce(row[UNREADABLE], F.col("raw")).alias("raw"),
        reason.alias("reason"),
        *[
            (_unique_keys(row[c.name]) if c.kind == "map" else values.text(row[c.name])).alias(c.name)
            for c in entity.columns
        ],
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
    return columns.select(
        *_provenance(),
        F.col(UNREADABLE).alias("raw"),
        F.struct(*entity.names).alias(_GIVEN),  # of which `check` makes the text of a refused row
        reason.alias("reason"),
        *[(_map if c.kind == "map" else lambda v: v)(values.text(F.col(c.name))).alias(c.name) for c in entity.columns],
    )


def _provenance() -> list[Column]:
    return [F.col(LANDING_DATE), F.col(FILE), F.col(LINE).cast("bigint").alias(LINE)]


def _map(given: Column) -> Column:
    whole = given.startswith("{") & given.endswith("}") & ~_has_lone_surrogate(given)
    wrapped = F.when(whole, F.concat(F.lit('{"row":'), given, F.lit(f',"{END}":1}}')))
    parsed = F.from_json(wrapped, f"row map<string,string>, {END} string", _OPTIONS)
    return F.when(parsed[END] == "1", _unique_keys(parsed["row"]))


def _unique_keys(given: Column) -> Column:
    """Of a repeated key the last value counts, as in Python and in Sail; Spark's from_json alone keeps both."""
    return F.map_from_entries(F.map_entries(given))


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

    Out: landing_date, file, line, reason, raw, the contract's columns, event_date for events; where the contract has
    free text also how much personal data was masked, by kind.
    """
    typed = {c.name: values.parsed(F.col(f"text_{c.name}"), c.kind) for c in entity.columns if c.kind != "map"}
    typed |= {c.name: masked(F.col(f"text_{c.name}")) for c in entity.columns if c.masked}
    raw = _without_personal_data(
        F.coalesce("raw", F.to_json(_GIVEN)) if _GIVEN in rows.columns else F.col("raw"), entity
    )
    kept_text = [name for name in ("raw", _GIVEN) if name in rows.columns]
    given = rows.select(
        *_provenance(), *kept_text, "reason", *[F.col(c.name).alias(f"text_{c.name}") for c in entity.columns]
    )
    parsed = given.select("*", *[typed.get(c.name, F.col(f"text_{c.name}")).alias(c.name) for c in entity.columns])
    if entity.partition == EVENT_DATE:
        parsed = parsed.withColumn(EVENT_DATE, F.to_date("occurred_at"))
    judged = parsed.withColumn("reason", F.coalesce(F.col("reason"), rejection(entity, late_days)))
    kept = [*entity.names, *([EVENT_DATE] if entity.partition == EVENT_DATE else [])]
    return judged.select(
        *_provenance(),
        "reason",
        F.when(F.col("reason").isNotNull(), _without_personal_data(raw, entity)).alias("raw"),
        *[F.when(F.col("reason").isNull(), F.col(name)).alias(name) for name in kept],
        *[F.when(F.col("reason").isNull(), count).alias(name) for name, count in mask_counts(entity)],
    )


def _without_personal_data(raw: Column, entity: Entity) -> Column:
    """What quarantine keeps of a row: masked where a free text is in it, or where nobody can say what is."""
    texts = [F.col(f"text_{c.name}").isNotNull() for c in entity.columns if c.masked]
    if not texts:
        return raw
    return F.when(reduce(Column.__or__, texts, F.col(f"text_{entity.key[0]}").isNull()), masked(raw)).otherwise(raw)


def duplicates(rows: DataFrame, entity: Entity) -> DataFrame:
    """Of the rows that share a key within a partition date, all but the first by (landing_date, file, line).

    Out: landing_date, file, line, is_repeat (an earlier row of the same delivery has the key), and slice where the rows
    carry one. Neither keys nor ordering columns are NULL; the order is total because a line of a file exists once.
    """
    key = (entity.partition, *entity.key)
    order = tuple(dict.fromkeys((*key, LANDING_DATE, FILE, LINE)))
    carried = [name for name in (SLICE,) if name in rows.columns]
    # Few rows share a key. Only those that share its hash are sorted, and there the keys themselves are compared.
    hashed = rows.select(*order, *carried, F.xxhash64(*key).alias("hashed"))
    several = hashed.groupBy("hashed").count().where(F.col("count") > 1).select("hashed")
    bucket = F.pmod("hashed", F.lit(BUCKETS))
    window = Window.partitionBy(bucket).orderBy(*[F.col(name).asc_nulls_first() for name in order])
    same_key = reduce(Column.__and__, [F.lag(name).over(window) == F.col(name) for name in key])
    same_delivery = F.lag(LANDING_DATE).over(window) == F.col(LANDING_DATE)
    compared = hashed.join(several, "hashed", "left_semi").withColumns(
        {IS_DUPLICATE: F.coalesce(same_key, F.lit(False)), REPEAT: F.coalesce(same_key & same_delivery, F.lit(False))}
    )
    return compared.where(F.col(IS_DUPLICATE)).select(LANDING_DATE, FILE, LINE, REPEAT, *carried)


def flag(rows: DataFrame, found: DataFrame | None) -> DataFrame:
    """Add is_duplicate and is_repeat; `found` is what `duplicates` says of these rows, None where it found nothing."""
    if found is None:
        return rows.withColumns({IS_DUPLICATE: F.lit(False), REPEAT: F.lit(False)})
    flagged = rows.join(found, [LANDING_DATE, FILE, LINE], "left")
    return flagged.withColumns({IS_DUPLICATE: F.col(REPEAT).isNotNull(), REPEAT: F.coalesce(REPEAT, F.lit(False))})


def sessionise(events: DataFrame, gap_minutes: int) -> DataFrame:
    """Give a session_id to rows that have a user and none, and drop is_repeat.

    A session is a stretch of one user's events of one delivery without a pause longer than the gap; it ends at
    midnight UTC. Its id is made of the user, the delivery and the first moment, so neither row order nor any other
    delivery changes it. Rows that repeat an earlier row of their delivery stay without. The rows come out in the order
    in which they are written: by event date, user, delivery and time.
    """
    needs = F.col(SESSION).isNull() & F.col("user_id").isNotNull() & ~F.col(REPEAT)
    midnight = F.unix_micros(F.col(EVENT_DATE).cast("timestamp"))
    at = F.unix_micros("occurred_at") - midnight
    order = ("user_id", LANDING_DATE, "occurred_at", "event_id", FILE, LINE)
    window = Window.partitionBy(EVENT_DATE).orderBy(*[F.col(name).asc_nulls_first() for name in order])
    same = [F.lag(name).over(window) == F.col(name) for name in ("user_id", LANDING_DATE)]
    # "The last … before" as a running maximum of (row number, microsecond of the day) packed into one integer: the
    # obvious last(…, ignorenulls) over all rows before takes Sail quadratic time. 0 stands for a user's first row.
    place = F.col("place") * _DAY_BITS
    last = F.max(F.when(F.col("needs"), place + F.col("at") + 1).when(F.col("begins"), place))
    since = F.pmod(last.over(window.rowsBetween(Window.unboundedPreceding, -1)), F.lit(_DAY_BITS))
    continues = ~F.col("begins") & (F.col("since") > 0) & (F.col("at") + 1 - F.col("since") <= gap_minutes * 60_000_000)
    start = F.max(F.when(F.col("needs") & ~continues, place + F.col("at")))
    start = F.pmod(start.over(window.rowsBetween(Window.unboundedPreceding, 0)), F.lit(_DAY_BITS))
    name = F.concat_ws("|", "user_id", F.col(LANDING_DATE).cast("string"), (midnight + F.col("start")).cast("string"))
    made = F.concat(F.lit("s-"), F.substring(F.sha2(name, 256), 1, 24))
    return (
        events.withColumns({"needs": needs, "at": at})
        .withColumns(
            {
                "begins": ~F.coalesce(reduce(Column.__and__, same), F.lit(False)),
                "place": F.row_number().over(window).cast("bigint"),
            }
        )
        .withColumn("since", since)
        .withColumn("start", start)
        .withColumn(SESSION, F.when(F.col("needs"), made).otherwise(F.col(SESSION)))
        .drop("needs", "at", "begins", "place", "since", "start", REPEAT)
    )


def in_order(rows: DataFrame, entity: Entity) -> DataFrame:
    """The rows of each partition together, sorted; of events a user's lie together."""
    by_user = ("user_id", LANDING_DATE, "occurred_at", "event_id")
    own = by_user if entity.partition == EVENT_DATE else (LANDING_DATE, *entity.key)
    names = dict.fromkeys((entity.partition, *own, FILE, LINE))
    order = [F.col(name).asc_nulls_first() for name in names]
    return rows.repartition(entity.partition).sortWithinPartitions(*order)


def to_lake(rows: DataFrame, entity: Entity) -> DataFrame:
    """The lake's columns in the lake's order and types."""
    kinds = {c.name: LAKE_TYPES[c.kind] for c in entity.columns}
    columns = [F.col(n).cast(kinds[n]).alias(n) if n in kinds else F.col(n) for n in entity.lake_schema().names]
    return rows.select(*columns)


def with_slice(rows: DataFrame, entity: Entity, slices: int) -> DataFrame:
    """Add `slice`, 0 to slices - 1: all rows of a user in one, rows without a user by their own id."""
    own = F.col(entity.key[0])
    owner = F.coalesce("user_id", own) if entity.partition == EVENT_DATE else own
    return rows.withColumn(SLICE, F.pmod(F.hash(owner), F.lit(slices)))


def with_piece(rows: DataFrame, entity: Entity, pieces: int) -> DataFrame:
    """Add `slice`, 0 to pieces - 1, by each row's own id: a user's rows come apart."""
    # Another hash than that of `with_slice`: what it has put into one slice must not end up in one piece.
    return rows.withColumn(SLICE, F.pmod(F.xxhash64(entity.key[0]), F.lit(pieces)).cast("int"))
