"""Each floor against its formula written out with plain loops, on tiny random shops."""

import math
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import EVENTS, PURCHASE, Interactions, encode
from models.recommender import ease, item_knn, popular, transition
from models.recommender.configs import (
    CONFIGS,
    EVENT_WEIGHTS,
    Ease,
    FrequentItems,
    ItemKnn,
    Popular,
    Transition,
    as_json,
    from_json,
)
from models.recommender.floors import FLOORS, NotApplicable, fit, restore
from models.recommender.history import history_weights
from models.recommender.item_to_item import ItemToItem, keep_top
from tests.models.shop import MONDAY, described, random_rows, table

DAY = MONDAY + timedelta(20)
SHOPS = st.integers(0, 100_000).map(lambda seed: encode(table(random_rows(seed)), DAY))
fast = settings(deadline=None, max_examples=25)

Event = tuple[int, int, int, int]  # user, item, kind, time


def events(data: Interactions) -> list[Event]:
    return list(zip(data.user.tolist(), data.item.tolist(), data.event.tolist(), data.time.tolist(), strict=True))


def everyone(data: Interactions) -> np.ndarray:
    return np.arange(len(data.users))


def days_ago(data: Interactions, time: int) -> float:
    return (data.end - time) / 86_400_000_000


def plain_history(data: Interactions, gamma: float, half_life: float, power: float) -> np.ndarray:
    weights = np.zeros((len(data.users), len(data.items)))
    for user, item, kind, time in events(data):
        later = {t for u, _, _, t in events(data) if u == user and t > time}
        weights[user, item] += EVENT_WEIGHTS[kind] * gamma ** len(later) * 2 ** (-days_ago(data, time) / half_life)
    return np.where(weights > 0, weights**power, 0)


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.allclose(found, expected, rtol=2e-5, atol=1e-6))


@fast
@given(SHOPS)
def test_popular_counts_people_by_their_heaviest_event_of_seven_days(data: Interactions) -> None:
    best: dict[tuple[int, int], float] = defaultdict(float)
    for user, item, kind, time in events(data):
        if days_ago(data, time) <= 7:
            best[user, item] = max(best[user, item], EVENT_WEIGHTS[kind])
    expected = [sum(w for (_, i), w in best.items() if i == item) for item in range(len(data.items))]
    assert close(popular.fit(data, Popular()).recent, np.array(expected))


def test_popular_ties_go_by_the_whole_window_then_by_id() -> None:
    rows = [("a", "late", 19), ("a", "both", 19), ("b", "both", 1), ("a", "also", 19), ("c", "old", 1)]
    data = encode(table(rows), DAY)
    order = popular.fit(data, Popular()).order
    assert [data.items[int(i)].as_py() for i in order] == ["both", "also", "late", "old"]


@fast
@given(SHOPS)
def test_frequent_items_order_by_count_then_recency_then_id(data: Interactions) -> None:
    scores = fit(data, FrequentItems()).scores(data, everyone(data))
    for user in everyone(data):
        count: dict[int, int] = defaultdict(int)
        latest: dict[int, int] = {}
        for owner, item, kind, time in events(data):
            if owner == user and kind == PURCHASE:
                count[item] += 1
                latest[item] = time
        expected = sorted(count, key=lambda item: (-count[item], -latest[item], item))
        order = [i for i in np.lexsort((np.arange(len(data.items)), -scores[user])) if scores[user, i] > 0]
        assert order == expected


@fast
@given(SHOPS)
def test_item_knn_is_the_cosine_of_weighted_columns(data: Interactions) -> None:
    config = ItemKnn(neighbours=50, min_users=1, half_life_days=10, power=0.5, self_weight=2.0)
    history = plain_history(data, 1, 10, 0.5)
    norms = np.linalg.norm(history, axis=0)
    cosine = history.T @ history / np.maximum(np.outer(norms, norms), 1e-30)
    np.fill_diagonal(cosine, 2.0 * (norms > 0))
    model = item_knn.fit(data, config)
    assert close(model.matrix.toarray(), cosine)
    assert close(model.scores(data, everyone(data)), history @ cosine)


def test_item_knn_leaves_out_items_of_too_few_people() -> None:
    data = encode(table([("a", "x", 1), ("a", "y", 1), ("b", "x", 2), ("b", "y", 2), ("b", "z", 2)]), DAY)
    matrix = item_knn.fit(data, ItemKnn(min_users=2)).matrix.toarray()
    assert matrix[0, 1] > 0
    assert matrix[2, :2].tolist() == [0, 0]
    assert matrix[2, 2] > 0


def plain_transition(data: Interactions, config: Transition) -> np.ndarray:
    size = len(data.items)
    forward = np.zeros((size, size))
    for user in everyone(data):
        mine = [(item, kind) for owner, item, kind, _ in events(data) if owner == user]
        for s, (first, kind) in enumerate(mine):
            for t in range(s + 1, min(s + config.window, len(mine) - 1) + 1):
                weight = min(EVENT_WEIGHTS[kind], EVENT_WEIGHTS[mine[t][1]])
                forward[first, mine[t][0]] += weight * (t - s) ** -config.distance_power
    matrix = forward + config.backward * forward.T
    rows, columns = matrix.sum(axis=1, keepdims=True), matrix.sum(axis=0, keepdims=True)
    scale = np.maximum(rows, 1e-30) ** config.row_power * np.maximum(columns, 1e-30) ** config.column_power
    return np.where(matrix > 0, matrix / scale, 0)


@fast
@given(SHOPS, st.integers(1, 6), st.sampled_from([0.0, 0.3, 1.0]))
def test_transition_is_its_closed_form(data: Interactions, window: int, backward: float) -> None:
    config = Transition(window=window, backward=backward, gamma=0.7, distance_power=0.5)
    model, expected = transition.fit(data, config), plain_transition(data, config)
    assert close(model.matrix.toarray(), expected)
    assert close(model.scores(data, everyone(data)), plain_history(data, 0.7, math.inf, 1) @ expected)


@fast
@given(SHOPS)
def test_ease_solves_its_ridge_regression_item_by_item(data: Interactions) -> None:
    """Column j of B minimises |X_j − X b|² + l2 |b|² under b_j = 0: an ordinary ridge regression on the other items."""
    history = (plain_history(data, 1, math.inf, 1) > 0).astype(float)
    expected = np.zeros((len(data.items), len(data.items)))
    for j in range(len(data.items)):
        others = [i for i in range(len(data.items)) if i != j]
        left = history[:, others].T @ history[:, others] + 5.0 * np.eye(len(others))
        expected[others, j] = np.linalg.solve(left, history[:, others].T @ history[:, j])
    model = ease.fit(data, Ease(l2=5.0))
    assert np.allclose(model.matrix, expected, atol=1e-5)


def test_ease_says_why_it_does_not_apply() -> None:
    data = encode(table([("a", f"i{n}", 1) for n in range(5)]), DAY)
    with pytest.raises(NotApplicable, match=r"5 items were active; .* kept to 4"):
        ease.fit(data, Ease(max_items=4))


@fast
@given(SHOPS, st.integers(1, 4))
def test_keep_top_keeps_the_largest_of_each_row_ties_by_column(data: Interactions, n: int) -> None:
    matrix = transition.fit(data, Transition()).matrix
    matrix.data = np.ceil(matrix.data * 4)  # few values, many ties
    expected = np.zeros(matrix.shape)
    for row, values in enumerate(matrix.toarray()):
        for column in np.lexsort((np.arange(len(values)), -values))[:n]:
            expected[row, column] = values[column]
    assert np.array_equal(keep_top(matrix, n).toarray(), expected)


@fast
@given(SHOPS, st.sampled_from(["item_knn", "transition", "ease"]))
def test_evidence_is_the_largest_contribution(data: Interactions, name: str) -> None:
    model = fit(data, replace(CONFIGS[name], **({"min_users": 1} if name == "item_knn" else {})))
    assert isinstance(model, ItemToItem)
    items = np.tile(np.arange(len(data.items)), (len(data.users), 1))
    found = model.evidence(data, everyone(data), items)
    dense = model.matrix if isinstance(model.matrix, np.ndarray) else model.matrix.toarray()
    history = history_weights(data, everyone(data), model.weighting).toarray()
    for user in everyone(data):
        parts = history[user][:, None] * dense  # [history item, item]
        expected = np.where(parts.max(axis=0) > 0, parts.argmax(axis=0), -1)
        assert found[user].tolist() == expected.tolist()


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_comes_back_from_what_it_saved(name: str) -> None:
    data = described(encode(table(random_rows(3, users=30, events=300)), DAY))
    model = fit(data, CONFIGS[name])
    again = restore(from_json(name, as_json(CONFIGS[name])), model.arrays())
    assert np.array_equal(model.scores(data, everyone(data)), again.scores(data, everyone(data)))


@pytest.mark.parametrize("name", FLOORS)
def test_a_shop_without_events_and_a_user_without_history_are_no_error(name: str) -> None:
    empty = described(encode(table([]), DAY, pa.array(["a"]), pa.array(["x"])))
    assert fit(empty, CONFIGS[name]).scores(empty, everyone(empty)).max() <= 0
    data = described(encode(table([("a", "x", 1), ("a", "y", 2)]), DAY, pa.array(["newcomer"])))
    model = fit(data, CONFIGS[name])
    if name != "popular_7_days":
        assert model.scores(data, np.array([1])).max() <= 0


def test_similar_items_leave_out_the_item_itself_and_what_is_gone() -> None:
    rows = [("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("b", "y", 1), ("b", "z", 2)]
    data = encode(table(rows), DAY)
    model = transition.fit(data, Transition())
    items, scores = model.similar(np.arange(3), 2, np.array([True, True, False]))
    assert items.tolist() == [[1, -1], [0, -1], [1, 0]]
    assert (scores[:, 0] > 0).all()


@fast
@given(SHOPS, st.integers(1, 8), st.integers(0, 1000))
def test_similar_items_of_a_sparse_and_of_a_dense_matrix_are_the_same(data: Interactions, k: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    size = len(data.items)
    # few distinct values, so that ties are met; some of them no evidence at all
    matrix = draw.choice([0, 0, -1, 0.5, 1, 2], (size, size)).astype(np.float32)
    items, available = np.flatnonzero(draw.random(size) < 0.7), draw.random(size) < 0.8
    dense = ItemToItem(matrix, transition.weighting(Transition())).similar(items, k, available)
    found = ItemToItem(sparse.csr_array(matrix), transition.weighting(Transition())).similar(items, k, available)
    assert all(np.array_equal(a, b) for a, b in zip(found, dense, strict=True))
    for row, item in enumerate(items):
        usable = [j for j in range(size) if available[j] and j != item and matrix[item, j] > 0]
        best = sorted(usable, key=lambda j, item=item: (-matrix[item, j], j))[:k]
        assert found[0][row].tolist() == best + [-1] * (k - len(best))


def test_every_event_type_has_a_weight() -> None:
    assert len(EVENT_WEIGHTS) == len(EVENTS)
    assert list(EVENT_WEIGHTS) == sorted(EVENT_WEIGHTS)
