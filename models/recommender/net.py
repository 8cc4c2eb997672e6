"""The network: from the moments of a history to a state after each, scored against the item embeddings.

In the line of SASRec (Kang and McAuley 2018: causal self-attention, output tied to the item embeddings) with pre-norm
blocks (Xiong et al. 2020) whose branches are gated (LiGR, Borisyuk et al. 2024) and whose feed-forward is a SwiGLU
(Shazeer 2020), as in eSASRec. In place of positions: a learned bias for each distance in moments (as T5, Raffel et al.
2020) and one that grows with the log of the days between (as ALiBi, Press et al. 2022).
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import nn
from torch.nn import functional as F

from models.interactions import EVENTS
from models.recommender.configs import Transformer
from models.recommender.history import ragged
from models.recommender.sequences import Moments, Packed

HALF_LIVES = (7.0, 30.0, 120.0, 1e9)
"""Days after which a past event counts half, in the features of what a person had before."""
DISTANCES = 64
"""Distances in moments that have a bias of their own; farther ones share the last."""
START = 0.3
"""Scale of the embeddings at the start, in 1 / √width: small, so that at first everybody gets what is popular."""


class Grid(NamedTuple):
    """A packed batch as tensors: R rows of L moments, and the bag of events of each of the C cells that hold one."""

    item: torch.Tensor  # int64 [E], events of the cells end to end
    event: torch.Tensor  # int64 [E]
    bag: torch.Tensor  # int64 [C], where the events of each cell begin
    cell: torch.Tensor  # int64 [C], row · L + column
    day: torch.Tensor  # float32 [R, L]
    segment: torch.Tensor  # int32 [R, L]


class Block(nn.Module):
    """x + gate(x) · attention(norm(x)), then x + gate(x) · feed-forward(norm(x)); dropout on both branches."""

    def __init__(self, config: Transformer) -> None:
        super().__init__()
        width, self.heads, self.dropout = config.width, config.heads, config.dropout
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.attention_gate = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed_in = nn.Linear(width, 8 * width)
        self.feed_out = nn.Linear(4 * width, width)
        self.feed_gate = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(config.heads, DISTANCES))
        self.slope = nn.Parameter(torch.linspace(0.0, -1.0, config.heads))  # the first head starts timeless

    def forward(self, x: torch.Tensor, gap: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """x [R, L, d]; gap float [R, 1, L, L], log2(1 + days from key to query); hidden bool [R, 1, L, L]."""
        rows, length, width = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        place = torch.arange(length, device=x.device)
        apart = (place[:, None] - place).clamp(0, DISTANCES - 1)
        bias = self.slope[:, None, None] * gap + self.distance[:, apart]  # [R, H, L, L]
        bias = bias.to(q.dtype).masked_fill(hidden, float("-inf"))
        mixed = F.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).reshape(rows, length, width)
        x = x + torch.sigmoid(self.attention_gate(x)) * self._dropped(self.out(mixed))
        value, gate = self.feed_in(self.before_feed(x)).chunk(2, -1)
        fed = self.feed_out(self._dropped(F.silu(gate) * value))
        return x + torch.sigmoid(self.feed_gate(x)) * self._dropped(fed)

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)


class Net(nn.Module):
    """States of moments; the scores of a state are its products with the item embeddings, plus a bias per item."""

    def __init__(self, config: Transformer, items: int) -> None:
        super().__init__()
        self.dropout = config.input_dropout
        self.item = nn.Embedding(items, config.width)
        self.event = nn.Embedding(len(EVENTS), config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.item_bias = nn.Parameter(torch.zeros(items))
        self.personal = nn.Parameter(torch.zeros(len(HALF_LIVES)))
        for table in (self.item, self.event):
            nn.init.normal_(table.weight, std=START * config.width**-0.5)

    def start_from(self, popularity: np.ndarray, transitions: sparse.csr_array, seed: int) -> None:
        """Begin where counting ends, so that the network need not learn first what can be counted.

        The bias becomes log(1 + events of each item), `popularity` [V]; the embeddings U√S + V√S of the truncated
        singular value decomposition U S Vᵀ of `transitions` [V, V], which item follows which (see `transition`).
        """
        with torch.no_grad():
            self.item_bias.copy_(torch.from_numpy(np.log1p(popularity).astype(np.float32)))
        width = min(self.item.embedding_dim, min(transitions.shape) - 1)
        if width < 1 or not transitions.nnz:
            return
        first = np.random.default_rng(seed).standard_normal(transitions.shape[0])
        left, strength, right = svds(transitions.astype(np.float64), width, v0=first)
        found = (left + right.T) * np.sqrt(strength)
        scaled = found / max(found.std(), 1e-12) * START * self.item.embedding_dim**-0.5
        with torch.no_grad():
            self.item.weight[:, :width].copy_(torch.from_numpy(scaled.astype(np.float32)))

    def logits(self, states: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """float32 [S, M] of the chosen items, without what the person had before."""
        return (states @ F.embedding(chosen, self.item.weight).T).float() + self.item_bias[chosen]

    def add_past(
        self, logits: torch.Tensor, state: torch.Tensor, place: torch.Tensor, feature: torch.Tensor
    ) -> torch.Tensor:
        """`logits` with the features [Q, H] of past items added, weighted, at (state, place); each pair occurs once."""
        at = state * logits.shape[1] + place
        return logits.flatten().index_add(0, at, (feature @ self.personal).to(logits.dtype)).view_as(logits)

    def forward(self, grid: Grid) -> torch.Tensor:
        """[R, L, d]. A moment sees its own window up to and with itself; a token is its items' sum / √count."""
        rows, length = grid.segment.shape
        taken = F.embedding_bag(grid.item, self.item.weight, grid.bag, mode="sum")
        taken = taken + F.embedding_bag(grid.event, self.event.weight, grid.bag, mode="sum")
        count = torch.diff(grid.bag, append=grid.bag.new_tensor([len(grid.item)]))
        taken = taken * count.rsqrt()[:, None]
        x = taken.new_zeros(rows * length, taken.shape[1]).index_copy(0, grid.cell, taken).view(rows, length, -1)
        x = F.dropout(x, self.dropout, self.training)
        gap = torch.log2(1 + (grid.day[:, None, :, None] - grid.day[:, None, None, :]).clamp(min=0))
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        hidden = (grid.segment[:, None, :, None] != grid.segment[:, None, None, :]) | later
        for block in self.blocks:
            x = block(x, gap, hidden)
        return self.norm(x)


def grid_of(found: Moments, packed: Packed, device: torch.device) -> Grid:
    """The input of `Net` for these rows."""
    cell = np.flatnonzero(packed.moment.ravel() >= 0)
    moment = packed.moment.ravel()[cell]
    _, position = ragged(found.first[moment], found.first[moment + 1])
    size = found.first[moment + 1] - found.first[moment]
    day = np.zeros(packed.moment.shape, np.float32)
    day.ravel()[cell] = found.day[moment]
    arrays = (found.item[position], found.event[position], np.cumsum(size) - size, cell, day, packed.segment)
    return Grid(*(torch.from_numpy(array).to(device) for array in arrays))
