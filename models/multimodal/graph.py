"""Users, items, categories and queries as one graph; its smoothest directions are the vectors of all of them.

Items stand on one side; whoever points at items stands on the other: users by what they had, categories by what lies
in them, queries by what was taken after them. LightGCN (He et al. 2020) sends vectors along such edges, divided by the
root of both degrees, and averages the layers; layer after layer that keeps the leading singular vectors of the
normalised matrix and damps the rest. Here those are computed at once (as in GF-CF, Shen et al. 2021): no epochs, no
negatives, and somebody who came today has a vector after one product.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.interactions import Interactions
from models.recommender.history import Weighting, history_weights
from models.sample import drawn

OVERSAMPLED, ITERATIONS = 16, 8
"""Extra directions, and products with the matrix: the leading vectors are then exact to about four digits."""
SEED = 20_180_101
BLOCK = 20_000
"""Users whose history is laid out at a time."""


@dataclass(frozen=True)
class GraphConfig:
    """What an edge counts, how many directions are kept, and of how many users they are learned at most."""

    width: int = 256
    half_life_days: float = 120.0
    power: float = 0.5  # between 0, a purchase more counts nothing, and 1
    max_events: int = 500  # newest events of a user that are read
    category_weight: float = 0.5  # of an item's degree among users, given to its categories together
    query_weight: float = 0.5
    learners: int = 200_000


@dataclass(frozen=True)
class Links:
    """What points at the I items beside users; None where nothing is known. Weights are at least 0.

    `asked`: what each of the U users searched for; it makes them lean to what others took after the same words.
    """

    categories: sparse.csr_array | None = None  # [C, I]
    queries: sparse.csr_array | None = None  # [Q, I]
    asked: sparse.csr_array | None = None  # [U, Q]


@dataclass(frozen=True)
class Graph:
    """`user · item` says how strongly the graph joins them; users, categories and queries lie in one space.

    An item nobody had has a vector of zeros; so has a user without history.
    """

    directions: np.ndarray  # float32 [I, d], right singular vectors
    values: np.ndarray  # float32 [d], singular values, falling; the first is 1
    degree: np.ndarray  # float32 [I], what points at each item, in all
    config: GraphConfig

    @property
    def items(self) -> np.ndarray:
        """float32 [I, d]."""
        return self.directions * np.sqrt(self.degree)[:, None]

    def of_items(self, place: np.ndarray) -> "Graph":
        """The same directions for another vocabulary: `place` int [J] is where each of its items stands in this one, or
        −1. An item that the graph does not know joins nobody until it is fitted again.
        """
        known = place >= 0
        directions = np.where(known[:, None], self.directions[np.maximum(place, 0)], np.float32(0))
        degree = np.where(known, self.degree[np.maximum(place, 0)], np.float32(0))
        return Graph(directions, self.values, degree, self.config)

    def users(self, data: Interactions, users: np.ndarray, links: Links | None = None) -> np.ndarray:
        """float32 [B, d] of the users at these indices, whether or not the graph was learned from them."""
        found = [np.empty((0, len(self.values)), np.float32)]
        for start in range(0, len(users), BLOCK):
            found.append(self.pointing(_edges(data, users[start : start + BLOCK], self.config, links)))
        return np.concatenate(found)

    def pointing(self, edges: sparse.csr_array) -> np.ndarray:
        """float32 [R, d] of whatever points at items with these weights, [R, I]: one step along the edges.

        Σ over items of weight / √(own degree · item's degree) · direction, as in a layer of LightGCN.
        """
        root = np.where(self.degree > 0, 1 / np.sqrt(np.maximum(self.degree, 1e-30)), 0).astype(np.float32)
        return np.asarray(_pointing(edges) @ (self.directions * root[:, None]))

    def foreseen(self, users: np.ndarray) -> np.ndarray:
        """float32 [B, d]: vectors whose products with `items` are what the graph foresees for users with these vectors.

        That is the mean of one step along the edges (what they had) and of three (what those had who had it, too).
        """
        return np.asarray(users * (1 + self.values**2) / 2, dtype=np.float32)

    def alike(self, users: np.ndarray) -> np.ndarray:
        """float32 [B, d]: user vectors turned so that their cosine is that of what the graph foresees for two users.

        Of the rows of items by users only the d × d product of the items with themselves is needed: its symmetric root,
        the one that changes little where the items change little, so that nights can be compared.
        """
        items = self.items.astype(np.float64)
        squares, turn = np.linalg.eigh(items.T @ items)
        root = (turn * np.sqrt(np.maximum(squares, 0))) @ turn.T
        return np.asarray(self.foreseen(users) @ root, dtype=np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"directions": self.directions, "values": self.values, "degree": self.degree}


def restore(config: GraphConfig, arrays: dict[str, np.ndarray]) -> Graph:
    """The inverse of `Graph.arrays`."""
    return Graph(arrays["directions"], arrays["values"], arrays["degree"], config)


def fit(data: Interactions, config: GraphConfig, links: Links | None = None) -> Graph:
    """Learn the directions from at most `config.learners` users, drawn; `data` as known at its `as_of`."""
    users = drawn(np.arange(len(data.users)), config.learners)
    parts = [_edges(data, users[start : start + BLOCK], config, links) for start in range(0, len(users), BLOCK)]
    edges = [*parts, *_others(parts, config, links)]
    matrix = sparse.csr_array(sparse.vstack(edges, format="csr")) if edges else None
    if matrix is None or not matrix.nnz:
        nothing = np.zeros((len(data.items), config.width), np.float32)
        return Graph(nothing, np.zeros(config.width, np.float32), np.zeros(len(data.items), np.float32), config)
    degree = np.bincount(matrix.indices, matrix.data.astype(np.float64), matrix.shape[1])
    matrix = _pointing(matrix)
    root = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-30)), 0)
    matrix.data = (matrix.data * root[matrix.indices]).astype(np.float32)
    values, directions = leading(matrix, config.width)
    return Graph(directions, values, degree.astype(np.float32), config)


def leading(matrix: sparse.csr_array, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values, float32 [d], and right singular vectors, float32 [I, d], of a matrix [R, I].

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011) on the side of the columns: the rows may come in
    any order. The largest entry of each vector is positive; directions beyond the rank are zeros.
    """
    columns = matrix.shape[1]
    size = min(width + OVERSAMPLED, columns)
    turned = sparse.csr_array(matrix.T)
    found = np.random.default_rng(SEED).standard_normal((columns, size))
    for _ in range(ITERATIONS):
        found, _ = np.linalg.qr(turned @ (matrix @ found))
    small = matrix @ found
    squares, turn = np.linalg.eigh(small.T @ small)
    order = np.argsort(-squares, kind="stable")[:width]
    values = np.sqrt(np.maximum(squares[order], 0))
    values[values < 1e-6 * values.max(initial=0)] = 0
    vectors = (found @ turn[:, order]) * (values > 0)
    peak = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    vectors = vectors * np.where(peak < 0, -1, 1)
    missing = width - len(values)
    return (
        np.pad(values, (0, missing)).astype(np.float32),
        np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, missing))), dtype=np.float32),
    )


def _edges(data: Interactions, users: np.ndarray, config: GraphConfig, links: Links | None) -> sparse.csr_array:
    """float32 [B, I]: what these users had, and a share of what was taken after the words they searched for."""
    had = history_weights(data, users, Weighting(1.0, config.half_life_days, config.power, config.max_events))
    if links is None or links.asked is None or links.queries is None:
        return had
    asked, taken = _shares(links.asked[users]), _shares(links.queries)
    own = np.asarray(had.sum(axis=1)).ravel()
    weight = np.where(own > 0, own, 1) * config.query_weight
    leaning = sparse.csr_array(sparse.diags_array(weight.astype(np.float32)) @ (asked @ taken))
    return sparse.csr_array(had + leaning)


def _others(parts: list[sparse.csr_array], config: GraphConfig, links: Links | None) -> list[sparse.csr_array]:
    """Categories and queries as rows, brought to the weight that the config gives them beside the users."""
    total = sum(float(part.sum()) for part in parts)
    given = [] if links is None else [(links.categories, config.category_weight), (links.queries, config.query_weight)]
    return [
        sparse.csr_array(rows * np.float32(weight * total / rows.sum()))
        for rows, weight in given
        if rows is not None and rows.sum() > 0 and weight > 0
    ]


def _pointing(edges: sparse.csr_array) -> sparse.csr_array:
    """Every row divided by the root of its sum."""
    degree = np.asarray(edges.sum(axis=1)).ravel()
    root = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-30)), 0)
    scale = np.repeat(root, np.diff(edges.indptr))
    return sparse.csr_array(((edges.data * scale).astype(np.float32), edges.indices, edges.indptr), shape=edges.shape)


def _shares(rows: sparse.csr_array) -> sparse.csr_array:
    """Every row divided by its sum."""
    total = np.maximum(np.asarray(rows.sum(axis=1)).ravel(), 1e-30)
    scale = np.repeat(1 / total, np.diff(rows.indptr))
    return sparse.csr_array(((rows.data * scale).astype(np.float32), rows.indices, rows.indptr), shape=rows.shape)
