"""What goes with each item."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.contracts import SCORES_SIMILAR
from pipelines.reasons import BOUGHT_WITH, NEW, SIMILAR
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, rows_of
from pipelines.scoring.ruled import with_rules
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.item_to_item import ItemToItem
    from models.recommender.ranking import Recommender
    from pipelines.rules.tonight import Tonight


def similar(
    settings: Settings, known: Night, model: "Recommender", stamp: Stamp, rules: "Tonight | None" = None
) -> pa.Table:
    """What goes with each item sold in the window, by the item matrices of the model that scores, the heaviest first.

    Each matrix speaks for the items of which those before it know nothing: some count only what enough people had.

    Newcomers stand beside what they are like, in at most `new_item_places` places of a list. What the own list of a
    newcomer lacks is filled with what it is like, by cosine; where there is a champion of `multimodal`, by its vectors,
    and the lists of all that too few people had.
    """
    from models.recommender.item_to_item import similar_in_turn
    from models.recommender.newcomers import beside, filled

    touched = None
    matrices = item_matrices(model) or [_default_matrix(known)]
    bought = known.data.purchase_counts() > 0
    bought[known.newcomers.items] = True
    owners = np.flatnonzero(bought)
    if rules is None:
        items, scores = similar_in_turn(matrices, owners, settings.top_k, known.available)
        items, scores, new = beside(items, scores, known.newcomers, owners, known.available, settings.new_item_places)
        items, scores, alike = filled(items, scores, known.alike, owners, known.available)
    else:
        ruled = rules.similar(matrices, owners, settings.top_k)
        items, scores, new, alike, touched = ruled.items, ruled.scores, ruled.new, ruled.alike, ruled.touched
    row, place = np.nonzero(items >= 0)
    source = owners[row]
    code = np.where(new[row, place], NEW, np.where(alike[row, place], SIMILAR, BOUGHT_WITH))
    owner = known.data.items.take(pa.array(source))
    found, strength = items[row, place], scores[row, place]
    table = rows_of(known, SCORES_SIMILAR, stamp, owner, place + 1, found, strength, code, source)
    return table if rules is None or touched is None else with_rules(table, touched[row, place], rules.rules)


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
