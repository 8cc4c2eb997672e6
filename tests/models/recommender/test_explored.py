"""Lists with drawn places: every rule still holds, pins stay, and the propensities are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feedback.exploration import Exploration, chance_of
from models.recommender import item_knn, popular
from models.recommender.configs import ItemKnn, Popular
from models.recommender.explored import Explorer, Spare, held_by_pins, spare_of, within
from models.recommender.ranking import Ranked, rank_users
from models.recommender.ruled import rank_by_rules
from models.recommender.rules import Limit, Policy
from tests.models.recommender.test_ruled import FIELDS, K, ground, keeps, random_policy, shop


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_rules_hold_whatever_is_drawn_and_pins_stay(seed: int) -> None:
    data = shop(seed)
    policy, available, masked = random_policy(seed, data)
    model, fill, users = item_knn.fit(data, ItemKnn(min_users=1)), popular.fit(data, Popular()), np.arange(9)
    explorer = Explorer(Exploration(0.9, keep=0), np.arange(9, dtype=np.uint64), users != 4, seed)
    asked = (ground(data, available), model, fill, users, masked, policy)
    (plain,) = rank_by_rules(*asked)
    (lists,) = rank_by_rules(*asked, spare=6)
    assert all(np.array_equal(getattr(plain, name), getattr(lists, name)) for name in FIELDS)
    assert lists.spare is not None
    held = held_by_pins(policy, lists.touched)
    filled = explorer.fill(users, lists.items, held, lists.spare)
    keeps(policy, available, filled.items)
    assert np.array_equal(filled.items[held], lists.items[held])
    assert np.array_equal(filled.items[4], lists.items[4])
    assert (filled.propensity[lists.items >= 0] > 0).all()
    row, place = np.nonzero(filled.items >= 0)
    assert masked is None or not np.asarray(masked[users[row], filled.items[row, place]]).any()
    logged = np.zeros(filled.items.shape)
    for place, (items, chance) in enumerate(explorer.choices(users, filled.items, lists.items, held, lists.spare)):
        np.testing.assert_allclose(chance.sum(axis=1), lists.items[:, place] >= 0)
        assert not chance[items < 0].any()
        logged[:, place] = (chance * (items == filled.items[:, place, None])).sum(axis=1)
    np.testing.assert_allclose(logged, filled.propensity)
    if not held.any():  # `chance_of` knows no pins
        rows, nothing = users != 4, np.zeros(lists.spare.items.shape)
        expected = chance_of(filled.items, lists.items, lists.spare.items, nothing, explorer.how)
        np.testing.assert_allclose(logged[rows], expected[rows])


@pytest.mark.parametrize("seed", range(3))
def test_spare_items_follow_the_list_and_change_nothing_of_it(seed: int) -> None:
    data = shop(seed)
    _, available, masked = random_policy(seed, data)
    model, fill = item_knn.fit(data, ItemKnn(min_users=1)), popular.fit(data, Popular())
    asked = (model, data, np.arange(9), K, fill.order, available, masked)
    (plain,) = rank_users(*asked, with_evidence=True)
    (wide,) = rank_users(*asked, with_evidence=True, spare=3)
    (longer,) = rank_users(model, data, np.arange(9), K + 3, fill.order, available, masked)
    for name in ("items", "scores", "evidence"):
        assert np.array_equal(getattr(wide.first(K), name), getattr(plain, name))
    assert np.array_equal(wide.items, longer.items)
    assert np.array_equal(spare_of(wide, plain.items, 3).items, longer.items[:, K:])


def test_what_a_list_holds_is_no_spare_item() -> None:
    wide = Ranked(np.arange(1), np.array([[4, 2, 0, 7, -1]]), np.array([[5.0, 4, 3, 2, -np.inf]]), np.zeros((1, 5)))
    found = spare_of(wide, np.array([[4, 7, 9]]), 3)
    assert found.items.tolist() == [[2, 0, -1]]
    assert found.scores[0, :2].tolist() == [4, 3]


def test_as_many_of_a_group_may_be_drawn_as_the_whole_list_leaves_room_for() -> None:
    # items 0-3 are of group 0, 4-7 of group 1, 8 of none; the list holds 0 and 4
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1], dtype=np.int32)
    lists, spare = np.array([[0, 4, -1]]), Spare(np.array([[1, 2, 5, 8, 3, 6, -1]]), np.zeros((1, 7)))
    nothing = np.zeros(9, dtype=bool)
    assert within(Policy(1, nothing, caps=(Limit(0, group, 2),)), lists, spare).items.tolist() == [
        [1, -1, 5, 8, -1, -1, -1]
    ]
    assert within(Policy(1, nothing, runs=(Limit(0, group, 1),)), lists, spare).items.tolist() == [
        [-1, -1, -1, 8, -1, -1, -1]
    ]
    assert within(Policy(0, nothing), lists, spare).items.tolist() == spare.items.tolist()
