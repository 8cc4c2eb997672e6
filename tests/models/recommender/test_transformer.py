"""The transformer: it sees no future and no neighbour, its losses are the textbook's, and it learns an order."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from models.interactions import Interactions, encode
from models.loop import LoopConfig, fit
from models.recommender.configs import Transformer
from models.recommender.net import HALF_LIVES, Net, grid_of
from models.recommender.past import personal
from models.recommender.saved import load, save
from models.recommender.sequences import Moments, codes_of, future, moments, newest, pack, vocabulary
from models.recommender.transformer import SequenceTask, TransformerModel, targets
from tests.models.shop import MONDAY, random_rows, table

CPU = torch.device("cpu")
TINY = Transformer(width=16, blocks=2, heads=2, dropout=0.0, length=8, min_users=1, rows=4)


def shop(rows: list[tuple]) -> Interactions:
    return encode(table(rows), MONDAY + timedelta(60))


def made(data: Interactions, config: Transformer = TINY) -> tuple[Moments, TransformerModel]:
    items = vocabulary(data, 1)
    torch.manual_seed(0)
    net = Net(config, len(items)).eval()
    return moments(data, codes_of(data, items), np.arange(len(data.users))), TransformerModel(net, items, config)


def states(model: TransformerModel, found: Moments, rows: np.ndarray) -> dict[int, torch.Tensor]:
    """The state of each moment in these ranges."""
    packed = pack(rows, model.config.length)
    with torch.no_grad():
        grid = model.net(grid_of(found, packed, CPU)).flatten(0, 1)
    return {int(m): grid[cell] for cell, m in enumerate(packed.moment.ravel()) if m >= 0}


def test_a_later_moment_changes_no_earlier_state() -> None:
    rows = [("ann", f"i{n}", n) for n in range(6)]
    found, model = made(shop(rows))
    changed, _ = made(shop([*rows[:-1], ("ann", "i0", 5)]))
    before, after = states(model, found, newest(found, 8)), states(model, changed, newest(changed, 8))
    assert all(torch.equal(before[m], after[m]) for m in range(5))
    assert not torch.allclose(before[5], after[5])


def test_who_shares_a_row_does_not_matter() -> None:
    found, model = made(shop(random_rows(4, events=24)))
    ranges = newest(found, 8)
    together = states(model, found, ranges)
    for one in ranges:
        for moment, state in states(model, found, one[None]).items():
            assert torch.allclose(state, together[moment], atol=1e-5)


def test_the_weights_of_a_state_sum_to_one_and_no_target_lies_in_its_past() -> None:
    found, _ = made(shop(random_rows(6)))
    until = future(found, 5.0)
    packed = pack(newest(found, 8), 8)
    goal = targets(found, packed, until, 3, np.random.default_rng(0))
    assert np.bincount(goal.state, goal.weight) == pytest.approx(1)
    assert np.bincount(goal.state).max() == 3
    for number, moment in enumerate(packed.moment.ravel()[goal.cell]):
        allowed = found.item[found.first[moment + 1] : found.first[until[moment]]]
        assert set(goal.item[goal.state == number]) <= set(allowed)


def test_what_a_person_had_before_counts_less_with_age() -> None:
    found, _ = made(shop([("ann", "a", 0), ("ann", "b", 7), ("ann", "a", 14), ("bob", "b", 0)]))
    past = personal(found, np.array([2]), 2)
    assert (past.state.tolist(), past.item.tolist()) == ([0, 0], [0, 1])
    for column, half_life in enumerate(HALF_LIVES):
        assert past.feature[0, column] == pytest.approx(np.log1p(1 + 0.5 ** (14 / half_life)), rel=1e-5)
        assert past.feature[1, column] == pytest.approx(np.log1p(0.5 ** (7 / half_life)), rel=1e-5)


def test_without_a_history_or_a_known_item_there_is_no_score() -> None:
    _, model = made(shop([("ann", "a", 0), ("ann", "b", 1)]))
    later = encode(table([("ann", "a", 0), ("bob", "new", 1)]), MONDAY + timedelta(60))
    scores = model.scores(later, np.array([0, 1]))
    assert (scores[0] > 0).tolist() == [True, False]
    assert (scores[1] == 0).all()
    assert model.evidence(later, np.array([0, 1]), np.array([[0], [1]])).tolist() == [[0], [-1]]


def test_a_saved_transformer_gives_the_same_scores(tmp_path: Path) -> None:
    data = shop([*random_rows(3), ("ann", "größe ß", 2), ("ann", "品", 3)])
    _, model = made(data)
    version = save(tmp_path, "transformer", TINY, MONDAY, data.items, model)
    users = np.arange(len(data.users))
    again = load(tmp_path / version)
    assert np.array_equal(again.model.scores(data, users), model.scores(data, users))
    assert again.config == TINY


@pytest.mark.parametrize("full_softmax_items", [100, 0])
def test_it_learns_what_follows_what(tmp_path: Path, full_softmax_items: int) -> None:
    rows = [(f"u{user:02d}", f"i{(user + day) % 12:02d}", day) for user in range(36) for day in range(20)]
    data = shop(rows)
    config = Transformer(
        width=16, blocks=1, dropout=0.0, length=32, horizon_days=0.5, rows=8, min_users=1,
        full_softmax_items=full_softmax_items, negatives=8,
    )  # fmt: skip
    found, model = made(data, config)
    task = SequenceTask(found, model.items, config, 1, CPU)
    fitted = fit(model.net, task, LoopConfig(epochs=40, learning_rate=1e-2), tmp_path, CPU, lambda _: None)
    assert fitted.curve[-1]["loss"] < fitted.curve[0]["loss"] / 2
    following = [(user + 20) % 12 for user in range(36)]
    assert (model.scores(data, np.arange(36)).argmax(1) == following).mean() > 0.9
