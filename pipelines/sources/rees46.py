"""REES46: views, carts and purchases of a multi-category shop, in the public CSV form (one file a month)."""

from collections.abc import Iterator

from pipelines.contracts import EVENTS, LINE, PRODUCTS
from pipelines.errors import UsageError
from pipelines.sources import Delivery, LandRequest, Source

NAME = "rees46"
COLUMNS = (
    "event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id",
    "user_session",
)  # fmt: skip

_PARSED = """
create or replace table parsed as
with timed as (
    select *, try_strptime(event_time, ['%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S']) as happened
    from origin
)
select * exclude (happened), happened::date as day, coalesce(utc_text(happened, 'UTC'), event_time) as occurred_at
from timed
"""

_EVENTS = f"""
with keyed as (
    select *, row_key('{NAME}', [{", ".join(COLUMNS)}]) as key
    from parsed
)
select
    event_id(key, row_number() over (partition by key order by {LINE})) as event_id,
    occurred_at,
    if(event_type = 'cart', 'add_to_cart', event_type) as event_type,
    user_id,
    user_session as session_id,
    product_id as item_id,
    if(event_type = 'purchase', '1', null) as quantity,
    price as unit_price,
    {LINE},
    day
from keyed
"""

# The latest stated brand and category of the day, and the median of the day's prices.
_PRODUCTS = f"""
select
    product_id as item_id,
    max_by(brand, {LINE}) filter (brand is not null) as brand,
    replace(max_by(category_code, {LINE}) filter (category_code is not null), '.', ' > ') as category_path,
    round(median(try_cast(price as decimal(18, 6))), 6)::decimal(18, 6)::varchar as price,
    to_json({{category_id: max_by(category_id, {LINE})}})::varchar as attributes,
    min({LINE}) as {LINE},
    day
from parsed
where product_id is not null and day is not null
group by day, product_id
"""


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver events and the products seen in them by UTC day. The CSV names an event's product, never its title."""
    from pipelines.sources._bench import UNREADABLE_ROWS, bench, deliveries, load_csv

    if request.path is None:
        raise UsageError(f"source {NAME} needs --path: {SOURCE.description}")
    paths = sorted(request.path.glob("*.csv*")) if request.path.is_dir() else [request.path]
    if not paths:
        raise UsageError(f"source {NAME}: {request.path} holds no .csv or .csv.gz file")
    with bench(request) as connection:
        for path in paths:
            stem = path.name.split(".")[0]
            load_csv(connection, path, COLUMNS)
            connection.execute(_PARSED)
            events = f"({_EVENTS}) union all by name {UNREADABLE_ROWS}"
            yield from deliveries(connection, request, EVENTS.name, stem, events)
            yield from deliveries(connection, request, PRODUCTS.name, stem, _PRODUCTS)


SOURCE = Source(
    name=NAME,
    description="the public REES46 view/cart/purchase CSV; --path: one .csv[.gz] or a folder of them",
    timezone="UTC",
    is_closed=lambda day: False,
    land=land,
)
