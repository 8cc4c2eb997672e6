"""Clicks of people who look at the top more often than below, with the truth at hand."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pytest

from models.metrics import paired_interval
from models.nlp.search import clicks
from models.nlp.search.clicks import Log, NoInterventions
from models.nlp.search.judging import ndcg

PLACES = 6
LOOK = 1 / np.arange(1, PLACES + 1)
QUERIES, ITEMS = 60, 12


@lru_cache
def simulated(sessions: int, shuffled: float, seed: int = 4) -> tuple[Log, np.ndarray]:
    """A shop whose old ranking has little to do with what people want; a share of sessions sees a shuffled list."""
    draw = np.random.default_rng(seed)
    true = draw.beta(1, 3, (QUERIES, ITEMS))
    habit = 0.3 * true + draw.random((QUERIES, ITEMS))
    pairs, places = [], []
    for _ in range(sessions):
        query = int(draw.integers(QUERIES))
        shown = draw.permutation(ITEMS) if draw.random() < shuffled else np.argsort(-habit[query])
        pairs.append(query * ITEMS + shown[:PLACES])
        places.append(np.arange(1, PLACES + 1))
    pair, place = np.concatenate(pairs), np.concatenate(places)
    clicked = draw.random(len(pair)) < LOOK[place - 1] * true.ravel()[pair]
    return Log(pair, place, clicked), true


def test_looks_are_found_from_a_shuffled_slice() -> None:
    log, _ = simulated(40_000, shuffled=0.3)
    assert clicks.looks(log) == pytest.approx(LOOK, rel=0.12)


def test_what_people_want_is_found_behind_the_places() -> None:
    log, true = simulated(40_000, shuffled=0.3)
    seen = np.unique(log.pair)
    corrected = clicks.wanted(log, clicks.looks(log), true.size)
    naive = clicks.wanted(log, np.ones(PLACES), true.size)
    truth = true.ravel()
    assert np.abs(corrected - truth)[seen].mean() < 0.6 * np.abs(naive - truth)[seen].mean()
    assert _agreement(corrected, truth, seen) > _agreement(naive, truth, seen) + 0.04


def _agreement(score: np.ndarray, truth: np.ndarray, seen: np.ndarray) -> float:
    """Share of pairs of products of one query that are in the right order."""
    right = total = 0
    for query in range(QUERIES):
        rows = seen[seen // ITEMS == query]
        ahead = np.sign(score[rows][:, None] - score[rows]) * np.sign(truth[rows][:, None] - truth[rows])
        right += int((ahead > 0).sum())
        total += len(rows) * (len(rows) - 1)
    return right / total


def test_without_any_change_of_places_nothing_is_claimed() -> None:
    log, _ = simulated(2_000, shuffled=0.0)
    with pytest.raises(NoInterventions):
        clicks.looks(log)


def test_the_numbers_of_a_small_log() -> None:
    log = Log(np.array([0, 0, 0, 0, 1]), np.array([1, 1, 2, 2, 2]), np.array([True, True, True, False, False]))
    look = clicks.looks(log)
    assert look == pytest.approx([1.0, 0.5])
    overall = 3 / (2 + 1 + 0.5)
    assert clicks.wanted(log, look, 2) == pytest.approx([(3 + 5 * overall) / (3 + 5), (5 * overall) / (0.5 + 5)])


def test_grades_follow_the_share_of_the_best_of_the_query() -> None:
    found = clicks.grades(np.array([0.4, 0.2, 0.0, 0.1, 0.05]), np.array([0, 0, 0, 1, 1]))
    assert found.tolist() == [4, 3, 0, 4, 3]


def test_a_log_becomes_judged_pairs_whose_order_is_the_true_one() -> None:
    log, true = simulated(40_000, shuffled=0.3)
    table = pa.table(
        {
            "query": [f"q{pair // ITEMS:02}" for pair in log.pair.tolist()],
            "item_id": [f"i{pair % ITEMS:02}" for pair in log.pair.tolist()],
            "place": log.place,
            "clicked": log.clicked,
        }
    )
    found = clicks.judged(table)
    pair = [int(q[1:]) * ITEMS + int(i[1:]) for q, i in zip(*map(pa.Array.to_pylist, _columns(found)), strict=True)]
    grade, query = found["grade"].to_numpy(), np.array(pair) // ITEMS
    assert (np.bincount(query, grade == 4) >= 1).all(), "each query has a best product"
    gain = true.ravel()[pair]
    unbiased = ndcg(grade.astype(float), gain, query, k=5)
    rate = np.bincount(log.pair, log.clicked, true.size) / np.maximum(np.bincount(log.pair, minlength=true.size), 1)
    assert paired_interval(unbiased, ndcg(rate[pair], gain, query, k=5), seed=1)[0] > 0


def _columns(found: pa.Table) -> list[pa.Array]:
    return [found[name].combine_chunks() for name in ("query", "item_id")]
