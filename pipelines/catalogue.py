"""What the products feed says of the items that the models count: their content, and which of them are new."""

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.lake import FIRST_DELIVERED

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


def fresh(products: pa.Table, items: pa.Array, night: date, days: int) -> np.ndarray:
    """bool [I]: items that could first be had in the `days` that end with the night.

    That day is the first delivery of the product, or `available_from` where it says a later one. Of what came with the
    very first delivery nobody knows since when it has been there: unless it says so itself, it is not new.
    """
    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    delivered, begins = products[FIRST_DELIVERED], products["available_from"]
    founded = pc.min(delivered)
    since = pc.max_element_wise(pc.if_else(pc.equal(delivered, founded), None, delivered), begins).take(row)
    new = pc.and_(pc.greater(since, pa.scalar(night - timedelta(days))), pc.less_equal(since, pa.scalar(night)))
    return pc.fill_null(new, False).to_numpy(zero_copy_only=False)
