"""Lists for head queries, the table of vectors from night to night, and a user's own order."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nlp.search import features, night, relevance
from models.nlp.search.catalogue import Catalogue
from models.nlp.search.embedded import embedded, matrix
from models.nlp.search.encoders import Letters
from models.nlp.search.index import build, read
from tests.models.nlp.search.shop import ENCODER, index, table

INDEX = index()
HOSTILE = ["'; drop table marts.x; --", "<script>alert(1)</script>", "\x00\x00", "🙂" * 50, "x" * 1_000_000, "", "   "]


def lists(queries: list[str]) -> dict[str, list[str]]:
    found = night.query_products(INDEX, ENCODER, queries, None).to_pylist()
    return {query: [row["item_id"] for row in found if row["query"] == query] for query in queries}


def test_the_first_product_is_the_one_that_was_meant() -> None:
    queries = ["red running shoes", "usb stick 64 gb", "espresso", "红色连衣裙"]
    found = lists(queries)
    assert [found[query][0] for query in queries] == ["a", "f", "d", "g"]
    rows = night.query_products(INDEX, ENCODER, queries, None).to_pylist()
    first = {row["query"]: row for row in rows if row["rank"] == 1}
    assert first["red running shoes"]["matched"] == "category running; colour red; words red run shoe"
    assert first["usb stick 64 gb"]["matched"] == "measure 64gb; words usb stick 64gb"


def test_another_colour_moves_down_and_stays() -> None:
    queries = read(INDEX, ENCODER, ["blue running shoes"])
    query, item = night.candidates(INDEX, queries)
    columns = features.columns(INDEX, queries, query, item)
    plain, soft = columns[:, features.NAMES.index("fusion")], night.softened(columns, query)
    red = item.tolist().index(0)
    assert soft[red] == pytest.approx(plain[red] / 2, rel=1e-5)
    assert "a" in lists(["blue running shoes"])["blue running shoes"]


def test_ranks_count_from_one_and_lists_end() -> None:
    found = night.query_products(INDEX, ENCODER, ["shoes", "shoes", "storage"], None, places=2)
    rows = found.to_pylist()
    assert [(row["query"], row["rank"]) for row in rows] == [
        ("shoes", 1), ("shoes", 2), ("storage", 1), ("storage", 2),
    ]  # fmt: skip
    assert found.schema == night.SCHEMA


def test_hostile_queries_change_no_other_list() -> None:
    alone = night.query_products(INDEX, ENCODER, ["running shoes"], None)
    beside = night.query_products(INDEX, ENCODER, ["running shoes", *HOSTILE], None)
    kept = [row for row in beside.to_pylist() if row["query"] == "running shoes"]
    assert kept == alone.to_pylist()


def test_a_model_decides_where_there_is_one() -> None:
    draw = np.random.default_rng(1)
    columns = draw.normal(size=(400, len(features.NAMES))).astype(np.float32)
    grade = (columns[:, features.NAMES.index("bm25_title")] > 0).astype(int)
    model = relevance.learn(columns, grade, np.repeat(np.arange(20), 20))
    rows = night.query_products(INDEX, ENCODER, ["running shoes"], model).to_pylist()
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    queries = read(INDEX, ENCODER, ["running shoes"])
    query, item = night.candidates(INDEX, queries)
    score = model.score(features.columns(INDEX, queries, query, item))
    assert rows[0]["item_id"] == INDEX.catalogue.item_id[item[score.argmax()]]


def test_an_empty_shop_has_empty_lists() -> None:
    empty = Catalogue.of(table()[:0])
    built = build(empty, np.zeros((0, 512), np.float32))
    assert night.query_products(built, ENCODER, ["shoes"], None) == night.SCHEMA.empty_table()
    vectors, read_ = embedded(empty, ENCODER)
    assert (len(vectors), read_) == (0, 0)


# ---- vectors from night to night -------------------------------------------------------------------------------


class Counting:
    """Letters, and how many texts were read."""

    def __init__(self, name: str = Letters.name) -> None:
        self.name = name
        self.read = 0

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        self.read += len(texts)
        return ENCODER.encode(texts)


titles = st.lists(st.sampled_from(["lamp", "red lamp", "shoe", "", "灯"]), min_size=1, max_size=8)


def shop(of: list[str]) -> Catalogue:
    return Catalogue.of(pa.table({"item_id": [f"i{n}" for n in range(len(of))], "title": pa.array(of, pa.string())}))


@settings(max_examples=40)
@given(titles, titles)
def test_a_night_after_another_ends_equal_to_a_whole_run(before: list[str], after: list[str]) -> None:
    known, _ = embedded(shop(before), ENCODER)
    counting = Counting()
    found, new = embedded(shop(after), counting, known)
    assert found == embedded(shop(after), ENCODER)[0]
    same = sum(one == other for one, other in zip(before, after, strict=False))
    assert new == counting.read == len(after) - same


def test_vectors_of_another_encoder_are_not_taken_over() -> None:
    known, _ = embedded(shop(["lamp"]), ENCODER)
    other = Counting("another")
    assert embedded(shop(["lamp"]), other, known)[1] == 1
    assert matrix(known) == pytest.approx(ENCODER.encode(["lamp"]))


# ---- a user's own order ----------------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=10), st.integers(0, 99))
def test_strength_zero_is_the_plain_order(score: list[float], seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors, user = draw.normal(size=(len(score), 4)).astype(np.float32), draw.normal(size=4).astype(np.float32)
    plain, query = np.array(score), np.zeros(len(score), dtype=int)
    moved = night.personal(plain, vectors, user, query, 0.0)
    assert np.array_equal(np.argsort(-moved, kind="stable"), np.argsort(-plain, kind="stable"))


def test_a_taste_moves_a_product_and_never_across_queries() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    score, query = np.array([2.0, 1.0, 2.0, 1.0]), np.array([0, 0, 1, 1])
    moved = night.personal(score, vectors, np.array([0, 1], np.float32), query, 1.0)
    assert moved == pytest.approx([1.0, 1.5, 1.0, 1.5])
    slight = night.personal(score, vectors, np.array([0, 1], np.float32), query, 0.1)
    assert slight[0] > slight[1]
    with pytest.raises(ValueError, match="strength"):
        night.personal(score, vectors, vectors[0], query, 1.5)
