"""N-grams counted by the compiled loop, against the same counted word by word."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nlp.grams import BUCKETS, LONGEST, RECIPES, WIDTH, counted, encode, weigh

TEXTS = st.lists(st.text("ab c'好吃,👍é\n", max_size=25), min_size=1, max_size=6)


def slow(text: str, recipe: str) -> tuple[Counter, Counter]:
    """Words and their pairs, and groups of letters, as `models.nlp.grams` describes them."""
    text = text.lower()
    words = re.findall(r"[\u3400-\u9fff\u2600-\u27bf]|[^\W\u3400-\u9fff]{2,}|[\U00010000-\U0010ffff]", text)
    low, high = RECIPES[recipe].letters
    parts = [f" {part} " for part in text.split()] if RECIPES[recipe].inside else [text]
    letters = [
        part[n : n + size] for part in parts for size in range(low, high + 1) for n in range(len(part) - size + 1)
    ]
    return Counter(words) + Counter(pairwise(words)), Counter(letters)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.sampled_from(["en", "zh"]))
def test_counts_are_those_of_the_definition(texts: list[str], recipe: str) -> None:
    found = counted(texts, RECIPES[recipe])
    assert found.shape == (len(texts), BUCKETS)
    for row, text in enumerate(texts):
        mine = found[[row]].tocoo()
        buckets, values = mine.coords[1], mine.data
        for expected, inside in zip(slow(text, recipe), (buckets < WIDTH, buckets >= WIDTH), strict=True):
            assert sorted(values[inside]) == sorted(expected.values())


def test_the_same_ngram_has_the_same_bucket_everywhere() -> None:
    one, two = counted(["good shirt", "a very GOOD shirt"], RECIPES["en"])[[0]], counted(["good shirt"], RECIPES["en"])
    assert (one != two).nnz == 0
    both = counted(["good shirt", "very good shirt"], RECIPES["en"]).toarray() > 0
    assert (both[1] >= both[0]).all()
    assert int(counted(["good"], RECIPES["en"]).indices[0]) == GOLDEN, "buckets moved: every saved model would break"


GOLDEN = 42228


def test_what_is_weighed_at_once_equals_the_rows() -> None:
    from models.nlp.linear import tf_idf

    draw = np.random.default_rng(3)
    texts = ["good good shirt", "", "bad shirt, very bad", "好吃 不错 good", "x" * (LONGEST + 50)]
    rarity = np.where(draw.random(BUCKETS) < 0.7, draw.random(BUCKETS), 0).astype(np.float32)
    weights = draw.normal(size=(BUCKETS, 2)).astype(np.float32)
    for recipe in RECIPES.values():
        expected = tf_idf(counted(texts, recipe), rarity) @ weights.astype(np.float64)
        assert weigh(encode(texts), recipe, rarity, weights) == pytest.approx(np.asarray(expected), abs=1e-5)


def test_no_texts_make_no_rows() -> None:
    assert counted([], RECIPES["en"]).shape == (0, BUCKETS)
    assert weigh(encode([]), RECIPES["en"], np.ones(BUCKETS, np.float32), np.ones((BUCKETS, 1), np.float32)).shape == (
        0,
        1,
    )
