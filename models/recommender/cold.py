"""New items for people with a past: what is said and shown of an item stands in for what people have not done yet.

A new item joins the graph of users and items (`models.multimodal.graph`) by the older items that are like it: by its
words, its picture, its sound, or what is fused of them. Each such space speaks in three ways (words, a sparse space, in
the first only), and a space that does not know an item is silent about it. What each way counts is learned on items
that were new earlier (`cold_blend`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models.interactions import MICROSECONDS_PER_DAY, Interactions
from models.multimodal.graph import Graph, GraphConfig
from models.multimodal.graph import fit as fit_graph
from models.recommender.history import Weighting, history_weights
from models.recommender.popular import popularity
from models.recommender.ranking import top_k

NEIGHBOURS = 100
"""Older items that a new one is joined to: 20 were fewer than enough on UCI, all were no better."""
RIDGE = 5.0
"""Of the map from what is said to what is done, in items: between 1 and 20 it made no difference."""
RECENT_DAYS = 28
CELLS = 8_000_000
"""Cosines held at a time."""
LEAST = 1e-4
CROWD, WORDS = "crowd", "words"
WAYS = ("near", "graph", "map")


@dataclass(frozen=True)
class Modality:
    """Vectors of the I items of the data, one space; rows have length 1, or are zeros where nothing is known."""

    name: str
    vectors: np.ndarray | sparse.csr_array  # float32 [I, d]

    @classmethod
    def of(cls, name: str, wanted: pa.Array, items: pa.Array, vectors: np.ndarray) -> "Modality":
        """The rows of `wanted` (string [I]) among `items` (string [n]) with `vectors` float32 [n, d]."""
        place = pc.fill_null(pc.index_in(wanted, value_set=items), len(vectors)).to_numpy()
        return cls(name, np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])[place])

    @property
    def known(self) -> np.ndarray:
        """bool [I]."""
        if isinstance(self.vectors, np.ndarray):
            return np.asarray(self.vectors.any(axis=1))
        return np.asarray(np.diff(self.vectors.indptr) > 0)


@dataclass(frozen=True)
class Likeness:
    """Of one space: which older items the C new ones are like, and where that puts them in the graph."""

    name: str
    known: np.ndarray  # bool [C]
    attention: sparse.csr_array  # float32 [C, I], rows sum to 1
    placed: tuple[np.ndarray, np.ndarray] | None
    """float32 [C, d] each: the mean of what they are like, two steps along the edges, and the same by a linear map from
    this space. None for sparse spaces: where there is a dense one besides, they added nothing."""


@dataclass(frozen=True)
class ColdItems:
    """C new items as they look at the end of `data.as_of`."""

    items: np.ndarray  # int64 [C], index into data.items
    graph: Graph
    likeness: tuple[Likeness, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The F signals."""
        found = []
        for one in self.likeness:
            found += [f"{one.name}_{way}" for way in (WAYS[:1] if one.placed is None else WAYS)]
        return (*found, CROWD)

    def signals(self, data: Interactions, users: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
        """float32 [B, C, F]: each brought to mean 0 and deviation 1 over the items that it knows, 0 for the others.

        near: log of what the user's past gives to the items a new one is like. graph: how strongly the graph joins the
        user with those. map: the same with the vector that the item's own description is mapped to. crowd: log of 1 +
        the people who had the item lately; `crowd` float [B, C] or [C], nobody where it is None.
        """
        vectors = self.graph.users(data, users)
        had = history_weights(data, users, _weighting(self.graph.config))
        had = sparse.csr_array(sparse.diags_array(1 / np.maximum(np.asarray(had.sum(axis=1)).ravel(), 1e-30)) @ had)
        shape = (len(users), len(self.items))
        found = []
        for one in self.likeness:
            values = [np.log((had @ sparse.csr_array(one.attention.T)).toarray() + LEAST)]
            values += [] if one.placed is None else [vectors @ place.T for place in one.placed]
            found += [_scaled(value, one.known) for value in values]
        people = np.zeros(shape) if crowd is None else np.broadcast_to(np.log1p(crowd), shape)
        return np.stack([*found, _scaled(people, np.ones(shape[1], bool))], axis=2)


def cold_items(
    data: Interactions, modalities: Sequence[Modality], items: np.ndarray, graph: Graph | None = None
) -> ColdItems:
    """Join `items` (int [C]) to the older ones, those with an event in `data` that are not among them.

    `data.content`, where it is there, is a space of its own. `graph` must be that of `data`; None fits it.
    """
    graph = graph or fit_graph(data, GraphConfig())
    older = np.bincount(data.item, minlength=len(data.items)) > 0
    older[items] = False
    spaces = list(modalities) + ([] if data.content is None else [Modality(WORDS, data.content)])
    return ColdItems(items, graph, tuple(_likeness(space, items, older, graph) for space in spaces))


def recent_people(data: Interactions, items: np.ndarray, days: int = 7) -> np.ndarray:
    """float32 [C]: people who had each of `items` in the last days, a buyer counting 1."""
    return popularity(data, days)[0][items]


def sales_alike(data: Interactions, found: ColdItems, name: str) -> np.ndarray:
    """float64 [C]: events a day, in the last 28 days, of what each new item is like in the space of this name."""
    recent = data.time >= data.end - RECENT_DAYS * MICROSECONDS_PER_DAY
    sold = np.bincount(data.item[recent], minlength=len(data.items)) / RECENT_DAYS
    return np.asarray(next(one for one in found.likeness if one.name == name).attention @ sold)


def _weighting(config: GraphConfig) -> Weighting:
    return Weighting(half_life_days=config.half_life_days, power=config.power, max_events=config.max_events)


def _likeness(space: Modality, items: np.ndarray, older: np.ndarray, graph: Graph) -> Likeness:
    """Two steps from an item along the edges multiply a direction by its value squared."""
    known = space.known
    attention = _attention(space.vectors, items, older & known)
    placed = None
    if isinstance(space.vectors, np.ndarray):
        target = graph.directions * graph.values**2
        learned = np.flatnonzero(older & known & (graph.degree > 0))
        placed = attention @ target, _mapped(space.vectors, learned, items, target)
    return Likeness(space.name, known[items] & (np.diff(attention.indptr) > 0), attention, placed)


def _attention(vectors: np.ndarray | sparse.csr_array, items: np.ndarray, older: np.ndarray) -> sparse.csr_array:
    """float32 [C, I]: softmax of cosine / deviation over the nearest older items; the rows of unknown items are empty.

    The deviation is that of all cosines looked at: how far apart vectors lie differs from space to space.
    """
    others = np.flatnonzero(older)
    shape = (len(items), len(older))
    if not len(others) or not len(items):
        return sparse.csr_array(shape, dtype=np.float32)
    step = max(1, CELLS // len(others))
    moments, rows, said = np.zeros(3), [], []
    for start in range(0, len(items), step):
        block = _cosines(vectors, items[start : start + step], others)
        moments += block.size, block.sum(dtype=np.float64), np.square(block, dtype=np.float64).sum()
        said.append(block.any(axis=1))
        rows.append(top_k(block, min(NEIGHBOURS, len(others))))
    known, deviation = np.concatenate(said), np.sqrt(max(0.0, moments[2] / moments[0] - (moments[1] / moments[0]) ** 2))
    place, value = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    weight = np.exp((value - value[:, :1]) / max(deviation, 1e-6)) * known[:, None]
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-30)
    row = np.repeat(np.arange(len(items)), place.shape[1])
    matrix = sparse.csr_array((weight.ravel().astype(np.float32), (row, others[place.ravel()])), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def _cosines(vectors: np.ndarray | sparse.csr_array, items: np.ndarray, others: np.ndarray) -> np.ndarray:
    product = vectors[items] @ vectors[others].T
    return np.asarray(product.toarray() if sparse.issparse(product) else product, dtype=np.float32)


def _mapped(vectors: np.ndarray, learned: np.ndarray, items: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Ridge regression from the space to the graph, learned on the older items: aligned with what people do."""
    if not len(learned):
        return np.zeros((len(items), target.shape[1]), np.float32)
    mean, goal = vectors[learned].mean(axis=0), target[learned].mean(axis=0)
    design = (vectors[learned] - mean).astype(np.float64)
    square = design.T @ design + RIDGE * np.eye(design.shape[1])
    weights = np.linalg.solve(square, design.T @ (target[learned] - goal))
    return np.asarray((vectors[items] - mean) @ weights + goal, dtype=np.float32)


def _scaled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[B, C] with mean 0 and deviation 1 of each row over the known columns, 0 in the others."""
    result = np.zeros(values.shape, np.float32)
    if known.any():
        inside = values[:, known]
        deviation = inside.std(axis=1, keepdims=True)
        result[:, known] = (inside - inside.mean(axis=1, keepdims=True)) / np.where(deviation > 1e-9, deviation, np.inf)
    return result
