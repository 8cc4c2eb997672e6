"""The floors by name: how each is fitted, saved and brought back. A learned model must beat all of them."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.beside import side_by_side
from models.interactions import Interactions
from models.recommender import alike, ease, frequent, item_knn, popular, transition
from models.recommender.configs import CONFIGS, Alike, Ease, Floor, FrequentItems, ItemKnn, Popular, Transition
from models.recommender.ease import NotApplicable
from models.recommender.item_to_item import ItemToItem, matrix_of
from models.recommender.ranking import Recommender

__all__ = ["FLOORS", "Fitted", "NotApplicable", "fit", "fit_all", "restore"]

FLOORS = tuple(CONFIGS)


def fit(data: Interactions, config: Floor) -> Recommender:
    """Fit the floor this config belongs to. Raises `NotApplicable` with the reason where it cannot be fitted."""
    match config:
        case Popular():
            return popular.fit(data, config)
        case FrequentItems():
            return frequent.fit(data, config)
        case ItemKnn():
            return item_knn.fit(data, config)
        case Transition():
            return transition.fit(data, config)
        case Ease():
            return ease.fit(data, config)
        case Alike():
            return alike.fit(data, config)


class Fitted(NamedTuple):
    """A floor, or the reason why it cannot be fitted, and the seconds that took."""

    model: Recommender | NotApplicable
    seconds: float


def fit_all(data: Interactions, configs: Mapping[str, Floor]) -> dict[str, Fitted]:
    """Each of them as `fit` gives it, side by side, in their order."""

    def tried(config: Floor) -> Fitted:
        started = time.monotonic()
        try:
            found: Recommender | NotApplicable = fit(data, config)
        except NotApplicable as reason:
            found = reason
        return Fitted(found, time.monotonic() - started)

    return dict(zip(configs, side_by_side(tried, configs.values()), strict=True))


def restore(config: Floor, arrays: dict[str, np.ndarray]) -> Recommender:
    """The fitted floor from what `Recommender.arrays` gave."""
    match config:
        case Popular():
            return popular.PopularModel(arrays["recent"], arrays["overall"])
        case FrequentItems():
            return frequent.FrequentItemsModel()
        case ItemKnn() as found:
            return ItemToItem(matrix_of(arrays), item_knn.weighting(found))
        case Transition() as found:
            return ItemToItem(matrix_of(arrays), transition.weighting(found))
        case Ease() as found:
            return ItemToItem(matrix_of(arrays), ease.weighting(found))
        case Alike() as found:
            return alike.restore(found, arrays)
