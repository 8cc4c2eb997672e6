"""What a shop says of the items that the models count: their content, which are new, what reviews make of them."""

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake
from pipelines.contracts import IS_DUPLICATE, LANDING_DATE, REVIEWS
from pipelines.lake import FIRST_DELIVERED
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.interactions import Interactions


def described(data: "Interactions", products: pa.Table) -> "Interactions":
    """`data` with what `products` (as of the same day) say of its items."""
    from models.recommender.content import Products, describe

    row = pc.index_in(data.items, value_set=products["item_id"].combine_chunks())
    said = {
        name: products[name].combine_chunks().take(row) for name in ("title", "brand", "category_path", "attributes")
    }
    price = products["price"].combine_chunks().take(row).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return replace(data, content=describe(Products(**said, price=price)))


def reviewed(settings: Settings, data: "Interactions") -> "Interactions":
    """`data` with what reviews said of its items at the end of its last day; as it is where there was none.

    A review counts as it was delivered last by then, so a correction moves no day before it. Ratings only: what a
    champion reads out of texts is read again by the next one, and a past night must come out as it did.
    """
    from models.recommender.opinions import opinions

    night = data.as_of
    if not lake.active_files(settings, REVIEWS.name):
        return data
    held = lake.dataset(settings, REVIEWS.name, lambda day: day <= night, dictionaries=["item_id"])
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("reviews", held)
        connection.register("items", pa.table({"item_id": data.items, "place": np.arange(len(data.items))}))
        found = connection.execute(
            "select place, cast(rating as double) as rating from ("
            f"select cast(item_id as text) as item_id, created_at, rating from reviews where not {IS_DUPLICATE}"
            f" qualify row_number() over (partition by review_id order by {LANDING_DATE} desc) = 1)"
            " inner join items using (item_id) where cast(created_at as date) <= ? order by place, rating",
            [night],
        ).to_arrow_table()
    place = found["place"].to_numpy()
    rating = found["rating"].combine_chunks().to_numpy(zero_copy_only=False)
    said = opinions(place, rating, len(data.items))
    return data if said is None else replace(data, opinions=said)


def fresh(products: pa.Table, items: pa.Array, night: date, days: int) -> np.ndarray:
    """bool [I]: items that could first be had in the `days` that end with the night."""
    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    first = since(products).take(row)
    new = pc.and_(pc.greater(first, pa.scalar(night - timedelta(days))), pc.less_equal(first, pa.scalar(night)))
    return pc.fill_null(new, False).to_numpy(zero_copy_only=False)


def since(products: pa.Table) -> pa.ChunkedArray:
    """The day from which each product could be had: its first delivery, or `available_from` where that is later.

    Of what came with the very first delivery nobody knows since when it has been there: null, unless it says so itself.
    """
    delivered = products[FIRST_DELIVERED]
    later = pc.if_else(pc.equal(delivered, pc.min(delivered)), None, delivered)
    return pc.max_element_wise(later, products["available_from"])
