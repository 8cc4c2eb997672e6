"""The columns of a pair, by hand where that can be done, and what must not change them."""

import numpy as np
import pytest

from models.nlp.search import features
from models.nlp.search.index import head, letters, read
from tests.models.nlp.search.shop import ENCODER, ROWS, index

INDEX = index()
QUERIES = read(INDEX, ENCODER, ["red running shoes", "usb stick 16gb", "红色连衣裙", ""])


def columns(query: int) -> dict[str, np.ndarray]:
    found = features.columns(INDEX, QUERIES, np.full(len(ROWS), query), np.arange(len(ROWS)))
    return dict(zip(features.NAMES, found.T, strict=True))


def test_words_of_the_query_in_the_title() -> None:
    found = columns(0)
    assert found["title_share"][:4] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert found["phrase"][:2].tolist() == [1, 0]
    assert found["longest_run"][:3] == pytest.approx([1, 2 / 3, 1 / 3])
    assert found["pairs_share"][:2] == pytest.approx([1, 0.5])
    assert found["first_at"][:4] == pytest.approx([0, 1 / 3, 0, 1])
    assert found["title_in_query"][:2] == pytest.approx([3 / 5, 2 / 3])
    assert found["any_weight"][2] > found["title_weight"][2], "the rack's description speaks of running shoes"


def test_what_the_product_is_stands_before_what_it_is_for() -> None:
    assert head("Red Running Shoes for Men") == "shoe"
    assert head("Case, leather") == "case"
    assert head(None) == ""
    found = columns(0)
    assert found["last_word_is_head"][:3].tolist() == [1, 1, 0]


def test_places_and_likeness_within_the_list() -> None:
    found = columns(0)
    assert found["bm25_rank"].argmin() == 0
    assert found["cosine_rank"].min() == pytest.approx(0.5 / 8)
    assert found["cosine_rank"].mean() == pytest.approx(0.5), "places share what equal scores have"
    vectors = INDEX.vectors
    assert found["like_all"][0] == pytest.approx((vectors[0] @ vectors[1:].T).mean(), abs=1e-6)
    assert found["cosine_gap"].mean() == pytest.approx(0, abs=1e-6)


def test_no_other_query_and_no_order_of_rows_changes_a_row() -> None:
    query, item = np.repeat(np.arange(4), len(ROWS)), np.tile(np.arange(len(ROWS)), 4)
    together = features.columns(INDEX, QUERIES, query, item)
    alone = features.columns(INDEX, QUERIES, query[:8], item[:8])
    assert together[:8] == pytest.approx(alone, abs=1e-6, nan_ok=True)
    order = np.random.default_rng(3).permutation(len(query))
    assert features.columns(INDEX, QUERIES, query[order], item[order]) == pytest.approx(
        together[order], abs=1e-5, nan_ok=True
    )


def test_blocks_hold_whole_lists_and_change_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    query, item = np.tile(np.arange(4), len(ROWS)), np.repeat(np.arange(len(ROWS)), 4)
    together = features.columns(INDEX, QUERIES, query, item)
    monkeypatch.setattr(features, "PAIRS", 3)
    assert [np.unique(query[rows]).tolist() for rows in features._blocks(query)] == [[0], [1], [2], [3]]
    assert features.columns(INDEX, QUERIES, query, item) == pytest.approx(together, abs=1e-6, nan_ok=True)


def test_an_empty_query_has_numbers_too() -> None:
    found = columns(3)
    unknown = {"popularity", "brand", "colour", "category", "measure"}
    assert all(np.isfinite(values).all() for name, values in found.items() if name not in unknown)
    assert not found["bm25"].any()


def test_letters_leave_spaces_out() -> None:
    rows = letters(["light bulb", "Lightbulb", "shoe", ""])
    assert (rows @ rows.T).toarray()[0] == pytest.approx([1, 1, 0, 0])
