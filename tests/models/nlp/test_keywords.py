"""Phrases that are learned, and the terms that stand out."""

import math

import pytest

from models.nlp import keywords

ENGLISH = ["memory foam pillow is soft", "the memory foam keeps its shape", "memory foam and value for money"] * 3 + [
    "value for money shape", "soft pillow and shape", "value for money is soft", "the pillow keeps the shape",
] * 3  # fmt: skip
CHINESE = [
    "送餐员态度好",
    "这个送餐员很快",
    "送餐员迟到了",
    "我说送餐员不错",
    "米饭很硬",
    "我的米饭好吃",
    "吃米饭",
    "米饭凉了",
] * 3


def test_phrases_are_words_that_belong_together() -> None:
    phrases = keywords.learn(ENGLISH, "en")
    assert phrases.texts["memory foam"] == 9
    assert phrases.texts["value for money"] == 9
    assert "pillow is" not in phrases.texts
    assert phrases.terms("My memory foam, it is SOFT; value for money!") == ["memory foam", "soft", "value for money"]


def test_chinese_words_are_found_without_spaces() -> None:
    phrases = keywords.learn(CHINESE, "zh")
    assert phrases.texts["送餐员"] == 12
    assert phrases.texts["米饭"] == 12
    assert "送餐" not in phrases.texts, "a part that never stands without the rest"
    assert phrases.terms("送餐员把米饭送来") == ["送餐员", "米饭"]


def test_weights_by_hand_and_in_order() -> None:
    phrases = keywords.Phrases("en", 99, {"soft": 9, "foam": 4, "memory foam": 4})
    soft, foam = math.sqrt(9 / 99) * math.log(100 / 10), math.sqrt(4 / 99) * math.log(100 / 5)
    found = phrases.keywords("soft soft foam memory foam")
    assert [term for term, _ in found] == ["soft", "foam", "memory foam"]
    expected = [2 * soft / math.log(2), foam / math.log(4), foam / math.log(5)]
    assert [weight for _, weight in found] == pytest.approx(expected)
    assert phrases.keywords("foam soft", most=1) == [("foam", pytest.approx(foam / math.log(2)))]
    assert phrases.keywords("") == []


def test_what_is_saved_comes_back() -> None:
    phrases = keywords.learn(ENGLISH, "en")
    assert keywords.restore(phrases.meta()) == phrases
    assert keywords.restore(phrases.meta()).keywords(ENGLISH[0]) == phrases.keywords(ENGLISH[0])
    assert keywords.learn([], "en").keywords("soft") == []
