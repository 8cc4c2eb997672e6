"""What goes with each item."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.contracts import SCORES_SIMILAR
from pipelines.reasons import BOUGHT_WITH, NEW, SIMILAR
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, rows_of
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.item_to_item import ItemToItem
    from models.recommender.ranking import Recommender


def similar(settings: Settings, known: Night, model: "Recommender", stamp: Stamp) -> pa.Table:
    """What goes with each item sold in the window, by the item matrices of the model that scores, the heaviest first.

    Each matrix speaks for the items of which those before it know nothing: some count only what enough people had.

    Newcomers stand beside what they are like, in at most `new_item_places` places of a list. What a newcomer's own
    list lacks is filled with what it is like, by cosine.
    """
    from models.recommender.newcomers import beside, filled

    matrices = item_matrices(model) or [_default_matrix(known)]
    bought = known.data.purchase_counts() > 0
    bought[known.newcomers.items] = True
    owners = np.flatnonzero(bought)
    items, scores = matrices[0].similar(owners, settings.top_k, known.available)
    for matrix in matrices[1:]:
        silent = np.flatnonzero(items[:, 0] < 0)
        items[silent], scores[silent] = matrix.similar(owners[silent], settings.top_k, known.available)
    items, scores, new = beside(items, scores, known.newcomers, owners, known.available, settings.new_item_places)
    items, scores, alike = filled(items, scores, known.newcomers, owners, known.available)
    row, place = np.nonzero(items >= 0)
    source = owners[row]
    code = np.where(new[row, place], NEW, np.where(alike[row, place], SIMILAR, BOUGHT_WITH))
    owner = known.data.items.take(pa.array(source))
    found, strength = items[row, place], scores[row, place]
    return rows_of(known, SCORES_SIMILAR, stamp, owner, place + 1, found, strength, code, source)


def item_matrices(model: "Recommender") -> "list[ItemToItem]":
    """The item-to-item matrices in a model: itself, or the parts of a blend that are one, by weight, ties by name."""
    from models.recommender.blend import BlendModel
    from models.recommender.configs import REGULAR
    from models.recommender.item_to_item import ItemToItem
    from models.recommender.ranker import RankerModel

    if isinstance(model, RankerModel):
        return item_matrices(model.blend)
    if isinstance(model, ItemToItem):
        return [model]
    if isinstance(model, BlendModel):
        weight = model.weights[REGULAR]
        found = {name: part for name, part in model.parts.items() if isinstance(part, ItemToItem) and weight[name] > 0}
        return [found[name] for name in sorted(found, key=lambda name: (-weight[name], name))]
    return []


def _default_matrix(known: Night) -> "ItemToItem":
    from models.recommender import transition
    from models.recommender.configs import Transition

    return transition.fit(known.data, Transition())
