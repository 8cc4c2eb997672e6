"""Aspects and their polarity, by the shipped lexicon and by a small one of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nlp import lexicon
from models.nlp.aspects import LEXICON_WEIGHT, MODEL_WEIGHT, Mention, log_odds, mentions

SMALL = {
    "aspects": {
        "fabric": {"en": {"mentions": ["cloth"], "bad": ["fell apart"]}, "zh": {"mentions": ["布"], "bad": ["起球"]}},
        "price": {"en": {"mentions": ["price"], "good": ["bargain"]}, "zh": {"mentions": ["价"]}},
    },
    "opinions": {
        "en": {"good": ["good"], "bad": ["bad"], "negations": ["not"], "contrasts": ["but"]},
        "zh": {"good": ["好"], "bad": ["差"], "negations": ["不"], "contrasts": ["但是"]},
    },
    "categories": {"food": ["price"]},
}


WORDS = lexicon.build(SMALL)


def read(text: str, language: str, words: lexicon.Lexicon, category: str | None = None) -> dict[str, int]:
    found: dict[str, int] = {}
    for mention in mentions(text, language, words, words.of(category)):
        found[mention.aspect] = found.get(mention.aspect, 0) + mention.score
    return {aspect: (score > 0) - (score < 0) for aspect, score in found.items()}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The cloth is good.", "en", {"fabric": 1}),
        ("The cloth is not good.", "en", {"fabric": -1}),
        ("The cloth is good, but the price is bad.", "en", {"fabric": 1, "price": -1}),
        ("Good cloth but bad price", "en", {"fabric": 1, "price": -1}),
        ("good cloth and bad price", "en", {"fabric": 1, "price": -1}),  # each opinion to the nearest mention
        ("It fell apart.", "en", {"fabric": -1}),
        ("A bargain!", "en", {"price": 1}),
        ("not a bargain", "en", {"price": -1}),
        ("About the cloth: bad.", "en", {"fabric": -1}),
        ("Bad, this cloth", "en", {"fabric": -1}),
        ("The cloth. Good.", "en", {"fabric": 0}),  # another sentence
        ("The cloth, but good", "en", {"fabric": 0}),  # a contrast between
        ("not that I would ever have said so, good cloth", "en", {"fabric": 1}),  # too far to turn it
        ("布好，价差", "zh", {"fabric": 1, "price": -1}),
        ("布不差", "zh", {"fabric": 1}),
        ("布好但是价差", "zh", {"fabric": 1, "price": -1}),
        ("洗一次就起球", "zh", {"fabric": -1}),
        ("nothing of note", "en", {}),
        ("", "en", {}),
        ("good cloth", "xx", {}),
    ],
)
def test_negation_contrast_and_neighbours(text: str, language: str, expected: dict[str, int]) -> None:
    assert read(text, language, WORDS) == expected


def test_a_category_looks_for_its_own_aspects() -> None:
    assert read("good cloth, good price", "en", WORDS, "food") == {"price": 1}
    assert WORDS.of("unknown") == WORDS.of(None) == {"fabric", "price"}


def test_a_clause_is_where_it_says() -> None:
    text = "Nice day. The cloth is bad, but a bargain!"
    found = {mention.aspect: text[mention.start : mention.end].strip() for mention in mentions(
        text, "en", WORDS, frozenset({"fabric", "price"})
    )}  # fmt: skip
    assert found == {"fabric": "The cloth is bad", "price": "but a bargain"}


def test_the_model_weighs_in_by_hand() -> None:
    said = Mention("price", 1, "price", 0, 1)
    assert log_odds(said, None) == LEXICON_WEIGHT
    assert log_odds(said, -1.0) == LEXICON_WEIGHT - MODEL_WEIGHT
    assert log_odds(said, -100.0) == LEXICON_WEIGHT - 3 * MODEL_WEIGHT
    bare = Mention("price", 0, "price", 0, 1)
    assert log_odds(bare, None) is None
    assert log_odds(bare, 0.5) is None
    assert log_odds(bare, -2.0) == -2 * MODEL_WEIGHT
    assert log_odds(Mention("price", 5, "price", 0, 1), None) == 2 * LEXICON_WEIGHT


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({**SMALL, "categories": {"food": ["taste"]}}, "no such aspect: taste"),
        ({**SMALL, "opinions": {"en": {"good": [" "]}}}, "empty"),
    ],
)
def test_a_broken_lexicon_is_refused(broken: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        lexicon.build(broken)


def test_the_shipped_lexicon_has_both_languages_and_no_word_of_both_kinds() -> None:
    words = lexicon.shipped()
    for language in ("en", "zh"):
        terms = words.terms[language]
        assert {aspect for term in terms.values() for aspect, _ in term.aspects} == set(words.aspects)
        both = [text for text, term in terms.items() if term.opinion and any(
            value and value != term.opinion for _, value in term.aspects
        )]  # fmt: skip
        assert both == [], "good and bad at once"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80) | st.lists(st.sampled_from(
    ["not", "good", "cloth", ",", ".", "but", "不", "好", "布", "İ", "’", " ", "\n", "price"]
), max_size=20).map(" ".join), st.sampled_from(["en", "zh"]))  # fmt: skip
def test_any_text_gives_mentions_inside_it(text: str, language: str) -> None:
    for mention in mentions(text, language, WORDS, frozenset({"fabric", "price"})):
        assert 0 <= mention.start <= mention.end <= len(text)
        assert mention.aspect in {"fabric", "price"}
