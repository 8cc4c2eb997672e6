"""What goes with each item."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.contracts import SCORES_SIMILAR
from pipelines.reasons import BOUGHT_WITH
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
    """What goes with each item sold in the window, by the champion's item matrix, or the default floor's."""
    matrix = item_matrix(model) or _default_matrix(known)
    sold = np.flatnonzero(known.data.purchase_counts() > 0)
    touched = None
    if rules is None:
        items, scores = matrix.similar(sold, settings.top_k, known.available)
    else:
        ruled = rules.similar(matrix, sold, settings.top_k)
        items, scores, touched = ruled.items, ruled.scores, ruled.touched
    row, place = np.nonzero(items >= 0)
    source = sold[row]
    code = np.full(len(row), BOUGHT_WITH)
    owner = known.data.items.take(pa.array(source))
    found, strength = items[row, place], scores[row, place]
    table = rows_of(known, SCORES_SIMILAR, stamp, owner, place + 1, found, strength, code, source)
    return table if rules is None or touched is None else with_rules(table, touched[row, place], rules.rules)


def item_matrix(model: "Recommender") -> "ItemToItem | None":
    """The item-to-item matrix in a model: itself, or the part of a blend with the largest weight that is one."""
    from models.recommender.blend import BlendModel
    from models.recommender.configs import REGULAR
    from models.recommender.item_to_item import ItemToItem

    if isinstance(model, ItemToItem):
        return model
    if isinstance(model, BlendModel):
        found = {name: part for name, part in model.parts.items() if isinstance(part, ItemToItem)}
        weight = model.weights[REGULAR]
        best = max(found, key=lambda name: weight[name], default=None)
        return found[best] if best is not None and weight[best] > 0 else None
    return None


def _default_matrix(known: Night) -> "ItemToItem":
    from models.recommender import transition
    from models.recommender.configs import Transition

    return transition.fit(known.data, Transition())
