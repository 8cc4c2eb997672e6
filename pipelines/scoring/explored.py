"""The share of list places that is drawn on a night: what lists leave out can be learned of; see docs/feedback.md."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.experiments import is_explored
from pipelines.scoring.known import Night
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.feedback.exploration import Filled
    from models.recommender.explored import Explorer
    from models.recommender.ranking import Ranked
    from models.recommender.ruled import Ruled


def explorer_of(settings: Settings, known: Night) -> "Explorer | None":
    """Who draws the night's lists: the setting's share, seeded by the date; None where nothing is drawn."""
    if not settings.exploration_share:
        return None
    users = known.data.users.to_pylist()
    return _explorer(known, settings.exploration_share, users, is_explored(settings, users, known.day))


def anybodys(known: Night) -> "Explorer":
    """One that says what may be drawn on the night for anybody; the share means nothing."""
    users = known.data.users.to_pylist()
    return _explorer(known, 0.5, users, np.ones(len(users), dtype=bool))


def _explorer(known: Night, share: float, users: list[str], among: np.ndarray) -> "Explorer":
    from models.feedback.exploration import Exploration, keys_of
    from models.recommender.explored import Explorer

    return Explorer(Exploration(share), keys_of(users), among, known.day.toordinal())


def redrawn(lists: "Ranked | Ruled", filled: "Filled") -> "Ranked | Ruled":
    """The lists as they were filled. Nothing of the shopper's history speaks for what was drawn, and no score."""
    return replace(
        lists,
        items=filled.items.astype(lists.items.dtype),
        scores=np.where(filled.drawn, 0, lists.scores).astype(lists.scores.dtype),
        evidence=np.where(filled.drawn, -1, lists.evidence).astype(lists.evidence.dtype),
    )


def drawing_columns(filled: "Filled | None", listed: np.ndarray) -> dict[str, pa.Array]:
    """`propensity` and `is_explored` of the listed places, bool [B, k], row by row; certain where nothing was drawn."""
    if filled is None:
        count = int(listed.sum())
        return {"propensity": pa.array(np.ones(count)), "is_explored": pa.array(np.zeros(count, dtype=bool))}
    return {"propensity": pa.array(filled.propensity[listed]), "is_explored": pa.array(filled.drawn[listed])}
