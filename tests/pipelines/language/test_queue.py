"""Suggested replies and products for queries: as of the night, equal when made again, gone when they are not needed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.fence import take
from pipelines.language import read_texts
from pipelines.language.queries import head_queries
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit, fill_products

ASKED = {
    "delivery": ("Where is my parcel, it should be here", "It is on its way and will be with you soon."),
    "refund": ("I want my money back for this order", "We have sent the money back to your card today."),
    "size": ("Which size should I take of this jacket", "Please take one size larger than usual."),
}

RARE = (
    "Do you sell kayaks", "May I park a lorry", "Who painted the wall", "Is there a museum near", "Can dogs enter",
    "Have you got a job", "When does summer begin", "My uncle knows Peter", "The website has a typo", "Do you dance",
    "Which bank owns you", "Can I film inside", "Are mushrooms vegan", "I lost an umbrella", "Why is the sky blue",
)  # fmt: skip


def message(number: int, kind: str, day: int, reply: bool, at: int = 0) -> dict[str, Any]:
    """`day`: of the delivery; `at`: of the message."""
    body, answer = ASKED[kind]
    return {
        "message_id": f"m{number:03d}",
        "created_at": datetime.combine(MONDAY + timedelta(at), datetime.min.time(), UTC),
        "body": f"{body} number {number}?", "intent": kind if reply else None, "reply": answer if reply else None,
        "landing_date": MONDAY + timedelta(day), "file": f"f{day}", "line": number, "is_duplicate": False,
    }  # fmt: skip


def search(number: int, query: str, session: str, day: int, landed: int | None = None) -> dict[str, Any]:
    date = MONDAY + timedelta(day)
    return {
        "event_id": f"e{number}", "event_type": "search", "query": query, "session_id": session, "event_date": date,
        "occurred_at": datetime.combine(date, datetime.min.time(), UTC), "file": "f", "line": number,
        "landing_date": MONDAY + timedelta(day if landed is None else landed), "is_duplicate": False,
    }  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, top_k=3)
    kinds = list(ASKED)
    commit(settings, "support_messages", [message(n, kinds[n % 3], 0, reply=True) for n in range(60)])
    # Questions that nobody else asks: what the best answer to one is worth is learned from them.
    rare = [
        {
            **message(200 + n, "size", 0, reply=True),
            "body": body,
            "reply": f"Reply {n} says {' '.join(body.split()[::-1])}",
        }
        for n, body in enumerate(RARE)
    ]
    commit(settings, "support_messages", [{**row, "intent": None} for row in rare])
    commit(settings, "support_messages", [message(100, "refund", 1, reply=False, at=1)])
    titles = ("red ceramic mug", "blue ceramic mug", "warm winter jacket", "garden spade")
    fill_products(settings, [{"item_id": f"i{n}", "title": title} for n, title in enumerate(titles)])
    commit(settings, "events", [
        search(1, "Mug ", "s1", 0), search(2, "mug", "s2", 0), search(3, "jacket", "s3", 1),
        search(4, "late", "s4", 0, landed=2), search(5, "mug", "s1", 0),
    ])  # fmt: skip
    return settings


def read(settings: Settings, day: int) -> dict[str, Any]:
    return read_texts(settings, MONDAY + timedelta(day), take(settings, "texts", "warehouse"))


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_an_open_message_gets_an_answer_that_was_given_to_a_like_one(shop: Settings) -> None:
    read(shop, 1)
    sql = "select message_id, intent, suggested_reply, hand_over from scores.reply_suggestions"
    assert query(shop, sql) == [("m100", None, ASKED["refund"][1], None)]  # nobody has learned intents yet


def test_a_message_that_was_answered_waits_no_longer(shop: Settings) -> None:
    read(shop, 1)
    commit(shop, "support_messages", [message(100, "refund", 2, reply=True, at=1)])
    read(shop, 2)
    assert query(shop, "select count(*) from scores.reply_suggestions") == [(0,)]


def test_what_is_delivered_later_is_not_known(shop: Settings) -> None:
    assert read(shop, 0)["reply_suggestions"] == 0
    assert head_queries(shop, MONDAY) == ["mug"]
    assert head_queries(shop, MONDAY + timedelta(1)) == ["mug", "jacket"]
    assert head_queries(shop, MONDAY + timedelta(2)) == ["mug", "jacket", "late"]


def test_products_for_what_is_looked_for(shop: Settings) -> None:
    read(shop, 1)
    found = query(shop, "select query, rank, item_id, matched from scores.query_products order by query, rank")
    assert {row[2] for row in found if row[0] == "mug" and row[1] <= 2} == {"i0", "i1"}
    assert next(row for row in found if row[:2] == ("jacket", 1))[2:] == ("i2", "words jacket")


def test_made_again_it_is_equal_whether_the_vectors_were_kept_or_not(shop: Settings) -> None:
    names = "query, rank, item_id, score, matched, model_version"
    read(shop, 1)
    first = query(shop, f"select {names} from scores.query_products order by all")
    read(shop, 1)
    assert query(shop, f"select {names} from scores.query_products order by all") == first
    (shop.models / "vectors" / "text.parquet").write_bytes(b"torn")
    read(shop, 1)
    assert query(shop, f"select {names} from scores.query_products order by all") == first


def test_a_product_that_is_off_sale_is_in_no_list(shop: Settings) -> None:
    fill_products(
        shop, [{"item_id": "i2", "title": "warm winter jacket", "available_to": MONDAY}], MONDAY + timedelta(1)
    )
    read(shop, 1)
    assert query(shop, "select count(*) from scores.query_products where item_id = 'i2'") == [(0,)]
