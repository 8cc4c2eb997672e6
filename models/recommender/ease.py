"""EASE (Steck 2019, Embarrassingly Shallow Autoencoders): the closed form for catalogues of a few thousand items."""

import numpy as np
import torch

from models.interactions import Interactions
from models.recommender.configs import Ease
from models.recommender.history import Weighting, history_weights
from models.recommender.item_to_item import ItemToItem


class NotApplicable(Exception):
    """This floor cannot be fitted on this data; the text says why."""


def weighting(config: Ease) -> Weighting:
    return Weighting(power=0.0, max_events=config.max_events)


def fit(data: Interactions, config: Ease) -> ItemToItem:
    """B = I − P · diag(1 / diag(P)) with P = (XᵀX + l2 · I)⁻¹ and X bool [U, I]; the diagonal of B is 0.

    Items without events get zero rows and columns. Raises `NotApplicable` above `max_items` items with events.
    """
    history = history_weights(data, np.arange(len(data.users)), weighting(config))
    active = np.flatnonzero(np.bincount(history.indices, minlength=len(data.items)))
    if len(active) > config.max_items:
        raise NotApplicable(f"{len(active)} items were active; the dense inverse is kept to {config.max_items}")
    users = history[:, active]
    gram = torch.from_numpy((users.T @ users).toarray().astype(np.float64))
    gram.diagonal().add_(config.l2)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0)
    matrix = np.zeros((len(data.items), len(data.items)), dtype=np.float32)
    matrix[np.ix_(active, active)] = weights.numpy()
    return ItemToItem(matrix, weighting(config))
