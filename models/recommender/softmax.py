"""Cross-entropy over a whole catalogue, tile by tile, and over drawn items where the catalogue is too large for that.

A plain softmax over V items writes S × V logits, their exponentials and their gradients to memory, which costs more
than the products do. Here the gradient of a tile is made right after its logits (as in cut cross-entropy, Wijmans et
al. 2024), in the precision of the products: nothing of size S × V is ever held.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

TILE_CELLS = 6_000_000
"""Logits of one tile. Of the sizes tried on CPUs with 12,101 items (128 to 2,048 rows) 512 rows were fastest."""
LEAST = 1e-30
"""A probability that rounds to zero counts as this in the reported loss; the gradient needs no such care."""


class Pairs(NamedTuple):
    """P entries of an S × V matrix, by state: those of state s are `bound[s]:bound[s + 1]`."""

    state: torch.Tensor  # int64 [P]
    item: torch.Tensor  # int64 [P], column
    value: torch.Tensor  # float32 [P] or [P, H]
    bound: np.ndarray  # int64 [S + 1]


def pairs(state: np.ndarray, item: np.ndarray, value: np.ndarray, states: int, device: torch.device) -> Pairs:
    """`state` [P] must be ascending."""
    bound = np.searchsorted(state, np.arange(states + 1))
    at, column, worth = (torch.from_numpy(array).to(device) for array in (state, item, value))
    return Pairs(at, column, worth, bound)


def softmax_loss(
    states: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor,
    past: Pairs,
    past_weight: torch.Tensor,
    wanted: Pairs,
    low: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Mean over S states of lse(z) − sum of weight · z_item: cross-entropy with soft targets.

    z = states [S, d] · tableᵀ [d, V] + bias [V], plus `past` values [P, H] · past_weight [H] at their places, each of
    which occurs once. The weights in `wanted` sum to 1 over each state. Products are taken in `low`; sums over states
    and the gradients of what is learned are float32.
    """
    with torch.autocast(states.device.type, enabled=False):  # what is float32 here has a reason to be
        return _Fused.apply(states, table, bias, past_weight, past, wanted, low)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        table: torch.Tensor,
        bias: torch.Tensor,
        past_weight: torch.Tensor,
        past: Pairs,
        wanted: Pairs,
        low: torch.dtype,
    ) -> torch.Tensor:
        count, size = len(states), len(table)
        lowered, columns, shift = states.to(low), table.to(low), bias.to(low)
        added = (past.value @ past_weight).to(low)
        by_state = torch.empty_like(lowered)
        by_item, by_bias = torch.zeros_like(table), torch.zeros_like(bias)
        by_past, loss = torch.zeros_like(past_weight), states.new_zeros(())
        step = max(1, TILE_CELLS // size)
        for start in range(0, count, step):
            tile = lowered[start : start + step]
            z = torch.addmm(shift, tile, columns.T)
            before = slice(past.bound[start], past.bound[min(start + step, count)])
            at = (past.state[before] - start) * size + past.item[before]
            z.view(-1)[at] += added[before]
            p = torch.softmax(z, 1)
            flat = p.view(-1)
            goal = slice(wanted.bound[start], wanted.bound[min(start + step, count)])
            aim = (wanted.state[goal] - start) * size + wanted.item[goal]
            weight = wanted.value[goal]
            loss -= (weight * flat[aim].float().clamp(min=LEAST).log()).sum()
            flat.index_put_((aim,), -weight.to(low), accumulate=True)  # now the gradient by z; a target may occur twice
            torch.mm(p, columns, out=by_state[start : start + step])
            by_item += torch.mm(p.T, tile)
            by_bias += p.sum(0)
            by_past += flat[at].float() @ past.value[before]
        ctx.save_for_backward(by_state.float() / count, by_item / count, by_bias / count, by_past / count)
        return loss / count

    @staticmethod
    def backward(ctx: Any, *grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*(grad[0] * part for part in ctx.saved_tensors), None, None, None)


def sampled_loss(
    logits: torch.Tensor,
    own: torch.Tensor,
    state: torch.Tensor,
    place: torch.Tensor,
    weight: torch.Tensor,
) -> torch.Tensor:
    """The same loss with the normaliser estimated from items that the batch shares (logQ, Bengio and Senécal 2003).

    `logits` [S, M]: z − log(expected draws) of the candidates; `own` [P]: z of the targets; `place` [P]: the candidate
    a target is, or −1. A target joins its own normaliser and leaves it as a candidate: with all items as candidates,
    each expected once, this is `softmax_loss`.
    """
    peak = torch.maximum(logits.detach().amax(1), logits.new_tensor(-1e4))
    total = (logits - peak[:, None]).exp().sum(1)
    hit = torch.where(place >= 0, (logits[state, place.clamp(min=0)] - peak[state]).exp(), 0.0)
    rest = (total[state] - hit).clamp(min=1e-20).log() + peak[state]
    return (weight * (torch.logaddexp(own, rest) - own)).sum() / len(logits)
