"""Why an item stands in a list: a stable code for machines and a sentence for BI to show."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from models.recommender.popular import PopularModel

# reason_type and its sentence; one that ends in a space is followed by the title of the reason item.
REASONS = (
    ("because_you_bought", "because you bought "),
    ("because_you_viewed", "because you looked at "),
    ("you_buy_it_often", "you buy it often"),
    ("you_bought_it", "you bought it before"),
    ("popular_this_week", "popular this week"),
    ("popular", "popular in this shop"),
    ("in_catalogue", "in the catalogue"),
    ("often_bought_with", "often bought with "),
    ("new_and_similar", "new and similar to "),
    ("similar_to", "similar to "),
    ("to_discover", "something else to discover"),
)
_BOUGHT, _VIEWED, _OFTEN, _BEFORE, _WEEK, _POPULAR, _CATALOGUE, BOUGHT_WITH, NEW, SIMILAR, DISCOVER = range(
    len(REASONS)
)
_NAMES_AN_ITEM = np.array([text.endswith(" ") for _, text in REASONS])
OFTEN = 3  # purchases from which "often" is true
PINNED = "pinned"  # reason_type of what a business rule put there; see pipelines/scoring/ruled.py


def reason_codes(item: np.ndarray, source: np.ndarray, counts: np.ndarray, fill: "PopularModel") -> np.ndarray:
    """Index into REASONS, [P]: `source` is the reason item or -1, `counts` how often its user bought it."""
    crowd = np.where(fill.recent[item] > 0, _WEEK, np.where(fill.overall[item] > 0, _POPULAR, _CATALOGUE))
    other = np.where(counts > 0, _BOUGHT, _VIEWED)
    own = np.where(counts >= OFTEN, _OFTEN, np.where(counts > 0, _BEFORE, _VIEWED))
    return np.where(source < 0, crowd, np.where(source == item, own, other))


def reason_columns(code: np.ndarray, source: np.ndarray, items: pa.Array, titles: pa.Array) -> dict[str, pa.Array]:
    """The columns reason_type, reason_item_id and reason of P rows; `items` and `titles` [I] are what `source` counts.

    A sentence is written once for each pair of reason and item, however many rows share it.
    """
    pair, row = np.unique(code.astype(np.int64) * (len(items) + 1) + source + 1, return_inverse=True)
    kind, item = np.divmod(pair, len(items) + 1)
    reason_item = pa.array(np.maximum(item - 1, 0), mask=item == 0)
    text = pa.array([text for _, text in REASONS]).take(pa.array(kind))
    title = pc.if_else(pa.array(_NAMES_AN_ITEM[kind]), pc.fill_null(titles.take(reason_item), ""), "")
    columns = {
        "reason_type": pa.array([name for name, _ in REASONS]).take(pa.array(kind)),
        "reason_item_id": items.take(reason_item),
        "reason": pc.binary_join_element_wise(text, title, ""),
    }
    return {name: values.take(pa.array(row)) for name, values in columns.items()}
