"""The losses: by hand, against a plain softmax with its gradients, and the sampled one against the whole."""

from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender.softmax import Pairs, pairs, sampled_loss, softmax_loss

CPU = torch.device("cpu")


def plain_loss(logits: torch.Tensor, wanted: Pairs) -> torch.Tensor:
    """Mean over states of lse(z) − sum of weight · z_item, with torch's own gradients."""
    aimed = (wanted.value * logits[wanted.state, wanted.item]).sum()
    return (torch.logsumexp(logits, 1).sum() - aimed) / len(logits)


def wanted_of(rows: list[tuple[int, int, float]], states: int) -> Pairs:
    state, item, weight = (np.array(column) for column in zip(*rows, strict=True))
    return pairs(state, item, weight.astype(np.float32), states, CPU)


NOTHING = pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 1), np.float32), 2, CPU)


def test_the_loss_of_two_states_by_hand() -> None:
    table, bias = torch.eye(2), torch.zeros(2)
    states = torch.tensor([[0.0, 0.0], [np.log(3.0), 0.0]])
    wanted = wanted_of([(0, 1, 1.0), (1, 0, 0.5), (1, 1, 0.5)], 2)
    # log 2, and −(½ log ¾ + ½ log ¼) = log 4 − ½ log 3
    found = softmax_loss(states, table, bias, NOTHING, torch.zeros(1), wanted)
    assert found.item() == pytest.approx((np.log(2) + np.log(4) - np.log(3) / 2) / 2)


def test_what_a_person_had_before_lifts_its_item() -> None:
    states, table, bias = torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(4)
    past = pairs(np.array([1]), np.array([2]), np.array([[np.log(5.0)]], np.float32), 2, CPU)
    wanted = wanted_of([(0, 2, 1.0), (1, 2, 1.0)], 2)
    found = softmax_loss(states, table, bias, past, torch.ones(1), wanted)
    assert found.item() == pytest.approx((np.log(4) + np.log(8 / 5)) / 2)  # 1 of 4, and 5 of 8


class Drawn(NamedTuple):
    states: torch.Tensor
    table: torch.Tensor
    bias: torch.Tensor
    past_weight: torch.Tensor
    past: Pairs
    wanted: Pairs


def drawn(seed: int) -> Drawn:
    draw = np.random.default_rng(seed)
    states, items, width = int(draw.integers(1, 9)), int(draw.integers(2, 12)), int(draw.integers(1, 6))
    cells = np.sort(draw.permutation(states * items)[: draw.integers(0, states * items)])
    past = pairs(cells // items, cells % items, draw.random((len(cells), 2)).astype(np.float32), states, CPU)
    state = np.repeat(np.arange(states), draw.integers(1, 4, states))
    weight = draw.random(len(state)) + 0.1
    weight /= np.bincount(state, weight)[state]
    wanted = pairs(state, draw.integers(0, items, len(state)), weight.astype(np.float32), states, CPU)
    torch.manual_seed(seed)
    shapes = ((states, width), (items, width), (items,), (2,))
    return Drawn(*(torch.randn(shape, requires_grad=True) for shape in shapes), past, wanted)


def by_plain(given: Drawn) -> torch.Tensor:
    z = given.states @ given.table.T + given.bias
    at = given.past.state * z.shape[1] + given.past.item
    z = z.flatten().index_add(0, at, given.past.value @ given.past_weight).view_as(z)
    return plain_loss(z, given.wanted)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 100_000), st.sampled_from([1, 20, 10_000]))
def test_loss_and_gradients_are_those_of_a_plain_softmax_however_it_is_cut(seed: int, tile_cells: int) -> None:
    given_, inputs = drawn(seed), drawn(seed)[:4]
    expected = by_plain(given_)
    expected.backward()
    with patch("models.recommender.softmax.TILE_CELLS", tile_cells):
        states, table, bias, past_weight = inputs
        found = softmax_loss(states, table, bias, given_.past, past_weight, given_.wanted)
        found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    for mine, theirs in zip(inputs, given_[:4], strict=True):
        assert torch.allclose(mine.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_in_half_precision_it_stays_close_and_sums_stay_whole() -> None:
    torch.manual_seed(0)
    states, table, bias = torch.randn(300, 32), torch.randn(200, 32) / 6, torch.randn(200)
    state = np.arange(300)
    wanted = pairs(state, state % 200, np.ones(300, np.float32), 300, CPU)
    past = pairs(state, state % 7, np.ones((300, 1), np.float32), 300, CPU)
    results = []
    for low in (torch.float32, torch.bfloat16):
        inputs = [tensor.clone().requires_grad_() for tensor in (states, table, bias, torch.ones(1))]
        loss = softmax_loss(inputs[0], inputs[1], inputs[2], past, inputs[3], wanted, low)
        loss.backward()
        results.append((loss.item(), [tensor.grad for tensor in inputs]))
    (whole, exact), (half, rough) = results
    assert half == pytest.approx(whole, rel=5e-3)
    for one, other in zip(exact, rough, strict=True):
        assert torch.linalg.norm(one - other) < 0.02 * torch.linalg.norm(one)
        assert other.dtype == torch.float32


def test_with_every_item_as_a_candidate_the_sampled_loss_is_the_full_one() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    wanted = wanted_of([(0, 6, 1.0), (1, 0, 0.5), (1, 3, 0.5), (2, 3, 1.0), (3, 2, 1.0), (4, 1, 1.0)], 5)
    state, item, weight, _ = wanted
    found = sampled_loss(logits, logits[state, item], state, item, weight)
    assert found.item() == pytest.approx(plain_loss(logits, wanted).item(), rel=1e-5)


def test_the_sampled_loss_estimates_the_full_one() -> None:
    generator = np.random.default_rng(0)
    logits = torch.randn(4, 500, generator=torch.Generator().manual_seed(2))
    wanted = wanted_of([(0, 5, 1.0), (1, 50, 1.0), (2, 250, 1.0), (3, 499, 1.0)], 4)
    state, item, weight, _ = wanted
    full = plain_loss(logits, wanted).item()
    estimates = []
    for _ in range(200):
        chosen, times = np.unique(generator.integers(0, 500, 100), return_counts=True)
        expected = torch.from_numpy(np.log(100 / 500 / times).astype(np.float32))
        place = torch.tensor([int(np.flatnonzero(chosen == i)[0]) if i in chosen else -1 for i in item.tolist()])
        shown = logits[:, chosen] - expected
        estimates.append(sampled_loss(shown, logits[state, item], state, place, weight).item())
    assert np.mean(estimates) == pytest.approx(full, rel=0.02)
