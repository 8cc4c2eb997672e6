"""What products say as vectors: by hand, and the nearest ones against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.recommender.content import SHARES, nearest
from tests.models.shop import said

WORDS = ["red", "mug", "blue", "kettle", "thermometer", "größe", "袜子"]
fast = settings(deadline=None, max_examples=25)


def cosines(content: sparse.csr_array) -> np.ndarray:
    return (content @ content.T).toarray()


def test_words_count_by_how_rare_they_are() -> None:
    """Titles without letter groups in common: "ab" and "cd" are in two of three titles, "ef" in one."""
    content = said(["ab", "ab cd", "cd ef"])
    # Each word brings " ab" and "ab " and " ab " beside itself: four features of equal weight.
    common, rare = math.log(4 / 3) + 1, math.log(4 / 2) + 1
    found = cosines(content)
    assert found[0, 1] == pytest.approx(1 / math.sqrt(2))
    assert found[1, 2] == pytest.approx(common**2 / math.sqrt(2 * common**2) / math.sqrt(common**2 + rare**2))
    assert found[0, 2] == pytest.approx(0)


def test_a_word_in_another_form_is_nearly_the_same_word() -> None:
    found = cosines(said(["garden thermometer", "garden thermometers", "garden chair"]))
    assert found[0, 1] > 0.75 > 0.5 > found[0, 2]


def test_kinds_of_statements_count_by_their_shares() -> None:
    found = cosines(said(["ab", "cd"], category_path=["home > mugs", "home > mugs"], price=[4.0, 4.0]))
    alike, whole = SHARES["category"] + SHARES["price"], sum(SHARES[n] for n in ("title", "category", "price"))
    assert found[0, 1] == pytest.approx(alike / whole)


def test_a_category_counts_as_far_as_the_paths_agree() -> None:
    paths = ["home > kitchen > mugs", "home > kitchen > pots", "home > garden", "toys"]
    found = cosines(said([None] * 4, category_path=paths))
    assert 1 > found[0, 1] > found[0, 2] > 0 == found[0, 3]


def test_prices_are_alike_within_an_octave() -> None:
    found = cosines(said([None] * 4, price=[4.0, 4.0, 5.0, 16.0]))
    assert found[0, 1] == pytest.approx(1)
    assert 1 > found[0, 2] > 0.5
    assert found[0, 3] == pytest.approx(0)


def test_a_brand_says_more_within_a_category() -> None:
    found = cosines(said([None] * 3, brand=["Acme", " acme", "acme"], category_path=["phones", "phones", "irons"]))
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 1] > found[0, 2] > 0


def test_who_says_nothing_is_like_nobody() -> None:
    content = said(["red mug", None, ""], attributes=[None, [], [("size", "L")]])
    assert np.diff(content.indptr).tolist()[1] == 0
    assert content.dtype == np.float32
    assert (content**2).sum(axis=1).tolist() == pytest.approx([1, 0, 1])
    assert said([]).shape[0] == 0


@fast
@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), min_size=1, max_size=12),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3]),
)
def test_the_nearest_are_those_of_a_plain_sort(titles: list[str], k: int, least: float) -> None:
    content = said(titles)
    among = np.arange(len(titles)) % 3 != 1
    found, whole = nearest(content, np.arange(len(titles)), among, k, least).toarray(), cosines(content)
    for item, row in enumerate(found):
        usable = [j for j in np.flatnonzero(among) if j != item and whole[item, j] >= max(least, 1e-6)]
        best = sorted(usable, key=lambda j, item=item: (-round(float(whole[item, j]), 5), j))[:k]
        assert sorted(row[row > 0], reverse=True) == pytest.approx([whole[item, j] for j in best], abs=1e-5)
        assert not row[~among].any()


def test_the_order_of_the_catalogue_does_not_matter() -> None:
    titles = ["red mug", "blue mug", "kettle"]
    assert np.allclose(cosines(said(titles))[::-1, ::-1], cosines(said(titles[::-1])))
