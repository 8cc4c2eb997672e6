"""Reciprocal ranks, and NDCG with ties, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nlp.search.fusion import fuse, ranks
from models.nlp.search.judging import folds, ndcg


def test_ranks_are_within_lists_and_equal_scores_share_theirs() -> None:
    scores = np.array([3.0, 1.0, 3.0, 5.0, 0.0])
    lists = np.array([0, 0, 0, 1, 1])
    assert ranks(scores, lists).tolist() == [1.5, 3.0, 1.5, 1.0, 2.0]


def test_fusion_adds_reciprocal_ranks() -> None:
    lists = np.zeros(2, dtype=int)
    fused = fuse([np.array([2.0, 1.0]), np.array([1.0, 2.0])], lists)
    assert fused == pytest.approx([1 / 61 + 1 / 62] * 2)
    assert fuse([np.array([2.0, 1.0])], lists) == pytest.approx([1 / 61, 1 / 62])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30))
def test_the_order_of_rows_changes_no_rank(rows: list[tuple[int, int]]) -> None:
    lists, scores = (np.array(column) for column in zip(*rows, strict=True))
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    assert np.array_equal(ranks(scores[order].astype(float), lists[order]), ranks(scores.astype(float), lists)[order])
    for one in np.unique(lists):
        n = int((lists == one).sum())
        assert ranks(scores.astype(float), lists)[lists == one].sum() == pytest.approx(n * (n + 1) / 2)


def test_ndcg_by_hand() -> None:
    gain, query = np.array([3.0, 0.0, 1.0]), np.zeros(3, dtype=int)
    ideal = 3 + 1 / math.log2(3)
    assert ndcg(np.array([1.0, 3.0, 2.0]), gain, query) == pytest.approx([(1 / math.log2(3) + 3 / 2) / ideal])
    assert ndcg(np.array([1.0, 3.0, 2.0]), gain, query, k=1) == pytest.approx([0.0])
    all_equal = (4 / 3) * (1 + 1 / math.log2(3) + 0.5) / ideal
    assert ndcg(np.zeros(3), gain, query) == pytest.approx([all_equal])


def test_a_query_without_an_answer_counts_nowhere() -> None:
    values = ndcg(np.array([1.0, 2.0]), np.array([0.0, 7.0]), np.array([0, 1]))
    assert np.isnan(values[0]) and values[1] == 1.0


def test_folds_are_even_and_always_the_same() -> None:
    found = folds(23)
    assert sorted(np.bincount(found).tolist()) == [4, 4, 5, 5, 5]
    assert np.array_equal(found, folds(23))
