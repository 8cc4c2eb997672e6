"""The order of a search result as an artefact: the trained one, or the fused ranks that need no training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.artefact import ArtefactError, load_artefact, save_artefact
from models.nlp.search import relevance
from models.nlp.search.features import NAMES
from models.nlp.search.relevance import Relevance

FORMAT = "search-1"
FUSED, TRAINED = "fused_ranks", "relevance"


@dataclass(frozen=True)
class Order:
    """`model` None: by fused ranks. `encoder`: the name of the one whose vectors were learned from."""

    model: Relevance | None
    encoder: str

    @property
    def name(self) -> str:
        return TRAINED if self.model is not None else FUSED


def save(parent: Path, order: Order) -> str:
    """The version under `parent`; an equal order has an equal one."""
    arrays = order.model.arrays() if order.model is not None else {"none": np.zeros(1)}
    meta = {"format": FORMAT, "order": order.name, "encoder": order.encoder, "columns": list(NAMES)}
    return save_artefact(parent, arrays, meta)


def load(folder: Path) -> Order:
    """The inverse. Raises ArtefactError where the folder is not what was saved, or was learned from other columns."""
    arrays, meta = load_artefact(folder)
    if meta.get("format") != FORMAT or meta["order"] not in (FUSED, TRAINED):
        raise ArtefactError(f"{folder} holds no order of search results; train again")
    if meta["order"] == FUSED:
        return Order(None, meta["encoder"])
    if meta["columns"] != list(NAMES):
        raise ArtefactError(f"{folder} was learned from other columns than there are now; train again")
    return Order(relevance.from_arrays(arrays), meta["encoder"])
