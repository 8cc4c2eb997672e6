"""Lists under rules on random shops: nothing hidden is listed, and neither blocks nor candidates change a list."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions, encode
from models.recommender import item_knn, popular, transition
from models.recommender.configs import ItemKnn, Popular, Transition
from models.recommender.item_to_item import ItemToItem, similar_in_turn
from models.recommender.newcomers import beside, filled, newcomers, placed
from models.recommender.ranking import rank_users
from models.recommender.ruled import Ground, Ruled, crowd, crowd_list, rank_by_rules, similar_by_rules
from models.recommender.rules import Boost, Candidates, Limit, Mix, Pin, Policy, arrange
from tests.models.shop import MONDAY, described, random_rows, table

DAY = MONDAY + timedelta(25)
K = 5
fast = settings(deadline=None, max_examples=30)


def shop(seed: int) -> Interactions:
    return encode(table(random_rows(seed, users=9, items=14, events=80)), DAY)


def random_policy(seed: int, data: Interactions) -> tuple[Policy, np.ndarray, sparse.csr_array | None]:
    """A policy, what is available, and what single users may not be shown."""
    draw = np.random.default_rng(seed)
    count = len(data.items)
    groups = [draw.integers(-1, 4, count).astype(np.int32) for _ in range(2)]
    places = draw.permutation(K)[:2] + 1
    items = draw.permutation(count)[:2]
    pins = [Pin(n, int(items[n]), int(places[n])) for n in range(draw.integers(0, 3))]
    policy = Policy(
        10,
        draw.random(count) < 0.2,
        boosts=tuple(Boost(2 + n, draw.random(count) < 0.3, float(draw.choice([0.5, 3]))) for n in range(2)),
        pins=tuple(sorted(pins, key=lambda pin: pin.place)),
        caps=tuple(Limit(4 + n, groups[n], int(draw.integers(1, 3))) for n in range(draw.integers(0, 3))),
        runs=tuple(Limit(6, groups[0], 1) for _ in range(draw.integers(0, 2))),
        mixes=tuple(Mix(8, groups[1], 0.3) for _ in range(draw.integers(0, 2))),
    )
    masked = sparse.csr_array(draw.random((len(data.users), count)) < 0.2) if draw.random() < 0.7 else None
    return policy, draw.random(count) < 0.9, masked


FIELDS = ("users", "items", "scores", "evidence", "touched", "new", "alike")


def ground(data: Interactions, available: np.ndarray, young: np.ndarray | None = None, places: int = 0) -> Ground:
    """What lists are made from; without newcomers unless `young` bool [I] says which items are."""
    found = newcomers(data, available & False if young is None else young)
    return Ground(data, K, available, found, found, found, places)


def ranked(
    data: Interactions, policy: Policy, available: np.ndarray, masked: sparse.csr_array | None, cells: int = 10**6
) -> Ruled:
    model = item_knn.fit(data, ItemKnn(min_users=1))
    fill = popular.fit(data, Popular())
    users = np.arange(len(data.users))
    blocks = list(rank_by_rules(ground(data, available), model, fill, users, masked, policy, cells))
    return Ruled(*(np.concatenate([getattr(block, name) for block in blocks]) for name in FIELDS))


@pytest.mark.parametrize("seed", range(6))
def test_without_any_rule_the_lists_are_those_of_the_ranking_itself_newcomers_included(seed: int) -> None:
    data = described(shop(seed))
    _, available, masked = random_policy(seed, data)
    young = np.arange(len(data.items)) % 4 == 1
    base, nothing = ground(data, available, young, places=2), Policy(0, np.zeros(len(data.items), dtype=bool))
    model, fill = item_knn.fit(data, ItemKnn(min_users=1)), popular.fit(data, Popular())
    users = np.arange(len(data.users))
    (block,) = rank_users(model, data, users, K, fill.order, available, masked, with_evidence=True)
    block, new = placed(block, data, base.newcomers, available, masked, 2)
    for cells in (10**6, 1):
        blocks = list(rank_by_rules(base, model, fill, users, masked, nothing, cells))
        lists = Ruled(*(np.concatenate([getattr(part, name) for part in blocks]) for name in FIELDS))
        assert np.array_equal(lists.items, block.items)
        assert np.array_equal(lists.scores, np.where(block.items >= 0, block.scores, 0))
        assert np.array_equal(lists.evidence, block.evidence)
        assert np.array_equal(lists.new, new)
    assert new.any()


@fast
@given(st.integers(0, 10**6))
def test_newcomers_keep_the_rules_like_any_other_item(seed: int) -> None:
    data = described(shop(seed))
    policy, available, masked = random_policy(seed, data)
    base = ground(data, available, np.arange(len(data.items)) % 4 == 1, places=2)
    model, fill = item_knn.fit(data, ItemKnn(min_users=1)), popular.fit(data, Popular())
    users = np.arange(len(data.users))
    found = []
    for cells in (10**6, 1, 5 * len(data.items)):
        blocks = list(rank_by_rules(base, model, fill, users, masked, policy, cells))
        found.append([np.concatenate([getattr(part, name) for part in blocks]) for name in FIELDS])
    lists = Ruled(*found[0])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
    keeps(policy, available, lists.items)
    row, place = np.nonzero(lists.items >= 0)
    assert masked is None or not np.asarray(masked[lists.users[row], lists.items[row, place]]).any()
    pinned = np.zeros((len(lists.users), K), dtype=bool)
    for pin in policy.pins:
        pinned |= lists.touched[:, :, pin.rule]
    assert not (lists.new & pinned).any()
    for boost in policy.boosts:  # their content brought them up
        assert not (lists.new & lists.touched[:, :, boost.rule]).any()


def keeps(policy: Policy, available: np.ndarray, lists: np.ndarray) -> None:
    """Nothing hidden, nothing twice, no cap and no run broken."""
    for one in lists:
        listed = one[one >= 0]
        assert len(set(listed.tolist())) == len(listed)
        assert available[listed].all()
        assert not policy.hidden[listed].any()
        for cap in policy.caps:
            groups = cap.group[listed]
            assert np.bincount(groups[groups >= 0], minlength=1).max() <= cap.most
        for run in policy.runs:
            groups = run.group[listed]
            assert not ((groups[1:] == groups[:-1]) & (groups[1:] >= 0)).any() or run.most > 1


@fast
@given(st.integers(0, 10**6))
def test_nothing_hidden_is_listed_pinned_or_not(seed: int) -> None:
    data = shop(seed)
    policy, available, masked = random_policy(seed, data)
    lists = ranked(data, policy, available, masked)
    row, place = np.nonzero(lists.items >= 0)
    item = lists.items[row, place]
    assert not policy.hidden[item].any()
    assert available[item].all()
    assert masked is None or not np.asarray(masked[lists.users[row], item]).any()


@fast
@given(st.integers(0, 10**6))
def test_few_candidates_and_small_blocks_give_the_lists_of_the_whole_catalogue(seed: int) -> None:
    data = shop(seed)
    policy, available, masked = random_policy(seed, data)
    lists = ranked(data, policy, available, masked)
    for cells in (1, 3 * len(data.items)):
        others = ranked(data, policy, available, masked, cells)
        for name in FIELDS:
            assert np.array_equal(getattr(lists, name), getattr(others, name)), name
    model, fill = item_knn.fit(data, ItemKnn(min_users=1)), popular.fit(data, Popular())
    people = crowd(fill.recent, fill.overall, np.arange(len(data.items)), policy.factor)
    allowed = available & ~policy.hidden
    scores = model.scores(data, np.arange(len(data.users))) * policy.factor
    for user in range(len(data.users)):
        may = allowed.copy()
        if masked is not None:
            may &= ~masked[[user]].toarray()[0].astype(bool)
        order = np.lexsort((np.arange(len(may)), -scores[user]))
        order = [i for i in order if scores[user, i] > 0 and may[i]]
        rest = [i for i in people.order if may[i] and scores[user, i] <= 0]
        items = np.array([order + rest], dtype=np.int32)
        filled = np.arange(len(order) + len(rest))[None, :] >= len(order)
        strength = np.where(filled, people.strength[items], scores[user][items].astype(np.float64))
        whole = Candidates(items, strength, filled, np.ones(1, dtype=bool))
        expected = arrange(whole, K, policy, allowed, may[policy.pinned][None, :])
        assert lists.items[user].tolist() == expected.items[0].tolist()
        assert lists.touched[user].tolist() == expected.touched[0].tolist()


@fast
@given(st.integers(0, 10**6))
def test_who_has_no_score_at_all_gets_the_list_of_the_crowd(seed: int) -> None:
    rows = random_rows(seed, users=9, items=14, events=80)
    data = encode(table(rows), DAY, extra_users=pa.array(["zz"]))
    policy, available, _ = random_policy(seed, data)
    fill = popular.fit(data, Popular())
    everybody = crowd(fill.recent, fill.overall, np.arange(len(data.items)), policy.factor)
    listed = crowd_list(everybody, K, available, policy)
    lists = ranked(data, policy, available, None)
    assert lists.items[-1].tolist() == listed.items[0].tolist()


@fast
@given(st.integers(0, 10**6), st.booleans())
def test_similar_items_under_rules(seed: int, dense: bool) -> None:
    data = described(shop(seed))
    policy, available, _ = random_policy(seed, data)
    matrix = transition.fit(data, Transition())
    if dense:
        matrix = ItemToItem(np.asarray(matrix.matrix.todense()), matrix.weighting)
    some = sparse.csr_array(matrix.matrix * (np.arange(len(data.items)) % 3 > 0)[:, None])  # knows nothing of a third
    matrices = [ItemToItem(some, matrix.weighting), matrix]
    base = ground(data, available, np.arange(len(data.items)) % 4 == 1, places=2)
    items = np.arange(len(data.items))
    lists = similar_by_rules(base, matrices, items, policy)
    assert (lists.items != items[:, None]).all()
    keeps(policy, available, lists.items)
    plain, values, new = beside(*similar_in_turn(matrices, items, K, available), base.newcomers, items, available, 2)
    plain, values, alike = filled(plain, values, base.newcomers, items, available)
    free = similar_by_rules(base, matrices, items, Policy(0, np.zeros(len(items), dtype=bool)))
    assert np.array_equal(free.items, plain)
    assert np.array_equal(free.scores, np.where(plain >= 0, values, 0))
    assert np.array_equal(free.new, new)
    assert np.array_equal(free.alike, alike)


def test_a_boost_brings_an_item_up_in_every_kind_of_list() -> None:
    """x and y sold alike; what y counts three times comes first, with the score and the mark that say so."""
    rows = [("a", "x", 1), ("a", "y", 1), ("b", "x", 2), ("b", "y", 2), ("c", "x", 2)]
    data = encode(table(rows), MONDAY + timedelta(3))
    nothing = np.zeros(2, dtype=bool)
    up = Policy(1, nothing, boosts=(Boost(0, np.array([False, True]), 3.0),))
    without = Policy(1, nothing)
    fill = popular.fit(data, Popular())
    for policy, expected in ((without, [0, 1]), (up, [1, 0])):
        everybody = crowd(fill.recent, fill.overall, np.arange(2), policy.factor)
        assert crowd_list(everybody, 2, ~nothing, policy).items.tolist() == [expected]
    assert everybody.strength[1] == pytest.approx(6 + 6 / (1e3 * 7))
    lists = ranked(data, replace(up, hidden=nothing), ~nothing, None)
    # a and b bought both; c bought x alone, and the item itself speaks for it more than three times as loud.
    assert lists.items[:, 0].tolist() == [1, 1, 0]
    assert lists.touched[:, :2, 0].tolist() == [[True, False], [True, False], [False, True]]
