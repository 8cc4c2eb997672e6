"""Newcomers in lists by what was learned of earlier new items: who is shown which, and because of what."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.cold import ColdItems
from models.recommender.cold_blend import ColdBlend
from models.recommender.history import history_weights
from models.recommender.newcomers import EACH_ONCE

CELLS = 8_000_000
"""Signals held at a time."""


@dataclass(frozen=True)
class LearnedNewcomers:
    """What `newcomers.placed` asks of newcomers, answered by a learned blend instead of a sum of cosines."""

    cold: ColdItems
    blend: ColdBlend
    crowd: np.ndarray  # float [C], people who had each item in the last 7 days

    @property
    def items(self) -> np.ndarray:
        return self.cold.items

    def wishes(self, data: Interactions, users: np.ndarray) -> sparse.csr_array:
        """float32 [B, C], up to 1 for a user's best: exp of the blend's scores less the highest. 0 where a user's past
        holds nothing like the item, or the item itself.
        """
        if not len(self.items):
            return sparse.csr_array((len(users), 0), dtype=np.float32)
        step = max(1, CELLS // (len(self.items) * len(self.cold.names)))
        parts = [self._wishes(data, users[start : start + step]) for start in range(0, len(users), step)]
        return sparse.csr_array(sparse.vstack(parts, format="csr")) if parts else self._wishes(data, users)

    def _wishes(self, data: Interactions, users: np.ndarray) -> sparse.csr_array:
        score = self.blend.scores(self.cold.names, self.cold.signals(data, users, self.crowd))
        chance = np.exp(score - score.max(axis=1, keepdims=True))
        history = history_weights(data, users, EACH_ONCE)
        own = history[:, self.items].toarray() > 0
        like = (history @ sparse.csr_array(self._attention.T)).toarray() > 0
        return sparse.csr_array(np.where(like & ~own, np.maximum(chance, np.float32(1e-30)), 0).astype(np.float32))

    def reasons(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """int32 [P]: of user p's history the item that newcomer p is most like, over all spaces; ties by item id."""
        history = history_weights(data, users, EACH_ONCE)
        both = sparse.csr_array((history > 0).multiply(self._attention[np.searchsorted(self.items, items)]))
        both.sort_indices()
        order = np.lexsort((both.indices, -both.data, np.repeat(np.arange(len(items)), np.diff(both.indptr))))
        return both.indices[order[both.indptr[:-1]]].astype(np.int32)

    @cached_property
    def _attention(self) -> sparse.csr_array:
        """float32 [C, I]: the sum over spaces."""
        total = sparse.csr_array((len(self.items), self.cold.graph.directions.shape[0]), dtype=np.float32)
        for one in self.cold.likeness:
            total = total + one.attention
        return sparse.csr_array(total)
