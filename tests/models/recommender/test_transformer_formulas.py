"""The transformer piece by piece against plain loops, on tiny random shops with weights far from their start."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import Interactions, encode
from models.recommender.configs import EVENT_WEIGHTS, Transformer
from models.recommender.net import HALF_LIVES, Net, grid_of
from models.recommender.past import Past, personal
from models.recommender.sequences import Moments, Packed, codes_of, future, moments, pack, windows
from models.recommender.softmax import sampled_loss
from models.recommender.transformer import SequenceTask, TransformerModel, targets
from tests.models.shop import MONDAY, random_rows, table

CPU = torch.device("cpu")
DAY = MONDAY + timedelta(20)
TINY = Transformer(width=8, blocks=2, heads=2, length=6, min_users=1, rows=2, targets=3, horizon_days=5.0)
SEEDS = st.integers(0, 100_000)
fast = settings(deadline=None, max_examples=10)


def shop(seed: int) -> Interactions:
    return encode(table(random_rows(seed)), DAY, pa.array(["newcomer"]), pa.array(["unsold"]))


def moments_of(data: Interactions) -> Moments:
    return moments(data, np.arange(len(data.items)), np.arange(len(data.users)))


def net_of(items: int) -> Net:
    torch.manual_seed(0)
    net = Net(TINY, items).eval()
    with torch.no_grad():
        for tensor in net.parameters():
            tensor += 0.3 * torch.randn(tensor.shape)
    return net


def model_of(items: list[str]) -> TransformerModel:
    return TransformerModel(net_of(len(items)), pa.array(items), TINY)


def cut(found: Moments, seed: int) -> np.ndarray:
    """Windows at drawn shifts, in a drawn order."""
    draw = np.random.default_rng(seed)
    return draw.permutation(windows(found, TINY.length, draw.integers(0, TINY.length, len(found.offsets) - 1)))


def states(net: Net, found: Moments, packed: Packed) -> np.ndarray:
    """float32 [M, d]: the state of each moment, NaN where it is not in the rows."""
    with torch.no_grad():
        out = net(grid_of(found, packed, CPU)).flatten(0, 1).numpy()
    result = np.full((len(found.day), out.shape[1]), np.nan, np.float32)
    result[packed.moment[packed.moment >= 0]] = out[packed.moment.ravel() >= 0]
    return result


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.allclose(found, expected, rtol=1e-5, atol=1e-5))


# ---- the network ---------------------------------------------------------------------------------------------


@fast
@given(SEEDS)
def test_a_state_depends_on_nothing_later_and_on_nobody_else(seed: int) -> None:
    data = shop(seed)
    found, net, draw = moments_of(data), net_of(len(data.items)), np.random.default_rng(seed)
    ranges = cut(found, seed)
    start, end = ranges[draw.integers(len(ranges))]
    last = draw.integers(start, end)
    kept = np.zeros(len(found.item), dtype=bool)
    kept[found.first[start] : found.first[last + 1]] = True
    elsewhere = np.ones(len(found.day), dtype=bool)
    elsewhere[start : last + 1] = False
    other = replace(
        found,
        item=np.where(kept, found.item, draw.permutation(len(data.items))[found.item]),
        event=np.where(kept, found.event, (found.event + 1) % 3),
        day=np.where(elsewhere, found.day + np.float32(2.5), found.day),
    )
    packed = pack(ranges, TINY.length)
    before, after = states(net, found, packed), states(net, other, packed)
    assert close(before[start : last + 1], after[start : last + 1])
    assert not close(before[elsewhere], after[elsewhere])


@fast
@given(SEEDS)
def test_a_state_is_the_same_in_a_shared_row_and_in_one_of_its_own(seed: int) -> None:
    data = shop(seed)
    found, net, ranges = moments_of(data), net_of(len(data.items)), cut(moments_of(data), seed)
    shared = states(net, found, pack(ranges, TINY.length))
    for window in ranges:
        alone = states(net, found, pack(window[None], TINY.length))
        assert close(shared[window[0] : window[1]], alone[window[0] : window[1]])


def test_the_order_inside_a_receipt_does_not_matter_and_the_time_between_two_does() -> None:
    def last(rows: list[tuple]) -> np.ndarray:
        found = moments_of(encode(table(rows), DAY))
        return states(net_of(3), found, pack(np.array([[0, len(found.day)]]), 4))[-1]

    soon, late = ([("a", "x", 0), ("a", "y", 0), ("a", "z", day)] for day in (1, 9))
    assert not close(last(soon), last(late))
    assert close(last(soon), last([(user, item, day + 5) for user, item, day in soon]))  # when they happened does not
    data = moments_of(encode(table(soon), DAY))
    swapped = replace(data, item=data.item[[1, 0, 2]])
    rows = pack(np.array([[0, 2]]), 4)
    assert close(states(net_of(3), data, rows), states(net_of(3), swapped, rows))


# ---- what a person had before --------------------------------------------------------------------------------


@fast
@given(SEEDS)
def test_past_items_have_their_decayed_counts(seed: int) -> None:
    data = shop(seed)
    found = moments_of(data)
    chosen = np.random.default_rng(seed).permutation(len(found.day))[:9]
    past = personal(found, chosen, len(data.items))
    rows = []
    for state, moment in enumerate(chosen):
        owner = np.searchsorted(found.offsets, moment, side="right") - 1
        sums: dict[int, np.ndarray] = {}
        for earlier in range(found.offsets[owner], moment + 1):
            for event in range(found.first[earlier], found.first[earlier + 1]):
                age = found.day[moment] - found.day[earlier]
                decayed = EVENT_WEIGHTS[found.event[event]] * 2.0 ** (-age / np.array(HALF_LIVES))
                sums[found.item[event]] = sums.get(found.item[event], 0) + decayed
        rows += [(state, item, np.log1p(total)) for item, total in sorted(sums.items())]
    assert list(zip(past.state, past.item, strict=True)) == [(state, item) for state, item, _ in rows]
    assert close(past.feature, np.array([feature for *_, feature in rows]))


@fast
@given(SEEDS)
def test_what_is_looked_up_is_what_counting_gives(seed: int) -> None:
    data = shop(seed)
    found, draw = moments_of(data), np.random.default_rng(seed)
    found = replace(found, item=found.item % 3)  # the same again and again, inside a receipt too
    moment = np.flatnonzero(draw.random(len(found.day)) < 0.7)
    moment = np.concatenate([moment[len(moment) // 2 :], moment[: len(moment) // 2]])  # rows in a drawn order
    all_pairs, past = personal(found, moment, 3), Past(found, 3)
    counted = {(s, i): f for s, i, f in zip(all_pairs.state, all_pairs.item, all_pairs.feature, strict=True)}

    place = np.array([1, -1, 0])
    among = past.among(moment, place)
    pairs = list(zip(among.state.tolist(), [[2, 0][at] for at in among.item], strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == {(s, i) for s, i in counted if i != 1}
    assert close(among.feature, np.array([counted[pair] for pair in pairs]).reshape(-1, len(HALF_LIVES)))

    event = draw.integers(0, len(found.item), 40)  # told up to a moment before its own, of the same person
    own = np.repeat(np.arange(len(found.day)), np.diff(found.first))[event]
    first = found.offsets[np.searchsorted(found.offsets, own, side="right") - 1]
    event, own, first = (part[own > first] for part in (event, own, first))
    earlier = draw.integers(first, own)
    expected = personal(found, earlier, 3)
    told = {(s, i): f for s, i, f in zip(expected.state, expected.item, expected.feature, strict=True)}
    nothing = np.zeros(len(HALF_LIVES))
    rows = [told.get((row, found.item[e]), nothing) for row, e in enumerate(event)]
    assert close(past.of_targets(event, earlier), np.array(rows).reshape(-1, len(HALF_LIVES)))


# ---- the loss ------------------------------------------------------------------------------------------------


def test_a_target_joins_the_sampled_normaliser_once() -> None:
    candidates = torch.tensor([[2.0, 3.0]]).log()
    state, whole = torch.tensor([0]), torch.tensor([1.0])

    def loss(own: float, place: int) -> float:
        return sampled_loss(candidates, torch.tensor([own]).log(), state, torch.tensor([place]), whole).item()

    assert loss(5, -1) == pytest.approx(np.log((2 + 3 + 5) / 5))
    assert loss(2, 0) == pytest.approx(np.log((2 + 3) / 2))
    assert loss(5, 0) == pytest.approx(np.log((3 + 5) / 5))  # corrected as a candidate, as it is as a target


@fast
@given(SEEDS, st.integers(1, 5), st.sampled_from([0.0, 3.0, 9.0]))
def test_targets_are_the_future_of_each_moment_that_has_one(seed: int, most: int, horizon: float) -> None:
    found = moments_of(shop(seed))
    found = replace(found, item=np.arange(len(found.item)))  # every event tells where it comes from
    until, packed = future(found, horizon), pack(cut(found, seed), TINY.length)
    goal = targets(found, packed, until, most, np.random.default_rng(seed))
    cells = [cell for cell, m in enumerate(packed.moment.ravel()) if m >= 0 and until[m] > m + 1]
    assert goal.cell.tolist() == cells
    for state, moment in enumerate(packed.moment.ravel()[cells]):
        coming = range(found.first[moment + 1], found.first[until[moment]])
        mine = goal.item[goal.state == state]
        assert mine.tolist() == list(coming) if len(coming) <= most else set(mine) <= set(coming)
        assert len(mine) == min(most, len(coming))
        assert close(goal.weight[goal.state == state], found.weight[mine] / found.weight[mine].sum())


def test_of_a_long_future_every_event_has_the_same_chance() -> None:
    found = moments_of(encode(table([("a", "now", 0), *(("a", f"later {n}", 1) for n in range(5))]), DAY))
    packed, draw = pack(np.array([[0, 2]]), 2), np.random.default_rng(0)
    drawn = [targets(found, packed, future(found, 1), 2, draw).item for _ in range(1000)]
    times = np.bincount(np.concatenate(drawn), minlength=6)
    assert times[5] == 0  # "now" comes last in the vocabulary
    assert np.abs(times[:5] - 400).max() < 4 * np.sqrt(400)


# ---- batches -------------------------------------------------------------------------------------------------


def task_of(data: Interactions, config: Transformer, share: tuple[int, int] = (0, 1)) -> SequenceTask:
    return SequenceTask(moments_of(data), data.items, config, 1, CPU, share=share)


def moments_in(task: SequenceTask, number: int) -> list[set[int]]:
    return [set(batch.packed.moment[batch.packed.moment >= 0].tolist()) for batch in task.epoch(number)]


def test_an_epoch_reads_every_moment_once_always_the_same_way_and_the_next_epoch_another_way() -> None:
    task = task_of(shop(3), TINY)
    first = moments_in(task, 0)
    assert sum(map(len, first)) == len(set.union(*first)) == len(task.found.day)
    assert moments_in(task_of(shop(3), TINY), 0) == first
    assert moments_in(task, 1) != first


def test_processes_share_out_the_rows_of_each_batch() -> None:
    config = replace(TINY, rows=4)
    whole = moments_in(task_of(shop(3), config), 0)
    shares = [moments_in(task_of(shop(3), config, (rank, 3)), 0) for rank in range(3)]
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert set.union(*parts) == batch
        assert sum(map(len, parts)) == len(batch)


def test_a_process_without_a_row_still_takes_part_in_the_step() -> None:
    task = task_of(shop(3), replace(TINY, rows=40), share=(39, 40))
    net = net_of(len(task.items))
    loss, tokens = task.loss(net, next(task.epoch(0)))
    loss.backward()
    assert (loss.item(), tokens) == (0, 0)
    assert all(tensor.grad is not None and not tensor.grad.any() for tensor in net.parameters())


@fast
@given(SEEDS, st.sampled_from([0, 100]))
def test_the_loss_of_a_batch_is_its_formula(seed: int, full_softmax_items: int) -> None:
    data = shop(seed)
    task = task_of(data, replace(TINY, full_softmax_items=full_softmax_items, negatives=3))
    net, size = net_of(len(data.items)), len(data.items)
    for batch in task.epoch(0):
        moment = batch.packed.moment.ravel()[batch.targets.cell]
        past = personal(task.found, moment, size)
        with torch.no_grad(), patch("models.recommender.transformer.lowered", return_value=None):
            state = torch.from_numpy(states(net, task.found, batch.packed)[moment])
            z = net.logits(state, torch.arange(size)).numpy()
            z[past.state, past.item] += past.feature @ net.personal.numpy()
            found, tokens = task.loss(net, batch)
        expected = 0.0
        for s, item, weight in zip(batch.targets.state, batch.targets.item, batch.targets.weight, strict=True):
            others = [(c, e) for c, e in zip(batch.chosen, batch.expected, strict=True) if c != item]
            total = np.exp(z[s, item]) + sum(np.exp(z[s, c] - e) for c, e in others)
            expected += weight * (np.log(total) - z[s, item])
        assert found.item() == pytest.approx(expected / max(1, len(moment)), rel=1e-3)
        assert tokens == (batch.packed.moment >= 0).sum()


# ---- recommending --------------------------------------------------------------------------------------------


@fast
@given(SEEDS)
def test_scores_are_shares_of_what_is_known_and_nothing_else(seed: int) -> None:
    data = shop(seed)
    items = [*data.items.to_pylist()[1:-1], "gone"]
    scores = model_of(items).scores(data, np.arange(len(data.users)))
    known = codes_of(data, pa.array(items)) >= 0
    shopped = np.bincount(data.user[known[data.item]], minlength=len(data.users)) > 0
    assert not scores[:, ~known].any()
    assert not scores[~shopped].any()
    assert (scores[np.ix_(shopped, known)] > 0).all()
    assert (scores.sum(axis=1) < 1 + 1e-5).all()


@fast
@given(SEEDS)
def test_scores_depend_neither_on_who_else_is_asked_for_nor_on_the_catalogue(seed: int) -> None:
    data = shop(seed)
    model, users = model_of(data.items.to_pylist()), np.arange(len(data.users))
    together = model.scores(data, users)
    for user in users:
        assert close(model.scores(data, np.array([user]))[0], together[user])
    larger = encode(table(random_rows(seed)), DAY, pa.array(["newcomer"]), pa.array(["a", "i3a", "unsold"]))
    assert close(model.scores(larger, users)[:, np.isin(larger.items, data.items)], together)


def test_of_a_long_history_the_newest_moments_are_read_and_everything_that_was_had_before() -> None:
    rows = [("a", f"i{n % 3}", n) for n in range(10)]
    data, other = encode(table(rows), DAY), encode(table([("a", "i2", 0), *rows[1:]]), DAY)
    model = model_of(["i0", "i1", "i2"])
    assert not close(model.scores(data, np.array([0])), model.scores(other, np.array([0])))
    with torch.no_grad():
        model.net.personal.zero_()
    assert close(model.scores(data, np.array([0])), model.scores(other, np.array([0])))
