"""What BI reads on PostgreSQL: views that show the one edition that a row points to (law 2).

The rows of a new edition are put beside those of the old ones, in `published`; then one row is updated. A statement in
READ COMMITTED, and a transaction in REPEATABLE READ, sees the old edition whole or the new one. An edition that was
superseded is deleted when no reader can still be in it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from pipelines.contracts import OPS_CURRENT_NIGHT, OPS_EDITIONS
from pipelines.errors import NightmarketError, Unavailable
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, columns_of, open_warehouse
from pipelines.warehouse.postgres import EDITION_NUMBERS, PUBLISHER, connect, target

# A row older than `bi_history_days` is not shown; the first of these columns that a mart has decides.
_DATED = ("scored_for", "event_date", "landing_date")
BUILT, PUBLISHED, MARTS = "built", "published", "marts"
_LOOKED_AT = 6  # the ids of a mart are among its first columns


def place(settings: Settings) -> str:
    """Where BI finds the marts."""
    given = target(settings)
    return f"PostgreSQL {given.get('host', '')}:{given.get('port', 5432)}/{given.get('dbname', '')}, schema {MARTS}"


def publish(settings: Settings, night: date, attempt: Attempt) -> dict[str, int]:
    """Put the marts that dbt built beside the published ones, then point BI at them; returns the rows of each."""
    open_warehouse(settings).close()  # makes the tables of a newer contract
    with connect(settings, PUBLISHER) as connection:
        with connection.transaction():
            edition = _next(connection)
            rows = _copy(settings, connection, edition, night)
        fault_point("publish.before_guard")
        with guard(settings, attempt):
            fault_point("publish.guarded")
            with connection.transaction():
                _fit_views(connection)
                _point_at(connection, edition, night)
            fault_point("publish.swapped")
        fault_point("publish.shown")
        end_long_readers(settings, connection)
        _drop_outlived(settings, connection, edition)
    return rows


def _next(connection: Warehouse) -> int:
    """A number that no other attempt has or will get, dead ones included."""
    row = connection.execute(f"select nextval('{EDITION_NUMBERS}')").fetchone()
    return int(row[0]) if row else 0


def _copy(settings: Settings, connection: Warehouse, edition: int, night: date) -> dict[str, int]:
    oldest = night - timedelta(settings.bi_history_days)
    built = {name.partition(".")[2]: columns for name, columns in columns_of(connection, BUILT).items()}
    if not built:
        raise NightmarketError("the warehouse has no marts; run `nightmarket features` first")
    rows: dict[str, int] = {}
    for mart, columns in built.items():
        _fit_table(connection, mart, columns)
        names = ", ".join(f'"{c}"' for c in columns)
        dated = next((c for c in _DATED if c in columns), None)
        kept, values = ("", []) if dated is None else (f'where "{dated}" > ?', [oldest])
        table, build = f'{PUBLISHED}."{mart}"', f'{BUILT}."{mart}"'
        connection.execute(
            f"insert into {table} (edition, {names}) select {edition}, {names} from {build} {kept}", values
        )
        found = connection.execute(f"select count(*) from {table} where edition = ?", [edition]).fetchone()
        rows[mart] = int(found[0]) if found else 0
    return rows


def _fit_table(connection: Warehouse, mart: str, columns: list[str]) -> None:
    """The table that holds a mart's editions has every column that dbt built; a new one is null in earlier editions.

    Raises NightmarketError where a column has another type than before: its values would be cast in silence.
    """
    table, kinds = f'{PUBLISHED}."{mart}"', _kinds(connection, BUILT, mart)
    known = _kinds(connection, PUBLISHED, mart)
    if not known:
        described = ", ".join(f'"{c}" {kinds[c]}' for c in columns)
        connection.execute(f"create table {table} (edition bigint not null, {described})")
        key = ", ".join(["edition", *(f'"{c}"' for c in _leading(columns))])
        connection.execute(f"create index on {table} ({key})")
        return
    for column in columns:
        if column not in known:
            connection.execute(f'alter table {table} add column "{column}" {kinds[column]}')
        elif known[column] != kinds[column]:
            raise NightmarketError(
                f"mart {mart}: {column} is {kinds[column]} now and {known[column]} in what BI sees; give the column"
                f" another name, or as owner of {table} alter its type"
            )


def _leading(columns: list[str]) -> list[str]:
    """The ids that BI looks rows up by, from a mart's first columns."""
    return [c for c in columns[:_LOOKED_AT] if c.endswith("_id") or c in ("segment", "event_date", "night")][:2]


def _fit_views(connection: Warehouse) -> None:
    """The views that BI asks have the columns that dbt built; call it where the pointer moves, so that both are one.

    A view with other columns than before is made anew, with its rights. That waits for whoever reads it just now, and
    keeps others waiting meanwhile: so not for long, and the step is tried again.
    """
    built = {name.partition(".")[2]: columns for name, columns in columns_of(connection, BUILT).items()}
    shown = {name.partition(".")[2]: columns for name, columns in columns_of(connection, MARTS).items()}
    if built == shown:
        return
    connection.execute("set local lock_timeout = '10s'")
    for mart in sorted({*built, *shown}):
        if built.get(mart) == shown.get(mart):
            continue
        connection.execute(f'drop view if exists {MARTS}."{mart}"')
        if mart in built:
            names = ", ".join(f'"{c}"' for c in built[mart])
            connection.execute(
                f'create view {MARTS}."{mart}" as select {names} from {PUBLISHED}."{mart}"'
                f" where edition = (select edition from {OPS_CURRENT_NIGHT.name})"
            )


def _kinds(connection: Warehouse, schema: str, mart: str) -> dict[str, str]:
    """Types of a table's columns; none where there is no such table."""
    rows = connection.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(?) and attnum > 0 and not attisdropped",
        [f'{schema}."{mart}"'],
    ).fetchall()
    return dict(rows)


def _point_at(connection: Warehouse, edition: int, night: date) -> None:
    """The one row that all views look at. What it pointed to before is superseded from now on."""
    now = datetime.now(UTC)
    connection.execute(f"update {OPS_EDITIONS.name} set superseded_at = ? where superseded_at is null", [now])
    connection.execute(
        f"insert into {OPS_EDITIONS.name} (edition, night, published_at) values (?, ?, ?)"
        " on conflict (edition) do update set superseded_at = null",
        [edition, night, now],
    )
    connection.execute(
        f"insert into {OPS_CURRENT_NIGHT.name} (pointer, edition, night) values (1, ?, ?)"
        " on conflict (pointer) do update set edition = excluded.edition, night = excluded.night",
        [edition, night],
    )


def _drop_outlived(settings: Settings, connection: Warehouse, edition: int) -> None:
    """Editions that are not kept for `rollback` and that no reader can still be in, and rows of dead attempts.

    Call it after `edition` was shown: an attempt with a lower number that has shown nothing by then never will, while
    the rows of a higher one may be about to be shown.
    """
    oldest = datetime.now(UTC) - timedelta(minutes=settings.bi_timeout_minutes)
    kept = set(_kept(settings, connection).values())
    gone = [
        number
        for number, superseded in connection.execute(
            f"select edition, superseded_at from {OPS_EDITIONS.name}"
        ).fetchall()
        if number not in kept and superseded is not None and superseded < oldest
    ]
    with connection.transaction():
        connection.execute(f"delete from {OPS_EDITIONS.name} where edition = any(?)", [gone])
        for table in columns_of(connection, PUBLISHED):
            connection.execute(
                f"delete from {table} where edition < ? and edition not in (select edition from {OPS_EDITIONS.name})",
                [edition],
            )


def _kept(settings: Settings, connection: Warehouse) -> dict[date, int]:
    """The newest edition of each of the newest `keep_nights` nights, and of the one BI sees."""
    rows = connection.execute(
        f"select night, max(edition) from {OPS_EDITIONS.name} group by night order by 1"
    ).fetchall()
    kept = dict(rows[-settings.keep_nights :])
    shown = connection.execute(f"select night, edition from {OPS_CURRENT_NIGHT.name}").fetchall()
    return kept | dict(shown)


def published(settings: Settings) -> list[date]:
    """Nights that are kept for `rollback`, oldest first."""
    with open_warehouse(settings, read_only=True) as connection:
        return sorted(_kept(settings, connection))


def current_night(settings: Settings) -> date | None:
    """The night BI sees now."""
    with open_warehouse(settings, read_only=True) as connection:
        row = connection.execute(f"select night from {OPS_CURRENT_NIGHT.name}").fetchone()
    return row[0] if row else None


def show_again(settings: Settings, night: date, attempt: Attempt) -> None:
    """Point BI at the kept edition of a night."""
    with connect(settings, PUBLISHER) as connection, guard(settings, attempt), connection.transaction():
        edition = _kept(settings, connection).get(night)
        if edition is None:
            raise NightmarketError(f"night {night} is not kept any more: see `nightmarket status` for those that are")
        _point_at(connection, edition, night)


def end_long_readers(settings: Settings, connection: Warehouse) -> int:
    """End what BI readers have run for longer than allowed, whatever time-out they have set; how many it were."""
    row = connection.execute(
        "select ops.end_long_readers(make_interval(mins => ?))", [settings.bi_timeout_minutes]
    ).fetchone()
    return int(row[0]) if row else 0


def ask(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and at most `limit` rows, asked as `bi_reader`."""
    try:
        reader = psycopg.connect(**target(settings), user="bi_reader", connect_timeout=30)
    except psycopg.Error as error:
        raise Unavailable(f"query: PostgreSQL does not answer bi_reader: {str(error).splitlines()[0]}") from error
    try:
        with reader, reader.cursor("asked") as cursor:  # a named one leaves the rows that nobody wants on the server
            reader.read_only = True
            cursor.execute(sql.encode())
            rows = cursor.fetchmany(limit)
            return [d.name for d in cursor.description or []], rows
    except psycopg.Error as error:
        raise NightmarketError(f"query failed: {' '.join(str(error).split())[:500]}") from error
