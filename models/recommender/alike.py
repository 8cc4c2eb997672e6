"""What is like what a person had, by what products say: for shops where people look around more than they come back."""

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender import occlusion
from models.recommender.configs import Alike
from models.recommender.ease import NotApplicable
from models.recommender.history import Weighting, history_weights, lookup
from models.recommender.occlusion import Sources, shares


class AlikeModel:
    """score(u, j) = sum over past items i ≠ j of w(u, i) · cosine(i, j); see `Weighting` for w, `content` for cosines.

    A user's profile is the weighted sum of the vectors of their items (Rocchio 1971): no matrix of items by items.
    """

    def __init__(self, content: sparse.csr_array, weighting: Weighting) -> None:
        self.content, self.weighting = content, weighting  # float32 [I, F]
        self.columns = sparse.csr_array(content.T)
        self.described = np.diff(content.indptr) > 0

    def scores(self, data: Interactions, users: np.ndarray) -> np.ndarray:
        history = history_weights(data, users, self.weighting)
        scores = ((history @ self.content) @ self.columns).toarray()
        row = np.repeat(np.arange(len(users)), np.diff(history.indptr))
        scores[row, history.indices] -= history.data * self.described[history.indices]
        return np.asarray(scores, dtype=np.float32)

    def evidence(self, data: Interactions, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return occlusion.evidence(self, data, users, items)

    def lost(self, data: Interactions, users: np.ndarray, items: np.ndarray, sources: Sources) -> np.ndarray:
        """w(u, i) · cosine(i, j) / score(u, j); see `occlusion.Additive`."""
        weight = lookup(history_weights(data, users, self.weighting), sources.row, sources.item)
        listed = np.maximum(items, 0)
        past, at = np.unique(sources.item, return_inverse=True)
        wanted, place = np.unique(listed, return_inverse=True)
        cosine = (self.content[past] @ sparse.csr_array(self.content[wanted].T)).toarray()
        part = cosine[at[:, None], place.reshape(listed.shape)[sources.row]] * weight[:, None]
        return shares(np.where(sources.item[:, None] == listed[sources.row], 0, part), sources)

    def arrays(self) -> dict[str, np.ndarray]:
        found = self.content
        size = np.array([found.shape[1]])
        return {"indptr": found.indptr, "indices": found.indices, "data": found.data, "features": size}


def weighting(config: Alike) -> Weighting:
    return Weighting(gamma=config.gamma, max_events=config.max_events)


def fit(data: Interactions, config: Alike) -> AlikeModel:
    """Nothing to learn: what products say is the model. Raises `NotApplicable` where they say nothing."""
    if data.content is None or not data.content.nnz:
        raise NotApplicable("nothing is said of the products: no title, category, brand, attribute or price")
    return AlikeModel(data.content, weighting(config))


def restore(config: Alike, arrays: dict[str, np.ndarray]) -> AlikeModel:
    """The inverse of `AlikeModel.arrays`."""
    shape = (len(arrays["indptr"]) - 1, int(arrays["features"][0]))
    content = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    return AlikeModel(content, weighting(config))
