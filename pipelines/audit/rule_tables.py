"""What the audit of business rules reads from the warehouse, as tables of its bench.

`lists` (kind, owner, rank, item); `items` (item, category, brand, price, attributes), all that is in the catalogue or
was sold in the window; `people` (owner, attributes); `bought` (owner, item, day): everything as of the night.
"""

from datetime import date, timedelta
from typing import Any

import duckdb

from pipelines.contracts import RAW_TABLES, SCORES_RECOMMENDATIONS, SCORES_SIMILAR, SCORES_VISITORS
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

_LISTS = {"customers": SCORES_RECOMMENDATIONS, "visitors": SCORES_VISITORS, "similar": SCORES_SIMILAR}
_MAP = """coalesce(from_json(attributes, '"map(varchar, varchar)"'), map {}) as attributes"""


def load(
    settings: Settings, connection: Warehouse, bench: duckdb.DuckDBPyConnection, night: date, purchases: bool
) -> None:
    """`purchases`: whether `bought` is asked for, the largest of them by far."""

    def copy(name: str, query: str, values: list[Any]) -> None:
        bench.register("incoming", connection.reader(query, values))
        bench.execute(f"create temp table {name} as select * from incoming")
        bench.unregister("incoming")

    for kind, table in _LISTS.items():
        owner, item = table.key[1], table.names[3]
        query = f"select {owner} as owner, rank, {item} as item from {table.name} where scored_for = ?"
        copy(f"{kind}_lists", query, [night])
    parts = [f"select '{kind}' as kind, owner, rank, item from {kind}_lists" for kind in _LISTS]
    bench.execute("create temp table lists as " + " union all ".join(parts))
    copy("products", newest("products", "item_id", "category_path, brand, price, attributes"), [night])
    copy("users", newest("users", "user_id", "attributes"), [night])
    known = (
        f"from {RAW_TABLES['events'].name} where user_id is not null and item_id is not null"
        " and landing_date <= ? and event_date <= ?"
    )
    days = f"select distinct user_id as owner, item_id as item, event_date as day {known} and event_type = 'purchase'"
    if purchases:
        copy("bought", days, [night, night])
    sold = f"select distinct item_id {known} and event_date > ? and event_type in ('view', 'add_to_cart', 'purchase')"
    copy("sold", sold, [night, night, night - timedelta(settings.training_days)])
    bench.execute(
        "create temp table items as select item_id as item, nullif(trim(category_path), '') as category,"
        f" nullif(trim(brand), '') as brand, price, {_MAP} from products full join sold using (item_id)"
    )
    bench.execute(f"create temp table people as select user_id as owner, {_MAP} from users")


def newest(name: str, key: str, columns: str) -> str:
    """The newest delivery of each key up to the night."""
    newest = f"row_number() over (partition by {key} order by landing_date desc) as age"
    return (
        f"select {key}, {columns} from (select *, {newest} from {RAW_TABLES[name].name} where landing_date <= ?)"
        " as delivered where age = 1"
    )
