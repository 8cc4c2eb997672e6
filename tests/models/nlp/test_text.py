"""Cleaning, languages, sentences and tokens, of ordinary and of hostile texts."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nlp.text import CHINESE, ENGLISH, LONGEST, OTHER, UNKNOWN, clean, language, languages, sentences, tokens

PIECES = st.sampled_from(
    ["<", ">", "&", "amp;", "lt;", "gt;", "#60;", "script", "/", "<b>", "<!--", "-->", "a", " ", "\x00", "\u200b", "\n",
     "好", "，", "＜", "＞", "👍", "é", "\u202e", "\ud800", "ﷺ", "."]
)  # fmt: skip
NASTY = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("  It&#39;s\n\n<b>great</b>&nbsp;stuff &amp; more ", "It's great stuff & more"),
        ("<script>alert('x')</script>ok", "ok"),
        ("before <script>never closed", "before"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;fine", "fine"),
        ("&amp;amp;lt;i&amp;amp;gt;deep&amp;amp;lt;/i&amp;amp;gt;", "deep"),
        ("＜script＞wide＜/script＞letters", "letters"),
        ("z\u200be\x00r\u00ado\ufeff", "zero"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("I <3 it, 2 < 3 & 4 > 1", "I <3 it, 2 < 3 & 4 > 1"),
        ("<!-- hidden --><style>p{}</style>shown", "shown"),
        ("", ""),
    ],
)
def test_a_text_is_what_a_person_reads(raw: str, read: str) -> None:
    assert clean(raw) == read


@settings(max_examples=300, deadline=None)
@given(NASTY)
def test_cleaning_twice_changes_nothing_and_leaves_no_tag(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not re.search(r"</?[a-zA-Z!?][^<>]*>|<!--|[\x00-\x08\x0e-\x1f\u200b\u202e\ud800-\udfff]", once)
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    "piece", ["<script", "&amp;", "</script", "<a ", "<!--", "&lt;", "a.", "<b>", "\x00", "好", "👍", "&amp;amp;lt;"]
)
def test_a_megabyte_takes_no_longer_than_its_length(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    read = clean(text)
    assert len(read) <= LONGEST
    assert language(read) in (ENGLISH, CHINESE, OTHER, UNKNOWN)
    assert len(sentences(read)) <= LONGEST
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This dress is lovely and it fits", ENGLISH), ("great", ENGLISH), ("Fabulous!", ENGLISH), ("ok", ENGLISH),
        ("很快，好吃，味道足", CHINESE), ("好", CHINESE), ("这件 T-shirt 很好 love it", CHINESE), ("👍很好", CHINESE),
        ("I bought the 小米 phone and it is great", ENGLISH), ("Muy buena calidad, lo recomiendo", OTHER),
        ("C'est très joli", OTHER), ("Ein sehr gutes Produkt", OTHER), ("なかなか良い商品です", OTHER),
        ("отличный товар", OTHER), ("정말 좋아요", OTHER), ("xx", UNKNOWN), ("👍👍", UNKNOWN), ("12345 !!!", UNKNOWN),
        ("", UNKNOWN),
    ],
)  # fmt: skip
def test_the_language_of_a_text(text: str, expected: str) -> None:
    assert language(text) == expected
    assert languages([text, text]) == [expected, expected]


def test_sentences_end_where_people_end_them() -> None:
    text = "Cost $3.5, i.e. cheap. It broke! Why?! 很快,好吃。味道足！量大\nnew line... 真的?不错"
    assert sentences(text) == [
        "Cost $3.5, i.e. cheap.", "It broke!", "Why?!", "很快,好吃。", "味道足！", "量大", "new line...",
        "真的?", "不错",
    ]  # fmt: skip
    assert sentences("... !!! 。") == []


@settings(max_examples=200, deadline=None)
@given(NASTY)
def test_every_sentence_stands_in_the_text_in_order(text: str) -> None:
    at = 0
    for sentence in sentences(text):
        at = text.index(sentence, at) + len(sentence)
    assert "".join(tokens(text)) == "".join(token for sentence in sentences(text) for token in tokens(sentence))


def test_tokens_are_words_and_chinese_characters() -> None:
    assert tokens("Don’t buy the X-200, 质量很差!") == ["don't", "buy", "the", "x-200", "质", "量", "很", "差"]
