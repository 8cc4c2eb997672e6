"""Laws of exploration: exact propensities, nothing changed without a share, the same list whatever is beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feedback.exploration import Exploration, Filled, Pool, chance_of, explore, keys_of, uniform

INF = float("inf")


def shop(users: int, k: int, candidates: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranked lists, some padded at the end, and candidates of each user, some of them ranked, some missing."""
    draw = np.random.default_rng(seed)
    order = np.argsort(draw.random((users, 40)), axis=1)
    lists = order[:, :k].copy()
    lists[np.arange(k) >= draw.integers(0, k + 1, users)[:, None]] = -1
    offered = np.argsort(draw.random((users, 40)), axis=1)[:, :candidates]
    offered[draw.random(offered.shape) < 0.2] = -1
    return lists, offered, draw.normal(size=offered.shape)


def filled(seed: int, how: Exploration, given: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Filled:
    return explore(*given, keys=np.arange(len(given[0])), how=how, seed=seed)


hows = st.builds(
    Exploration,
    share=st.floats(0.01, 0.9),
    keep=st.integers(0, 4),
    temperature=st.sampled_from([0.05, 0.5, 2.0, INF]),
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), how=hows, candidates=st.integers(1, 12))
def test_what_every_filled_list_obeys(seed: int, how: Exploration, candidates: int) -> None:
    given_ = lists, offered, scores = shop(7, 6, candidates, seed)
    got = filled(seed, how, given_)
    np.testing.assert_allclose(Pool.of(*given_).chances(how).sum(axis=1), 1)
    assert np.array_equal(got.items < 0, lists < 0) and np.array_equal(got.propensity == 0, lists < 0)
    assert np.array_equal(got.items[:, : how.keep], lists[:, : how.keep]) and not got.drawn[:, : how.keep].any()
    assert np.array_equal(got.items[~got.drawn], lists[~got.drawn])
    for row, ranked, able, some in zip(got.items, lists, offered, got.drawn, strict=True):
        shown = row[row >= 0]
        assert len(set(shown)) == len(shown)
        assert np.isin(row[some], able).all() and not np.isin(row[some], ranked).any()
    np.testing.assert_allclose(chance_of(got.items, *given_, how), got.propensity)
    again = filled(seed, how, given_)
    assert np.array_equal(again.items, got.items) and np.array_equal(again.propensity, got.propensity)
    part = explore(lists[3:5], offered[3:5], scores[3:5], np.array([3, 4]), how, seed)
    assert np.array_equal(part.items, got.items[3:5])


def test_a_share_of_zero_changes_no_byte() -> None:
    lists, offered, scores = shop(50, 10, 20, 1)
    got = explore(lists, offered, scores, np.arange(50), Exploration(0.0), seed=1)
    assert got.items.tobytes() == lists.tobytes() and not got.drawn.any()
    assert np.array_equal(got.propensity, (lists >= 0).astype(float))


@pytest.mark.parametrize("temperature", [1.0, INF])
def test_what_was_drawn_so_often_had_that_propensity(temperature: float) -> None:
    """Two places, four things in the pool: all pairs over 60,000 users, against the product of their propensities."""
    users, how = 60_000, Exploration(0.6, keep=1, temperature=temperature)
    lists, pool = np.tile([9, 8, 7], (users, 1)), np.tile([1, 2, 3, 8, 4], (users, 1))
    scores = np.tile([0.5, -0.3, 1.0, 9.0, 0.0], (users, 1))
    got = explore(lists, pool, scores, np.arange(users), how, seed=3)
    pairs, first, times = np.unique(got.items[:, 1:], axis=0, return_index=True, return_counts=True)
    expected = got.propensity[first].prod(axis=1)
    assert len(pairs) == 1 + 4 + 4 + 12 and expected.sum() == pytest.approx(1)
    assert (np.abs(times / users - expected) < 4.5 * np.sqrt(expected * (1 - expected) / users)).all()


def test_propensities_by_hand() -> None:
    """Pool 1 and 2 with scores log 3 and 0: 3/4 and 1/4 of the share, then the one that is left has all of it."""
    given_ = np.array([[9, 8]]), np.array([[1, 2]]), np.log([[3.0, 1.0]])
    how = Exploration(0.4, keep=0, temperature=1.0)
    for shown, chance in (([9, 8], [0.6, 0.6]), ([1, 8], [0.3, 0.6]), ([1, 2], [0.3, 0.4]), ([2, 1], [0.1, 0.4])):
        assert chance_of(np.array([shown]), *given_, how)[0].tolist() == pytest.approx(chance)
    assert chance_of(np.array([[5, 8]]), *given_, how)[0, 0] == 0


def test_scores_far_apart_and_an_empty_pool() -> None:
    how = Exploration(0.5, keep=0, temperature=0.001)
    lists = np.array([[9], [9]])
    got = explore(lists, np.array([[1, 2], [9, -1]]), np.array([[1e6, -1e6], [1.0, 1.0]]), np.arange(2), how, seed=0)
    assert np.isfinite(got.propensity).all() and got.propensity[1, 0] == 1 and got.items[1, 0] == 9


def test_other_nights_and_other_places_draw_anew() -> None:
    keys = np.arange(20_000)
    one, night, place = uniform(1, keys, 2), uniform(2, keys, 2), uniform(1, keys, 3)
    for values in (one, night, place):
        assert abs(values.mean() - 0.5) < 0.01 and values.min() >= 0 and values.max() < 1
    assert max(abs(np.corrcoef(one, other)[0, 1]) for other in (night, place)) < 0.03


@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"share": -0.1}, {"share": 0.1, "temperature": 0.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share|temperature"):
        Exploration(**wrong)


def test_keys_are_the_users_own() -> None:
    keys = keys_of(["ann", "bob", "ann"])
    assert keys[0] == keys[2] != keys[1] and keys.dtype == np.uint64
    assert uniform(20_260_101, keys, 3)[0] == uniform(20_260_101, keys[2:], 3)[0]


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        explore(np.array([[1]]), np.array([[2, -1]]), np.array([[np.nan, 0]]), np.array([0]), Exploration(0.1), 0)
    explore(np.array([[1]]), np.array([[2, -1]]), np.array([[0, np.nan]]), np.array([0]), Exploration(0.1), 0)


def test_candidates_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        explore(np.array([[1]]), np.array([[2, 2]]), np.zeros((1, 2)), np.array([0]), Exploration(0.1), 0)
