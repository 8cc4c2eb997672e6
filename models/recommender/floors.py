"""The floors by name: how each is fitted, saved and brought back. A learned model must beat all of them."""

import numpy as np

from models.interactions import Interactions
from models.recommender import ease, frequent, item_knn, popular, transition
from models.recommender.configs import CONFIGS, Ease, Floor, FrequentItems, ItemKnn, Popular, Transition
from models.recommender.ease import NotApplicable
from models.recommender.item_to_item import ItemToItem, matrix_of
from models.recommender.ranking import Recommender

__all__ = ["FLOORS", "NotApplicable", "fit", "restore"]

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
