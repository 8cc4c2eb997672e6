"""Whom tonight's lists show: numbers of `models.monitoring.exposure` and coverage, by item and user of the shop."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.metrics import coverage
from models.monitoring import exposure
from models.sample import drawn
from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.warehouse import Warehouse

DAYS = 28
"""Popularity is purchases in as many days, and a user's own taste what they bought in them."""
MOST_USERS = 10_000
"""Users whose categories are compared, at most: a row of all categories for each would not fit."""


def measures(connection: Warehouse, day: date) -> dict[str, float]:
    """Every number of the lists of `day`; the features must stand for that night. Empty without lists."""
    items = connection.reader(
        "select item_id, coalesce(category, 'unknown') as category, popularity_28d from features.item_features"
        " order by item_id"
    ).read_all()
    shown = connection.reader(
        f"select user_id, rank, item_id from {SCORES_RECOMMENDATIONS.name} where scored_for = ?", [day]
    ).read_all()
    if not shown.num_rows or not items.num_rows:
        return {}
    popularity = items["popularity_28d"].to_numpy().astype(np.float64)
    categories = items["category"].combine_chunks().dictionary_encode()
    category = categories.indices.to_numpy().astype(np.int64)
    users = pc.unique(shown["user_id"].cast(pa.string()))
    lists = np.full((len(users), int(pc.max(shown["rank"]).as_py())), -1, dtype=np.int64)
    user, item = _numbered(shown, users, items)
    lists[user, shown["rank"].to_numpy() - 1] = item
    return _of(lists, popularity, category, len(categories.dictionary), _own(connection, day, users, items))


def _of(
    lists: np.ndarray, popularity: np.ndarray, category: np.ndarray, categories: int, own: np.ndarray
) -> dict[str, float]:
    """`own` int64 [P, 2]: user and item of what was bought."""
    places = exposure.exposure(lists, len(popularity))
    head = exposure.head(popularity)
    bought = np.bincount(own[:, 0], minlength=len(lists))
    with np.errstate(invalid="ignore"):
        taste = np.bincount(own[:, 0], popularity[own[:, 1]], len(lists)) / bought
    return {
        f"coverage@{lists.shape[1]}": coverage(lists, len(popularity)),
        "ARP": _mean(exposure.average_popularity(lists, popularity)),
        "APLT": _mean(exposure.tail_share(lists, head)),
        "ACLT": _mean(exposure.tail_count(lists, head)),
        "Gini of exposure": exposure.gini(places),
        "entropy of exposure": exposure.entropy(places),
        "PopLift": exposure.group_lift(lists, popularity, taste),
        "calibration KL of categories": _mean(_calibration(lists, category, categories, own)),
    }


def _calibration(lists: np.ndarray, category: np.ndarray, categories: int, own: np.ndarray) -> np.ndarray:
    chosen = drawn(np.unique(own[:, 0]), MOST_USERS)
    place = np.full(len(lists), -1)
    place[chosen] = np.arange(len(chosen))
    rows = own[place[own[:, 0]] >= 0]
    cell = place[rows[:, 0]] * categories + category[rows[:, 1]]
    taken = np.bincount(cell, minlength=len(chosen) * categories).reshape(len(chosen), categories)
    profile = taken / np.maximum(taken.sum(axis=1, keepdims=True), 1)
    return exposure.calibration(profile, exposure.category_shares(lists[chosen], category, categories))


def _own(connection: Warehouse, day: date, users: pa.Array, items: pa.Table) -> np.ndarray:
    bought = connection.reader(
        "select distinct user_id, item_id from intermediate.int_user_item_day"
        " where purchased_lines > 0 and event_date <= ? and event_date > ? and landing_date <= ?",
        [day, day - timedelta(DAYS), day],
    ).read_all()
    user, item = _numbered(bought, users, items)
    known = (user >= 0) & (item >= 0)
    return np.stack([user[known], item[known]], axis=1)


def _numbered(rows: pa.Table, users: pa.Array, items: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of rows by number, -1 where they are unknown."""
    found = []
    for name, known in (("user_id", users), ("item_id", items["item_id"].cast(pa.string()).combine_chunks())):
        number = pc.index_in(rows[name].cast(pa.string()), value_set=known)
        found.append(pc.fill_null(number, -1).to_numpy().astype(np.int64))
    return found[0], found[1]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if len(known) else float("nan")
