"""Pools of readings."""

import numpy as np
import pytest

from models.multimodal.attributes import NONE, fit_weights, pooled, readings_of, softmax, subset
from models.multimodal.configs import FUSED, IMAGE, PHRASES, TEXT

PRESENT = np.array([[True, True, False], [False, True, False], [False, False, False]])


def test_a_pool_by_hand() -> None:
    image, text = np.array([[0.5, 0.5]]), np.array([[0.2, 0.8]])
    fused = np.array([[0.9, 0.1]])
    logs = {IMAGE: np.log(image), TEXT: np.log(text), FUSED: np.log(fused)}
    found = pooled(logs, PRESENT[:1], {"image+text": [1.0, 2.0, 0.5], NONE: [0.0, 0.0]})
    one, other = 0.5 * 0.2**2 * 0.9**0.5, 0.5 * 0.8**2 * 0.1**0.5
    np.testing.assert_allclose(found, [[one / (one + other), other / (one + other)]])


def test_what_is_absent_is_not_read_and_nothing_at_all_is_told_by_the_shares() -> None:
    nan = np.full((3, 2), np.nan)
    text = np.log(np.array([[0.5, 0.5], [0.3, 0.7], [0.5, 0.5]]))
    text[2] = np.nan
    shares = np.log([0.25, 0.75])
    found = pooled({IMAGE: nan, TEXT: text, FUSED: text}, PRESENT, {"text": [1, 0], NONE: list(shares)})
    np.testing.assert_allclose(found[1:], [[0.3, 0.7], [0.25, 0.75]])
    assert np.isnan(found[0]).all(), "a picture that should have been read was not there"


def test_which_readings_a_subset_has() -> None:
    assert subset(PRESENT) == ["image+text", "text", NONE]
    assert readings_of("image+text", [FUSED, TEXT, IMAGE, PHRASES]) == [IMAGE, TEXT, PHRASES, FUSED]
    assert readings_of("image", [FUSED, TEXT, IMAGE, PHRASES]) == [IMAGE, FUSED]


def test_weights_go_to_the_reading_that_knows() -> None:
    draw = np.random.default_rng(3)
    answer = draw.integers(0, 3, 600)
    knows = np.log(softmax(2.0 * (np.arange(3) == answer[:, None]) + draw.standard_normal((600, 3))))
    guesses = np.log(softmax(draw.standard_normal((600, 3))))
    known, guessed = fit_weights([knows, guesses], answer)
    assert known > 1 and guessed == pytest.approx(0, abs=0.15)


def test_two_readings_that_err_apart_are_better_than_either() -> None:
    draw = np.random.default_rng(4)
    answer = draw.integers(0, 3, 1200)
    truth = 1.5 * (np.arange(3) == answer[:, None])
    readings = [np.log(softmax(truth + draw.standard_normal((1200, 3)))) for _ in range(2)]
    weights = fit_weights([r[:600] for r in readings], answer[:600])
    both = sum(w * r[600:] for w, r in zip(weights, readings, strict=True))
    right = [float((logs.argmax(axis=1) == answer[600:]).mean()) for logs in (*(r[600:] for r in readings), both)]
    assert right[2] > max(right[:2]) + 0.03
