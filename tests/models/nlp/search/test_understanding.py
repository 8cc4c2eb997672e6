"""Brands, colours, categories and sizes found in queries, and whether products agree with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nlp.search.catalogue import Catalogue, leaf, steps
from models.nlp.search.understanding import KINDS, Facets, Names
from tests.models.nlp.search.shop import ROWS, catalogue, table

NAMES = Names.of(catalogue())
FACETS = Facets.of(catalogue(), NAMES)


def agree(query: str) -> dict[str, dict[str, float]]:
    understood = [NAMES.understand(query)]
    found = FACETS.agree(understood, np.zeros(len(ROWS), dtype=int), np.arange(len(ROWS)))
    return {kind: dict(zip("abcdefgh", found[:, n].tolist(), strict=True)) for n, kind in enumerate(KINDS)}


def test_english_names_are_found_and_the_rest_is_kept() -> None:
    found = NAMES.understand("Velo red shoes for running 16 gb")
    assert found.named == {("brand", "velo"), ("colour", "red"), ("category", "running"), ("measure", "16gb")}
    assert found.rest == ("shoe", "for", "16", "gb")
    assert NAMES.understand("datafix stick").words() == "brand datafix"


def test_chinese_names_are_found_without_spaces() -> None:
    assert NAMES.understand("花间红色连衣裙").named == {("brand", "花间"), ("colour", "red"), ("category", "连衣裙")}
    assert NAMES.understand("蓝色的牛仔裤").named == {("colour", "blue"), ("category", "牛仔裤")}


def test_the_longest_name_wins() -> None:
    assert NAMES.understand("navy blue socks").named == {("colour", "navy")}
    assert ("brand", "bar uno") in NAMES.understand("bar uno machine").named
    assert NAMES.understand("bar stool").named == frozenset()


def test_a_product_agrees_contradicts_or_does_not_say() -> None:
    colour = agree("red shoes")["colour"]
    assert (colour["a"], colour["b"], colour["d"], colour["g"]) == (1, -1, 0, 1)
    assert np.isnan(list(agree("shoes")["brand"].values())).all()
    size = agree("usb stick 16 GB")["measure"]
    assert (size["e"], size["f"], size["d"]) == (1, -1, 0)
    brand = agree("datafix usb")["brand"]
    assert (brand["e"], brand["a"]) == (1, -1)


@given(st.text(max_size=60))
def test_any_text_is_understood(query: str) -> None:
    found = NAMES.understand(query)
    assert {kind for kind, _ in found.named} <= set(KINDS)
    assert all(n in NAMES.place or n[0] == "measure" for n in found.named)


def test_category_paths_and_double_items() -> None:
    assert steps("Shoes > Running/Road") == ["Shoes", "Running", "Road"]
    assert (leaf(None), leaf("  ")) == ("", "")
    with pytest.raises(ValueError, match="twice"):
        Catalogue.of(table([ROWS[0], ROWS[0]]))
