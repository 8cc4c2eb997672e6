"""The linear readers: rows by hand, fitted, saved, and never judged on what they learned."""

import math

import numpy as np
import pytest

from models.calibration import auc
from models.nlp import linear
from models.nlp.grams import BITS, BUCKETS, RECIPES, counted
from tests.models.nlp.texts import made

NAMES = [linear.FLOOR, linear.BETTER]


def test_a_row_by_hand() -> None:
    counts = counted(["good good day"], RECIPES["en"])
    rarity = np.zeros(BUCKETS, np.float32)
    words = counts.indices[counts.indices < 1 << BITS]
    rarity[words] = 2.0
    row = linear.tf_idf(counts, rarity)
    # good twice, day once, the pairs good good and good day once: (1 + ln 2), 1, 1, 1
    length = math.sqrt((1 + math.log(2)) ** 2 + 3)
    assert sorted(row.data) == pytest.approx(sorted([(1 + math.log(2)) / length, *[1 / length] * 3]))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_reads_the_same(name: str) -> None:
    texts, positive = made(300)
    counts = counted(texts, RECIPES["en"])
    model = linear.fit(counts, positive, name, "en")
    again = linear.restore(model.arrays(), name, "en")
    other, truth = made(200, seed=2)
    assert np.array_equal(model.margin(other), again.margin(other))
    assert model.margin(texts) == pytest.approx(linear.margins(counts, model), abs=1e-4)
    assert auc(model.margin(other), truth) > 0.85
    assert model.margin([]).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_out_of_fold_has_not_seen_the_label(name: str) -> None:
    texts, positive = made(400)
    counts = counted(texts, RECIPES["en"])
    luck = np.random.default_rng(7).permutation(positive)
    fold = linear.folds(luck, 5)
    blind = linear.out_of_fold(counts, luck, fold, name, "en")
    assert 0.4 < auc(blind, luck) < 0.6
    assert auc(linear.margins(counts, linear.fit(counts, luck, name, "en")), luck) > 0.95


def test_folds_share_out_both_classes_and_repeat() -> None:
    positive = np.arange(103) < 20
    fold = linear.folds(positive, 5)
    assert [int((positive & (fold == n)).sum()) for n in range(5)] == [4] * 5
    assert np.array_equal(fold, linear.folds(positive, 5))
