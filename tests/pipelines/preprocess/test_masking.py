"""Personal data in free text: what is masked, what is left alone, what is missed, and that it is counted."""

import json
import re
from datetime import date

import pytest
from hostile import event
from personal import CHINESE, CLEAN, ENGLISH, MISSED
from pyspark.sql import SparkSession
from test_transforms import checked

from pipelines.contracts import EVENTS, REVIEWS
from pipelines.preprocess.masking import FORMS

MARK = re.compile(r"\[(?:email|card|phone|address)\]")
SECRET = re.compile("«([^»]*)»")


def masked(text: str) -> str:
    """As the engines do it; the expressions are written so that Java, Rust and Python read them alike."""
    for form in FORMS:
        text = re.sub(form.pattern, re.sub(r"\$(\d)", r"\\\1", form.replacement), text)
    return text


def bare(sentence: str) -> str:
    return sentence.replace("«", "").replace("»", "")


def leaks(sentence: str) -> list[str]:
    """The secrets of a sentence of which four characters in a row are left."""
    left = masked(bare(sentence))
    return [s for s in SECRET.findall(sentence) if any(s[n : n + 4] in left for n in range(len(s) - 3))]


@pytest.mark.parametrize("sentence", [*ENGLISH, *CHINESE])
def test_nothing_of_a_secret_is_left_and_the_sentence_around_it_is(sentence: str) -> None:
    assert leaks(sentence) == []
    rest = [part for part in MARK.split(masked(bare(sentence))) if part]
    assert all(part in bare(sentence) for part in rest)
    assert sum(map(len, rest)) >= 1


@pytest.mark.parametrize("sentence", CLEAN)
def test_prices_sizes_dates_and_article_numbers_stay(sentence: str) -> None:
    assert masked(sentence) == sentence


@pytest.mark.parametrize("sentence", MISSED)
def test_what_is_known_to_be_missed(sentence: str) -> None:
    """Fails when a form learns to see one of these: then it moves to the lists above, and out of the documentation."""
    assert masked(sentence) == sentence


def review(number: int, body: str) -> str:
    given = {"review_id": f"r{number}", "item_id": "i", "created_at": "2020-01-02T10:00:00Z", "body": body}
    return json.dumps(given, ensure_ascii=False)


def test_sail_masks_as_python_does_and_counts_by_kind(sail: SparkSession) -> None:
    texts = [bare(sentence) for sentence in (*ENGLISH, *CHINESE, *CLEAN, *MISSED)]
    rows = checked(sail, tuple(review(n, text) for n, text in enumerate(texts)), REVIEWS).orderBy("line").collect()
    assert [row.body for row in rows] == [masked(text) for text in texts]
    for kind in ("email", "card", "phone", "address"):
        assert sum(row[f"masked_{kind}"] for row in rows) == sum(masked(text).count(f"[{kind}]") for text in texts) > 0


def test_a_mark_that_was_typed_by_hand_is_not_counted(sail: SparkSession) -> None:
    (row,) = checked(sail, (review(1, "write to [email] or a@example.org"),), REVIEWS).collect()
    assert (row.body, row.masked_email) == ("write to [email] or [email]", 1)


def test_a_refused_row_is_kept_without_personal_data(sail: SparkSession) -> None:
    lines = ('{"review_id": "r1", "body": "a@example.org"}', '{"review_id": "r2", "body": "b@example.org"')
    rows = checked(sail, lines, REVIEWS).orderBy("line").collect()
    assert [row.reason for row in rows] == ["item_id is missing", "malformed json"]
    assert [row.raw for row in rows] == [
        line.replace("a@example.org", "[email]").replace("b@example.org", "[email]") for line in lines
    ]


def test_a_search_query_is_masked_and_an_event_without_one_keeps_its_text(sail: SparkSession) -> None:
    long_id = "1234 5678 9012 3456"
    lines = (
        event(event_type="search", item_id=None, query="order of a@example.org"),
        event(event_type="teleport", user_id=long_id),
    )
    found, refused = checked(sail, lines, EVENTS).orderBy("line").collect()
    assert (found["query"], found.masked_email) == ("order of [email]", 1)
    assert long_id in refused.raw
    assert found.landing_date == date(2020, 1, 2)
