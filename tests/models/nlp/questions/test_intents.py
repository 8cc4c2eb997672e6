"""Intents are learned, doubt is said, and what is saved comes back equal."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.artefact import load_artefact, save_artefact
from models.nlp.questions import intents
from models.nlp.questions.grams import Grams, pieces
from models.nlp.questions.intents import TooFew, lowest_threshold
from tests.models.nlp.questions.mail import ENCODER, labelled

TEXTS, LABELS = labelled()
MADE = intents.learn(TEXTS, LABELS, None)


def test_both_languages_are_told_apart_and_the_rest_is_not_known() -> None:
    said = [
        guess.intent for guess in MADE.guess(["where is the parcel", "退款没到账", "sing me a song please", "讲笑话"])
    ]
    assert said == ["delivery", "退款", None, None]


def test_doubt_is_said() -> None:
    for guess in MADE.guess(["", None, "zzz qqq", "🙂🙂", "\x00"]):
        assert guess.intent is None
        assert 0 < guess.confidence < 1


def test_below_the_threshold_nobody_answers() -> None:
    guess = replace(MADE, threshold=0.0).guess(["where is my parcel"])[0]
    assert guess.intent == "delivery"
    assert replace(MADE, threshold=guess.confidence).guess(["where is my parcel"])[0] == guess
    above = replace(MADE, threshold=guess.confidence + 1e-6).guess(["where is my parcel"])[0]
    assert (above.intent, above.confidence) == (None, guess.confidence)


class Telling:
    """Vectors that name the intent outright."""

    name = "telling"

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        known = dict(zip(TEXTS, LABELS, strict=True))
        order = sorted({label or "" for label in LABELS})
        return np.eye(len(order), dtype=np.float32)[[order.index(known.get(text or "") or "") for text in texts]]


class Noise:
    """Vectors that say nothing."""

    name = "noise"

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        rows = [np.random.default_rng(abs(hash_of(text))).normal(size=8) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def hash_of(text: str | None) -> int:
    return int.from_bytes((text or "").encode()[-8:] or b"0", "little")


def test_the_encoder_is_used_only_where_it_is_better_beyond_doubt() -> None:
    assert intents.learn(TEXTS, LABELS, Telling()).encoder is not None
    assert intents.learn(TEXTS, LABELS, Noise()).encoder is None


def test_a_message_is_read_by_itself() -> None:
    alone = MADE.chances(["where is my parcel"])
    beside = MADE.chances(["<script>x</script>", "where is my parcel", "x" * 1_000_000])
    assert np.array_equal(alone[0], beside[1])
    assert beside.sum(axis=1) == pytest.approx([1, 1, 1])


def test_what_is_saved_guesses_the_same(tmp_path: Path) -> None:
    made = intents.learn(TEXTS, LABELS, ENCODER)
    version = save_artefact(tmp_path, made.arrays(), made.meta())
    arrays, meta = load_artefact(tmp_path / version)
    back = intents.restore(arrays, meta["classes"], ENCODER if meta["encoder"] else None)
    assert back.guess(TEXTS) == made.guess(TEXTS)


def test_the_threshold_by_hand() -> None:
    sure = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, True, False, True])
    assert lowest_threshold(sure, right, 0.6) == 0.5  # 4 of 5, and one more wrong: 4 / 6
    assert lowest_threshold(sure, right, 0.7) == 0.7  # 3 / 4
    assert lowest_threshold(sure, right, 0.8) > 1
    assert lowest_threshold(np.array([0.5, 0.5]), np.array([True, False]), 0.5) > 1, "equals stand or fall together"
    assert lowest_threshold(np.zeros(0), np.zeros(0, dtype=bool), 0.5) > 1


def test_too_little_is_refused() -> None:
    with pytest.raises(TooFew, match="3 messages"):
        intents.learn(["a", "b", "c"], ["x", "y", "x"], None)
    with pytest.raises(TooFew, match="1 intents"):
        intents.learn(["a"] * 30, ["x"] * 30, None)


def test_two_intents_are_enough() -> None:
    texts = [f"parcel {n}" for n in range(12)] + [f"refund {n}" for n in range(12)]
    made = intents.learn(texts, ["parcel"] * 12 + ["refund"] * 12, None)
    assert [guess.intent for guess in made.guess(["parcel", "refund"])] == ["parcel", "refund"]


def test_pieces_and_weights_by_hand() -> None:
    assert pieces("red") == ["w:red", "c: re", "c:red", "c:ed ", "c: red", "c:red "]
    assert pieces("退款") == ["w:退款", "c:退", "c:款"]
    grams = Grams.of(["退款", "退"])
    assert grams.idf == pytest.approx([np.log(3 / 2) + 1, 1, np.log(3 / 2) + 1, np.log(3 / 2) + 1])
    row = grams.rows(["退款", "unheard"]).toarray()
    assert np.linalg.norm(row, axis=1) == pytest.approx([1, 0])
