"""BM25 over fields, by hand."""

import math

import numpy as np
import pytest

from models.nlp.search import bm25

TITLES = ["red shoe", "red red lamp", "lamp", None]
TEXTS = ["good lamp", None, None, "shoe"]


def test_one_field_gives_the_formula() -> None:
    built = bm25.build({"title": TITLES[:3]})
    mean, b = 2.0, bm25.SHORTEN["title"]
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))

    def expected(tf: int, length: int) -> float:
        w = 3.0 * tf / (1 - b + b * length / mean)
        return idf * w * 2.2 / (1.2 + w)

    scores = built.search(built.asked(["red"])).toarray()[0]
    assert scores == pytest.approx([expected(1, 2), expected(2, 3), 0.0], rel=1e-6)


def test_a_field_with_more_weight_decides() -> None:
    built = bm25.build({"title": TITLES, "description": TEXTS})
    scores = built.search(built.asked(["lamp"])).toarray()[0]
    assert scores[2] > scores[1] > scores[0] > scores[3] == 0


def test_pairs_equal_the_search_and_fields_are_told_apart() -> None:
    built = bm25.build({"title": TITLES, "description": TEXTS})
    asked = built.asked(["red lamp", "shoes", "", "unheard"])
    query, document = np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4)
    pairs = built.pairs(asked, query, document)
    assert pairs[:, 0].reshape(4, 4) == pytest.approx(built.search(asked).toarray())
    assert pairs[3 + 4, 1] == 0 < pairs[3 + 4, 2]
    assert not pairs[8:].any()


def test_what_is_saved_comes_back_equal() -> None:
    built = bm25.build({"title": [*TITLES, "红色连衣裙"], "description": [*TEXTS, None]})
    back = bm25.restore(built.arrays())
    assert back.vocabulary == built.vocabulary
    for query in ("red lamp", "连衣裙"):
        asked = built.asked([query])
        assert (back.search(back.asked([query])) != built.search(asked)).nnz == 0
        rows = np.arange(5)
        assert np.array_equal(back.pairs(asked, rows * 0, rows), built.pairs(asked, rows * 0, rows))


def test_a_field_nobody_weighed_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        bm25.build({"colour": ["red"]})
