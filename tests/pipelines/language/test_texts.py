"""The step `texts`: what is new or changed is read, what is not stays, and how one got there makes no difference."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.nlp import keywords, learning, saved
from models.registry import Promotion, promote
from pipelines.contracts import TEXT_TABLES
from pipelines.fence import take
from pipelines.language import deliveries, read_texts
from pipelines.language.reader import FAMILY, LEXICON
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit

GOOD = ("Lovely soft fabric and a perfect fit.", "Great quality, worth the price.", "I love this mug, fast delivery.")
BAD = ("Terrible quality, it broke at once.", "Awful fit and bad fabric.", "I hate it, the delivery was late.")


def review(number: int, item: str, day: int, body: str | None, **more: Any) -> dict[str, Any]:
    """`day`: of the delivery, from MONDAY on."""
    at = datetime.combine(MONDAY + timedelta(day), datetime.min.time(), UTC)
    return {
        "review_id": f"r{number}", "item_id": item, "created_at": at, "body": body, "language": "en",
        "landing_date": MONDAY + timedelta(day), "file": f"f{day}", "line": number, "is_duplicate": False, **more,
    }  # fmt: skip


SHOP = [
    review(1, "mug", 0, GOOD[1]), review(2, "mug", 0, BAD[0]), review(3, "coat", 0, GOOD[0]),
    review(4, "coat", 1, BAD[1]), review(5, "mug", 2, GOOD[2]), review(6, "coat", 3, BAD[2]),
    review(7, "mug", 1, None), review(8, "mug", 1, "Sehr gute Qualität, gerne wieder!", language=None),
]  # fmt: skip


@pytest.fixture
def new_home(tmp_path: Path) -> Callable[[str], Settings]:
    def made(name: str) -> Settings:
        settings = Settings(home=tmp_path / name)
        commit(settings, "reviews", SHOP)
        return settings

    return made


def crown(settings: Settings, until: int = -1) -> None:
    """A champion that has learned which words of these texts are good ones."""
    texts = [f"{text} Number {n}." for n in range(40) for text in (*GOOD, *BAD)]
    model = learning.learn(texts, np.tile([True] * 3 + [False] * 3, 40), "en").model
    named = [f"The {word}." for word in ("quality", "fabric", "delivery", "fit") for _ in range(20)]
    version = saved.save(settings.models / FAMILY, {"en": model}, {"en": keywords.learn(named, "en")})
    day = str(MONDAY + timedelta(until))
    promote(settings.models, Promotion(FAMILY, "linear", version, day, day, "2024-01-01T00:00:00+00:00", "test"))


def read(settings: Settings, day: int = 3) -> dict[str, Any]:
    return read_texts(settings, MONDAY + timedelta(day), take(settings, "texts", "warehouse"))


def content(settings: Settings, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of what was read, by default without the columns that a table hash leaves out."""
    found = {}
    with open_warehouse(settings, read_only=True) as connection:
        for table in TEXT_TABLES:
            columns = ", ".join(names or [n for n in table.names if n not in table.volatile])
            found[table.name] = connection.execute(f"select {columns} from {table.name} order by all").fetchall()
    return found


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_without_a_champion_the_lexicon_finds_aspects_and_no_sentiment(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    said = read(settings)
    assert (said["reviews"], said["deliveries"], said["items"], said["model_name"]) == (8, 4, 2, LEXICON)
    assert query(settings, "select count(*), count(positive_probability) from scores.review_texts") == [(8, 0)]
    found = query(settings, "select aspect, sentiment > 0 from scores.review_aspects where review_id = 'r1' order by 1")
    assert ("quality", True) in found
    assert query(settings, "select item_id, reviews, summary from scores.item_summaries order by 1") == [
        ("coat", 3, None), ("mug", 5, None),
    ]  # fmt: skip


def test_a_champion_reads_sentiment_and_sums_items_up_in_their_own_words(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    crown(settings)
    read(settings)
    found = dict(query(settings, "select review_id, sentiment from scores.review_texts"))
    assert [found[f"r{n}"] for n in range(1, 7)] == [
        "positive", "negative", "positive", "negative", "positive", "negative",
    ]  # fmt: skip
    assert (found["r7"], found["r8"]) == (None, None)  # nothing was written; in a language nobody has learned
    for item, summary in query(settings, "select item_id, summary from scores.item_summaries"):
        own = [row["body"] or "" for row in SHOP if row["item_id"] == item]
        first = min((body for body in own if body and summary.startswith(body)), default="")
        assert first  # each of these bodies is one sentence
    assert query(settings, "select key_phrases from scores.item_summaries order by item_id") == [
        ("fabric, fit, delivery",), ("quality, delivery",),
    ]  # fmt: skip


def test_read_again_nothing_is_read_and_nothing_moves(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    crown(settings)
    read(settings)
    before = content(settings, "*")
    again = read(settings)
    assert (again["reviews"], again["deliveries"], again["items"]) == (0, 0, 0)
    assert content(settings, "*") == before


def test_a_correction_changes_what_depends_on_it_and_no_other_row(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    crown(settings)
    read(settings)
    before = content(settings, "*")
    commit(settings, "reviews", [review(3, "coat", 4, BAD[1])])
    said = read(settings, 4)
    assert (said["reviews"], said["deliveries"], said["items"]) == (1, 1, 1)
    after = content(settings, "*")
    for table in ("scores.review_texts", "scores.review_aspects"):
        assert set(before[table]) < set(after[table])
        assert {row[1] for row in set(after[table]) - set(before[table])} == {"r3"}
    changed = set(after["scores.item_summaries"]) - set(before["scores.item_summaries"])
    assert [row[0] for row in changed] == ["coat"]


def test_nothing_that_is_delivered_later_is_read(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    read(settings, 1)
    assert query(settings, "select max(landing_date) from scores.review_texts") == [(MONDAY + timedelta(1),)]
    assert query(settings, "select reviews from scores.item_summaries order by item_id") == [(2,), (4,)]


def test_night_by_night_and_in_one_pass_end_equal(
    new_home: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = new_home("one"), new_home("other")
    for settings in (one, other):
        crown(settings)
    for day in range(4):
        read(one, day)
    monkeypatch.setattr(deliveries, "ROWS_AT_A_TIME", 2)
    read(other)
    assert content(one) == content(other)
    assert content(one)["scores.review_aspects"]


def test_a_new_champion_reads_everything_again(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    read(settings)
    crown(settings)
    said = read(settings)
    assert (said["reviews"], said["items"]) == (8, 2)
    assert query(settings, "select distinct model_name from scores.review_texts") == [("linear",)]


def test_the_champion_of_a_later_day_does_not_read_an_earlier_night(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    crown(settings, until=3)
    assert read(settings)["model_name"] == LEXICON
    commit(settings, "reviews", [review(9, "mug", 4, GOOD[0])])
    assert read(settings, 4)["model_name"] == "linear"


def test_a_delivery_that_is_gone_takes_its_rows_along(new_home: Callable[[str], Settings]) -> None:
    settings = new_home("home")
    read(settings)
    day = MONDAY + timedelta(3)
    with open_warehouse(settings) as connection:
        connection.execute("insert into ops.read_texts values ('reviews', ?, 'd', 'v', 1)", [day + timedelta(9)])
        connection.execute("insert into scores.item_summaries (item_id, model_version) values ('gone', 'v')")
    read(settings)
    assert query(settings, "select count(*) from ops.read_texts") == [(4,)]
    assert query(settings, "select item_id from scores.item_summaries order by 1") == [("coat",), ("mug",)]


def test_a_shop_without_reviews_costs_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert read_texts(settings, MONDAY, take(settings, "texts", "warehouse"))["note"] == "no reviews"
