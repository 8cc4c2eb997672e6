"""UCI Online Retail: invoices of a real gift shop in the United Kingdom, December 2010 to December 2011."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.contracts import EVENTS, LINE, PRODUCTS, USERS
from pipelines.errors import NightmarketError, UsageError
from pipelines.sources import Delivery, LandRequest, Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

NAME = "uci_online_retail"
ZONE = "Europe/London"
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

SATURDAY = 5
HOLIDAYS = frozenset(  # days without an invoice that are no Saturday: Christmas, Easter and bank holidays
    map(
        dt.date.fromisoformat,
        [
            *("2010-12-24", "2010-12-26", "2010-12-27", "2010-12-28", "2010-12-29", "2010-12-30", "2010-12-31"),
            *("2011-01-02", "2011-01-03", "2011-04-22", "2011-04-24", "2011-04-25", "2011-04-29", "2011-05-02"),
            *("2011-05-30", "2011-08-29"),
        ],
    )
)

# A customer id reads 17850 or 17850.0, a price 3 or 3.0, depending on who exported it: the same line must get the
# same event id. Codes of products start with five digits, except those of the shop's partner site and cushion pads.
_PARSED = f"""
create or replace table parsed as
with typed as (
    select
        *,
        try_cast(Quantity as bigint) as pieces,
        try_cast(UnitPrice as decimal(18, 6)) as price,
        regexp_replace(CustomerID, '\\.0$', '') as customer,
        try_strptime(InvoiceDate, ['%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M', '%m/%d/%Y %H:%M']) as local_time
    from origin
)
select
    {LINE},
    coalesce($day::date, local_time::date) as day,
    InvoiceNo as invoice,
    StockCode as code,
    Description as description,
    coalesce(abs(pieces)::varchar, Quantity) as quantity,
    coalesce(utc_text(local_time, '{ZONE}'), InvoiceDate) as occurred_at,
    price,
    coalesce(price::varchar, UnitPrice) as unit_price,
    customer,
    Country as country,
    starts_with(InvoiceNo, 'C') or coalesce(pieces < 0, false) as is_return,
    case
        when not starts_with(InvoiceNo, 'C') and pieces < 0 and price = 0 then 'STOCK'
        when not regexp_matches(StockCode, '^([0-9]{{5}}|DCGS|PADS$)') then if(StockCode = 'm', 'M', StockCode)
    end as charge_code
from typed
"""

_EVENTS = f"""
with keyed as (
    select
        *,
        row_key('{NAME}', [
            invoice, code, description, is_return::varchar, quantity, occurred_at, unit_price, customer, country
        ]) as key
    from parsed
)
select
    event_id(key, row_number() over (partition by key order by {LINE})) as event_id,
    occurred_at,
    if(is_return, 'return', 'purchase') as event_type,
    customer as user_id,
    invoice as session_id,
    if(charge_code is null, code, null) as item_id,
    quantity,
    unit_price,
    charge_code,
    {LINE},
    day
from keyed
"""

# Lines without a price carry remarks of the warehouse ("ebay", "damages") where a product's name should be. A day
# that knows no name or no price of a product says nothing about it: such a row would hide what an earlier day said.
_PRODUCTS = f"""
with named as (
    select day, code, description, count(*) filter (price > 0) as priced
    from parsed
    where charge_code is null and code is not null
    group by all
),
titles as (
    select day, code, description as title
    from named
    where priced > 0 and trim(description) <> ''
    qualify row_number() over (partition by day, code order by priced desc, description) = 1
)
select
    parsed.code as item_id,
    any_value(titles.title) as title,
    round(median(price) filter (price > 0), 6)::decimal(18, 6)::varchar as price,
    min({LINE}) as {LINE},
    parsed.day
from parsed inner join titles using (day, code)
where charge_code is null and parsed.day is not null
group by parsed.day, parsed.code
"""

_USERS = f"""
with seen as (
    select day, customer, country, count(*) as lines, min({LINE}) as {LINE}
    from parsed
    where customer is not null and day is not null
    group by all
)
select customer as user_id, to_json({{country: country}})::varchar as attributes, {LINE}, day
from seen
qualify row_number() over (partition by day, customer order by lines desc, country nulls last) = 1
"""


def is_closed(day: dt.date) -> bool:
    return day.weekday() == SATURDAY or day in HOLIDAYS


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver a workbook or one CSV by local date, or a folder of daily CSV files by the date in their names."""
    from pipelines.sources._bench import bench, load_csv

    if request.path is None:
        raise UsageError(f"source {NAME} needs --path: {SOURCE.description}")
    with bench(request) as connection:
        for path, day in _files(request.path, request):
            if path.suffix == ".xlsx":
                _load_workbook(connection, path)
            else:
                load_csv(connection, path, COLUMNS)
            yield from _deliver(connection, request, path.name.split(".")[0], day)


def _deliver(
    connection: "duckdb.DuckDBPyConnection", request: LandRequest, stem: str, day: dt.date | None
) -> Iterator[Delivery]:
    from pipelines.sources._bench import UNREADABLE_ROWS, deliveries

    connection.execute(_PARSED, {"day": day})
    lost = UNREADABLE_ROWS.replace("select", f"select date '{day}' as day,", 1) if day else UNREADABLE_ROWS
    yield from deliveries(connection, request, EVENTS.name, stem, f"({_EVENTS}) union all by name {lost}")
    yield from deliveries(connection, request, PRODUCTS.name, stem, _PRODUCTS)
    yield from deliveries(connection, request, USERS.name, stem, _USERS)


def _files(path: Path, request: LandRequest) -> list[tuple[Path, dt.date | None]]:
    if not path.is_dir():
        return [(path, None)]
    found: list[tuple[Path, dt.date | None]] = []
    for file in sorted(p for p in path.iterdir() if p.name.endswith((".csv", ".csv.gz")) and p.name[0] not in "._"):
        try:
            day = dt.date.fromisoformat(file.name.split(".")[0])
        except ValueError as error:
            raise NightmarketError(f"{file} is not named YYYY-MM-DD.csv or .csv.gz; rename or remove it") from error
        if request.wants(day):
            found.append((file, day))
    return found


def _load_workbook(connection: "duckdb.DuckDBPyConnection", path: Path) -> None:
    import openpyxl
    import pyarrow as pa

    from pipelines.sources._bench import load

    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl passes on whatever its zip and XML readers raise
        raise NightmarketError(f"{path} is no readable .xlsx workbook: {error}") from error
    rows = workbook.worksheets[0].iter_rows(values_only=True)
    header = [str(v).strip() for v in next(rows, ())]
    if missing := [n for n in COLUMNS if n not in header]:
        raise NightmarketError(f"{path}: the first row must name {', '.join(missing)}; it names {', '.join(header)}")
    places = [header.index(n) for n in COLUMNS]
    schema = pa.schema([pa.field(LINE, pa.int64()), *(pa.field(n, pa.string()) for n in COLUMNS)])

    def batches() -> "Iterator[pa.RecordBatch]":
        block: list[list[Any]] = []
        for number, row in enumerate(rows, start=2):
            if any(v is not None for v in row):
                block.append([number, *(_text(row[i]) for i in places)])
            if len(block) == 20_000:
                yield pa.record_batch(list(zip(*block, strict=True)), schema=schema)
                block = []
        if block:
            yield pa.record_batch(list(zip(*block, strict=True)), schema=schema)

    load(connection, COLUMNS, batches(), [])
    workbook.close()


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, dt.datetime) else str(value)


SOURCE = Source(
    name=NAME,
    description="UCI Online Retail, a real shop's invoices 2010-12 to 2011-12; --path: the .xlsx workbook, one .csv"
    "[.gz], or a folder of daily files YYYY-MM-DD.csv[.gz]",
    timezone=ZONE,
    is_closed=is_closed,
    land=land,
)
