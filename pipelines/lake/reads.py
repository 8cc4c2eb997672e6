"""What the steps ask of committed rows: preprocess, the books, learning and scoring."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.contracts import EARLY_DAYS, ENTITIES, EVENT_DATE, EVENTS, IS_DUPLICATE, LANDING_DATE, PRODUCTS, USERS
from pipelines.errors import NightmarketError
from pipelines.lake.summaries import Summary, bring_up_to_date, summary
from pipelines.lake.tables import active_files, dataset, partition_column, schema_of
from pipelines.settings import Batch, Settings

# ---- what preprocess asks ------------------------------------------------------------------------------------


def dates_of_landing(settings: Settings, entity: str, batch: Batch) -> set[date]:
    """Partitions that hold rows delivered in `batch`: a rerun must replace them even if it brings no row for them."""
    if partition_column(entity) == LANDING_DATE:
        return {d for d in active_files(settings, entity) if d in batch}
    window = _window(settings, batch)
    rows = dataset(settings, entity, lambda day: day in window)
    delivered = (ds.field(LANDING_DATE) >= batch.first) & (ds.field(LANDING_DATE) <= batch.last)
    return set(rows.to_table(columns=[EVENT_DATE], filter=delivered)[EVENT_DATE].unique().to_pylist())


def _window(settings: Settings, batch: Batch) -> Batch:
    return Batch(batch.first - timedelta(settings.late_days), batch.last + timedelta(EARLY_DAYS))


def copy_partitions(settings: Settings, entity: str, dates: Iterable[date], out: Path, without: Batch) -> int:
    """Stream committed rows of these partitions, except those delivered in `without`, to plain Parquet in `out`.

    Every lake column is in the files, the partition column too. Returns the number of rows; writes no empty file.
    """
    other = (ds.field(LANDING_DATE) < without.first) | (ds.field(LANDING_DATE) > without.last)
    scanner = dataset(settings, entity, dates).scanner(filter=other, batch_size=131_072)
    rows, writer = 0, None
    try:
        for chunk in scanner.to_batches():
            if chunk.num_rows == 0:
                continue
            if writer is None:
                out.mkdir(parents=True, exist_ok=True)
                writer = pq.ParquetWriter(out / "existing.parquet", schema_of(entity))
            writer.write_batch(chunk.cast(schema_of(entity)))
            rows += chunk.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def recount(settings: Settings, dates: list[date]) -> list[dict[str, Any]]:
    """Originals and duplicates per delivered file, counted from committed rows.

    Covers every file with a row in the partitions `dates`, over all partitions that file can reach, so the numbers
    are totals of the file, not of the partitions.
    """
    if not dates:
        return []
    reach = timedelta(max(settings.late_days, EARLY_DAYS))
    events = dataset(settings, EVENTS.name, lambda day: min(dates) - reach <= day <= max(dates) + reach)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("events", events)
        rows = connection.execute(
            "select landing_date, file, count(*) filter (not is_duplicate), count(*) filter (is_duplicate)"
            " from events where (landing_date, file) in"
            "   (select (landing_date, file) from events where list_contains(?, event_date))"
            " group by all order by all",
            [dates],
        ).fetchall()
    return [
        {LANDING_DATE: r[0], "entity": EVENTS.name, "file": r[1], "rows_published": r[2], "rows_deduplicated": r[3]}
        for r in rows
    ]


# ---- what learning and scoring ask ---------------------------------------------------------------------------


_TAKEN = ["view", "add_to_cart", "purchase"]


def interactions(settings: Settings, as_of: date, days: int | None = None, user: str | None = None) -> pa.Table:
    """User–item events known at the end of `as_of`: nothing that happened or was delivered later (law 4).

    Of all users, or of `user`. Columns: user_id, item_id, occurred_at, event_date, event_type, quantity. Originals
    only, unordered.
    """
    first = date.min if days is None else as_of - timedelta(days - 1)
    known = (
        (ds.field(LANDING_DATE) <= as_of)
        & ~ds.field("is_duplicate")
        & ds.field("user_id").is_valid()
        & ds.field("item_id").is_valid()
        & ds.field("event_type").isin(_TAKEN)
    )
    if user is not None:
        known &= ds.field("user_id") == user
    columns = ["user_id", "item_id", "occurred_at", EVENT_DATE, "event_type", "quantity"]
    return dataset(settings, EVENTS.name, lambda day: first <= day <= as_of).to_table(columns=columns, filter=known)


def sequences(settings: Settings, as_of: date, days: int) -> pa.Table:
    """The same rows as `interactions` gives, for what reads many: user_id, item_id, event_type, occurred_at.

    Text comes as dictionaries: a name is decoded once a file, not once an event.
    """
    first = as_of - timedelta(days - 1)
    texts = ["user_id", "item_id", "event_type"]
    rows = dataset(settings, EVENTS.name, lambda day: first <= day <= as_of, texts).to_table(
        columns=[*texts, "occurred_at", LANDING_DATE, IS_DUPLICATE],
        fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=bool(settings.lake_url)),
    )
    # Nearly all rows are known: one mask over all of them costs less than a filter of each batch.
    known = pc.and_(pc.less_equal(rows[LANDING_DATE], as_of), pc.invert(rows[IS_DUPLICATE]))
    known = pc.and_(known, pc.is_in(rows["event_type"], value_set=pa.array(_TAKEN)))
    for name in ("user_id", "item_id"):
        known = pc.and_(known, pc.is_valid(rows[name]))
    rows = rows.drop_columns([LANDING_DATE, IS_DUPLICATE])
    rows = rows if pc.all(known, min_count=0).as_py() else rows.filter(known)
    return rows.unify_dictionaries()


def searches(settings: Settings, as_of: date, days: int) -> pa.Table:
    """What was searched for in the `days` days up to `as_of`, as far as it was known then, and what came of it.

    Columns: user_id (null for nobody known), query, item_id (null where nothing was taken): a row for each search, and
    for each view, cart or purchase that names its query. In the order of all three.
    """
    events = dataset(settings, EVENTS.name, lambda day: as_of - timedelta(days) < day <= as_of)
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("events", events)
        return connection.execute(
            "select user_id, query, item_id from events where landing_date <= ? and not is_duplicate"
            " and trim(query) <> '' and event_type in ('search', 'view', 'add_to_cart', 'purchase') order by all",
            [as_of],
        ).to_arrow_table()


USER_DAYS = Summary(
    "user_days",
    EVENTS.name,
    f"select {EVENT_DATE}, {LANDING_DATE}, user_id,"
    " count(*) filter (counts and event_type = 'purchase') as lines,"
    " cast(coalesce(sum(quantity * unit_price) filter (counts and event_type = 'purchase'), 0) as double) as spend,"
    " count(*) filter (counts and event_type <> 'purchase') as looks"
    f" from (select *, not {IS_DUPLICATE} and item_id is not null"
    "   and event_type in ('view', 'add_to_cart', 'purchase') as counts from rows where user_id is not null)"
    " group by all",
    ("user_id",),
)
"""What a user did on a day, as one delivery told it; zeros where it was nothing that counts."""


def user_days(settings: Settings, as_of: date, days: int) -> pa.Table:
    """What each user did on each of the `days` days up to `as_of`, as far as it was known then, by day of delivery.

    Columns: event_date, landing_date, user_id (as dictionaries), lines (rows of purchases), spend (their money), looks
    (views and carts). In the order of the first three.
    """
    rows = summary(settings, USER_DAYS, lambda day: as_of - timedelta(days) < day <= as_of)
    return rows.filter((pc.field(LANDING_DATE) <= as_of) & ((pc.field("lines") > 0) | (pc.field("looks") > 0)))


def known_users(settings: Settings, as_of: date, people: pa.Table) -> list[str]:
    """Every user with an event up to `as_of`, or a row of `people`, which `users` gives; in order."""
    rows = summary(settings, USER_DAYS, lambda day: day <= as_of).filter(pc.field(LANDING_DATE) <= as_of)
    found = [chunk.dictionary.take(pc.unique(chunk.indices)) for chunk in rows["user_id"].chunks if len(chunk)]
    return sorted(pc.unique(pa.chunked_array([*found, *people["user_id"].chunks], pa.string())).to_pylist())


FIRST_DELIVERED = "first_delivered"


def products(settings: Settings, as_of: date) -> pa.Table:
    """Each item's newest row delivered up to `as_of`, and the date of its first one."""
    return _newest(settings, "products", as_of)


def users(settings: Settings, as_of: date) -> pa.Table:
    """Each user's newest row delivered up to `as_of`."""
    return _newest(settings, "users", as_of)


def media(settings: Settings, entity: str, as_of: date) -> pa.Table:
    """Pictures or sounds of each item: the rows of its newest delivery up to `as_of`, in the order of their key."""
    return _newest(settings, entity, as_of).sort_by([(name, "ascending") for name in ENTITIES[entity].key])


def _delivered(name: str) -> Summary:
    """The keys that each delivery of an entity brought."""
    key = ENTITIES[name].key[0]
    select = f"select distinct {LANDING_DATE}, {key} from rows where not {IS_DUPLICATE}"
    return Summary(f"delivered_{name}", name, select, (key,))


def summarise(settings: Settings) -> None:
    """Count what the lake's new days say in short, while they are at hand."""
    for asked in (USER_DAYS, *(_delivered(name) for name in (PRODUCTS.name, USERS.name))):
        bring_up_to_date(settings, asked)


def _newest(settings: Settings, name: str, as_of: date) -> pa.Table:
    """Of history only keys and dates are read; whole rows of the deliveries that are the newest of some key."""
    entity = ENTITIES[name]
    key = entity.key[0]
    keys = summary(settings, _delivered(name), lambda day: day <= as_of)
    newest = keys.group_by(key, use_threads=False).aggregate([(LANDING_DATE, "max"), (LANDING_DATE, "min")])
    newest = newest.rename_columns([key, LANDING_DATE, FIRST_DELIVERED])
    newest = newest.set_column(0, key, newest[key].cast(pa.string()))
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("newest", newest)
        dates = newest[LANDING_DATE].unique().to_pylist()
        connection.register("delivered", dataset(settings, name, dates))
        # A delivery date has one original of a key; of media it may have several of an item.
        return connection.execute(
            f"select {', '.join(entity.names)}, {FIRST_DELIVERED} from delivered"
            f" inner join newest using ({key}, {LANDING_DATE}) where not {IS_DUPLICATE} order by {key}"
        ).to_arrow_table()


def landed_days(settings: Settings) -> list[date]:
    """Event dates with committed rows, in order."""
    return sorted(active_files(settings, EVENTS.name))


def newest_day(settings: Settings) -> date:
    """The newest event date with committed rows. Raises NightmarketError where there is none."""
    days = landed_days(settings)
    if not days:
        raise NightmarketError("the lake holds no events; run `nightmarket history` first")
    return days[-1]
