"""Look-alikes by cosine, and duplicates: by hand, and by property against every pair."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.multimodal.duplicates import DUPLICATES, duplicates
from models.multimodal.lookalike import PRODUCTS, Model, nearest, product_rows, user_vector_rows, user_vectors_schema

BY = Model("graph", "abc")
fast = settings(deadline=None, max_examples=25)


@fast
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_nearest_are_those_of_every_pair(seed: int, k: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.standard_normal((12, 3)).astype(np.float32) * draw.integers(1, 9, (12, 1))
    vectors[draw.integers(12)] = 0
    found = nearest(vectors, np.arange(12), k)
    length = np.linalg.norm(vectors, axis=1)
    for row in range(12):
        others = [other for other in range(12) if other != row and length[other] and length[row]]
        cosines = {other: vectors[row] @ vectors[other] / length[row] / length[other] for other in others}
        best = sorted(cosines.values(), reverse=True)[:k]
        shown = [place for place in found.index[row] if place >= 0]
        assert len(shown) == len(best) and row not in shown
        np.testing.assert_allclose([cosines[place] for place in shown], best, atol=1e-5)


def test_rows_of_look_alike_products() -> None:
    vectors = np.array([[1, 0], [2, 0.1], [0, 3], [0, 0]], np.float32)
    rows = product_rows(pa.array(["a", "b", "c", "none"]), vectors, BY, k=2)
    assert rows.schema == PRODUCTS
    shown = [(r["item_id"], r["rank"], r["lookalike_item_id"]) for r in rows.to_pylist()]
    assert shown == [("a", 1, "b"), ("a", 2, "c"), ("b", 1, "a"), ("b", 2, "c"), ("c", 1, "b"), ("c", 2, "a")]
    assert rows["similarity"][0].as_py() == pytest.approx(2 / (2**2 + 0.1**2) ** 0.5, abs=1e-5)
    gone = product_rows(pa.array(["a", "b", "c", "none"]), vectors, BY, 2, np.array([True, False, True, True]))
    assert "b" not in gone["lookalike_item_id"].to_pylist() and "b" in gone["item_id"].to_pylist()


def test_rows_of_user_vectors_are_lists_of_one_size_and_nobody_without_a_vector_has_one() -> None:
    vectors = np.array([[0.5, -1], [0, 0], [2, 3]], np.float32)
    rows = user_vector_rows(pa.array(["ann", "bob", "cid"]), vectors, BY)
    assert rows.schema == user_vectors_schema(2)
    assert rows["user_id"].to_pylist() == ["ann", "cid"] and rows["vector"].to_pylist() == [[0.5, -1.0], [2.0, 3.0]]
    assert set(rows["dimension"].to_pylist()) == {2}
    assert user_vector_rows(pa.array([], pa.string()), np.empty((0, 2), np.float32), BY).num_rows == 0


def test_the_same_thing_twice_is_a_duplicate_and_a_variant_is_not() -> None:
    titles = ["Red enamel mug", "red  ENAMEL mug.", "Blue enamel mug", "Red enamel mug 350 ml", "Rope", None]
    vectors = np.tile(np.array([[1, 0.0]], np.float32), (6, 1))
    vectors[4:] = [0, 1]
    rows = duplicates(pa.array(list("abcdef")), vectors, pa.array(titles), BY)
    assert rows.schema == DUPLICATES
    pairs = {(r["item_id"], r["duplicate_item_id"]): r["title_overlap"] for r in rows.to_pylist()}
    assert pairs == {("a", "b"): 1.0, ("e", "f"): 0.0}  # what has no title is told apart by nothing but its vector


def test_a_pair_needs_a_cosine_that_is_high_enough_and_comes_once() -> None:
    angle = np.arccos(0.96)
    vectors = np.array([[1, 0], [np.cos(angle), np.sin(angle)]], np.float32)
    ids, titles = pa.array(["b", "a"]), pa.array(["mug", "mug"])
    assert duplicates(ids, vectors, titles, BY).num_rows == 0
    rows = duplicates(ids, vectors, titles, BY, least=0.95).to_pylist()
    assert [(r["item_id"], r["duplicate_item_id"]) for r in rows] == [("a", "b")]
    assert rows[0]["similarity"] == pytest.approx(0.96, abs=1e-5)
