"""Vectors: of length 1, the same for a text whatever stands beside it, and from packages only where they are there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nlp.search import encoders
from models.nlp.search.encoders import Letters, Multilingual, NoEncoder, Transformer, encoder_for

TEXTS = ["red shoes", "", None, "red shoes", "a longer text about a coffee machine with a wand for steam and a tank"]


@given(st.lists(st.text(max_size=30), max_size=6))
def test_a_text_has_one_vector(texts: list[str]) -> None:
    together = Letters().encode(texts)
    for row, text in zip(together, texts, strict=True):
        assert np.array_equal(Letters().encode([text])[0], row)
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5) or not row.any()


def test_letters_know_a_word_by_its_parts() -> None:
    one, like, other = Letters().encode(["thermometer", "thermometers", "sofa"])
    assert one @ like > 0.6 > 0.3 > one @ other


def test_the_english_encoder_knows_what_words_mean_and_rounds_a_row_alike_in_any_batch() -> None:
    encoder = encoder_for(["red shoes"])
    assert encoder.name == "all-MiniLM-L6-v2"
    sofa, couch, bulb = encoder.encode(["sofa", "couch", "light bulb"])
    assert sofa @ couch > sofa @ bulb + 0.2
    together = encoder.encode(TEXTS)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx([1, 0, 0, 1, 1], abs=1e-5)
    for row in (0, 4):
        assert np.array_equal(encoder.encode(["something else", TEXTS[row]])[1], together[row])


def test_chinese_texts_are_read_by_the_multilingual_encoder() -> None:
    encoder = encoder_for(["红色连衣裙", "lamp"])
    assert isinstance(encoder, Multilingual)
    refund, money, lamp = encoder.encode(["退款什么时候到账", "when will I get my money back", "lamp"])
    assert refund @ money > refund @ lamp
    assert np.linalg.norm(refund) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(encoder.encode(["退款什么时候到账"])[0], refund)


def test_without_packages_letters_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "ENGLISH_PACKAGE", "no_such_package")
    monkeypatch.setattr(encoders, "MULTILINGUAL_PACKAGE", "no_such_package_either")
    assert isinstance(encoder_for(["lamp"]), Letters)
    assert isinstance(encoder_for(["红色"]), Letters)
    assert isinstance(encoder_for([]), Letters)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoEncoder, match=str(tmp_path)):
        Transformer(str(tmp_path))
