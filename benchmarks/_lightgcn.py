"""LightGCN as published (He et al. 2020), learned by BPR, to hold the closed form of `models.multimodal.graph` against.

Three layers on the normalised user–item graph, their mean with the layer before them, Adam, one drawn negative per
edge; propagation over the whole graph in every step.
"""

from typing import Any

import numpy as np
import torch
from scipy import sparse

LAYERS, WIDTH, BATCH, RATE, DECAY = 3, 64, 4096, 5e-3, 1e-4
SEED = 20_180_101


def learn(edges: sparse.csr_array, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """User vectors float32 [U, 64] and item vectors [I, 64]; `edges` [U, I], what counts is whether there is one."""
    torch.manual_seed(SEED)
    draw = np.random.default_rng(SEED)
    users, items = edges.shape
    row = np.repeat(np.arange(users), np.diff(edges.indptr))
    column = edges.indices.astype(np.int64)
    graph = _normalised(row, column, users, items)
    table = torch.nn.Parameter(0.1 * torch.randn(users + items, WIDTH))
    steps = torch.optim.Adam([table], lr=RATE)
    for _ in range(epochs):
        order = draw.permutation(len(row))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            user, good = torch.from_numpy(row[chosen]), torch.from_numpy(column[chosen]) + users
            bad = torch.from_numpy(draw.integers(0, items, len(chosen))) + users
            found = _propagated(graph, table)
            gap = (found[user] * (found[good] - found[bad])).sum(dim=1)
            own = table[user].square().sum() + table[good].square().sum() + table[bad].square().sum()
            loss = torch.nn.functional.softplus(-gap).mean() + DECAY * own / (2 * len(chosen))
            steps.zero_grad()
            loss.backward()
            steps.step()
    with torch.no_grad():
        vectors = _propagated(graph, table).numpy()
    return vectors[:users], vectors[users:]


class _Step(torch.autograd.Function):
    """graph @ table; the graph is symmetric, so gradients take the same way back."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, graph: sparse.csr_array) -> torch.Tensor:
        ctx.graph = graph
        return torch.from_numpy(graph @ table.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(ctx.graph @ slope[0].numpy()), None


def _propagated(graph: sparse.csr_array, table: torch.Tensor) -> torch.Tensor:
    layer = total = table
    for _ in range(LAYERS):
        layer = _Step.apply(layer, graph)
        total = total + layer
    return total / (LAYERS + 1)


def _normalised(row: np.ndarray, column: np.ndarray, users: int, items: int) -> sparse.csr_array:
    ends = np.concatenate([row, column + users]), np.concatenate([column + users, row])
    degree = np.bincount(ends[0], minlength=users + items)
    weight = 1 / np.sqrt(degree[ends[0]] * degree[ends[1]])
    return sparse.csr_array((weight.astype(np.float32), ends), shape=(users + items, users + items))
