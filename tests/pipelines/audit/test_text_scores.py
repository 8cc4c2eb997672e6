"""Every rule for what was read out of texts, broken once; a shop without texts is asked nothing."""

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.audit import text_scores
from pipelines.audit.run import audit
from pipelines.audit.text_scores import broken_texts, is_made_of
from pipelines.contracts import RAW_TABLES, TABLES
from pipelines.errors import AuditFailed
from pipelines.fence import take
from pipelines.settings import Settings, night
from pipelines.warehouse import insert, open_warehouse
from tests.pipelines.learning import commit

DAY, BEFORE = date(2024, 1, 2), date(2024, 1, 1)
AT = datetime(2024, 1, 1, tzinfo=UTC)
ORIGIN = {"file": "f", "line": 1, "is_duplicate": False, "created_at": AT}
BODIES = {"r1": "Soft wool. It is warm! Fits me.", "r2": "米饭很好吃。送餐员迟到了。", "r3": "An old text."}


def text(review: str, item: str = "i", **more: Any) -> dict[str, Any]:
    row = {"landing_date": DAY, "review_id": review, "item_id": item, "language": "en"}
    return {**row, "positive_probability": 0.75, "sentiment": "positive", **more}


def sound() -> dict[str, list[dict[str, Any]]]:
    """Rows of each table as a night leaves them; r3 was corrected since."""
    aspect = {"landing_date": DAY, "review_id": "r1", "item_id": "i", "aspect": "quality", "mentions": 1}
    listed = {"query": "wool", "rank": 1, "item_id": "i", "score": 0.5}
    reply = {
        "message_id": "m1", "intent": "size", "intent_confidence": 0.75, "confidence": 0.5,
        "answered_message_id": "m0", "suggested_reply": "Take  the\nlarger one ✓",
    }  # fmt: skip
    nothing = {"message_id": "m2", "intent_confidence": 0.0, "confidence": 0.0, "hand_over": "empty message"}
    return {
        "review_texts": [
            text("r1"), text("r2", sentiment="negative", positive_probability=0.0),
            text("r3", "j", landing_date=BEFORE),
            text("r3", "j", language="unknown", positive_probability=None, sentiment=None),
        ],
        "review_aspects": [{**aspect, "sentiment": -1.0}],
        "item_summaries": [
            {"item_id": "i", "reviews": 2, "summary": "Fits me. Soft wool. 米饭很好吃。"},
            {"item_id": "j", "reviews": 1, "summary": None},
        ],
        "query_products": [listed, {**listed, "rank": 2, "item_id": "j"}, {**listed, "query": "mug"}],
        "reply_suggestions": [reply, {**nothing, "suggested_reply": None, "answered_message_id": None}],
    }  # fmt: skip


def delivered(settings: Settings) -> None:
    """What the rows above were read from."""
    origin = {**ORIGIN, "landing_date": DAY}
    reviews = [{**origin, "review_id": r, "item_id": "j" if r == "r3" else "i", "body": b} for r, b in BODIES.items()]
    commit(settings, "reviews", [*reviews, {**reviews[2], "landing_date": BEFORE}])
    asked = {"m0": "Take  the\nlarger one ✓", "m1": None, "m2": None}
    commit(settings, "support_messages", [{**origin, "message_id": m, "reply": r} for m, r in asked.items()])
    with open_warehouse(settings) as connection:
        products = [
            {"item_id": "i", "landing_date": DAY, "available_from": DAY, "available_to": DAY},
            {"item_id": "j", "landing_date": DAY, "available_from": None, "available_to": None},
        ]
        insert(connection, RAW_TABLES["products"], pa.Table.from_pylist(products))


def filled(settings: Settings, rows: dict[str, list[dict[str, Any]]]) -> None:
    with open_warehouse(settings) as connection:
        for name, members in rows.items():
            table = TABLES[f"scores.{name}"]
            names = [n for n in table.names if any(n in row for row in members)]
            columns = {n: pa.array([row.get(n) for row in members]) for n in names}
            connection.execute(f"delete from {table.name}")
            insert(connection, table, pa.table(columns))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("shop"), shop="shop", top_k=2)
    delivered(settings)
    return settings


def test_what_a_night_leaves_breaks_nothing_on_either_warehouse(either: Settings) -> None:
    delivered(either)
    filled(either, sound())
    found = broken_texts(either, DAY)
    assert len(found) == 24
    assert set(found.values()) == {0}


BROKEN: list[tuple[str, int, dict[str, Any], str]] = [
    ("review_texts", 0, {"positive_probability": 1.5}, "probability is between 0 and 1"),
    ("review_texts", 0, {"positive_probability": float("nan")}, "probability is between 0 and 1"),
    ("review_texts", 0, {"positive_probability": None}, "sentiment is given with its probability"),
    ("review_texts", 0, {"sentiment": None}, "sentiment is given with its probability"),
    ("review_texts", 0, {"sentiment": "mixed"}, "sentiment is given with its probability"),
    ("review_texts", 0, {"language": "xx"}, "language is a known one"),
    ("review_texts", 0, {"language": None}, "language is a known one"),
    ("review_texts", 0, {"item_id": "another"}, "are reviews that were delivered"),
    ("review_aspects", 0, {"sentiment": -1.01}, "sentiment is between -1 and 1"),
    ("review_aspects", 0, {"mentions": 0}, "mentions is at least 1"),
    ("review_aspects", 0, {"mentions": None}, "mentions is at least 1"),
    ("review_aspects", 0, {"aspect": "magic"}, "aspect is one of the lexicon's"),
    ("review_aspects", 0, {"review_id": "r9"}, "are of reviews that were read"),
    ("item_summaries", 1, {"reviews": 2}, "reviews counts the item's reviews"),
    ("item_summaries", 0, {"summary": "Soft wool. It is cold!"}, "sentences of the item's reviews, word for word"),
    ("item_summaries", 0, {"summary": "An old text."}, "sentences of the item's reviews, word for word"),
    ("query_products", 1, {"rank": 3}, "rank is at most 2"),
    ("query_products", 2, {"item_id": "unheard of"}, "item_id is a product on sale"),
    ("query_products", 2, {"score": float("nan")}, "score is given"),
    ("reply_suggestions", 0, {"suggested_reply": "Take the larger one ✓"}, "the one that was given, byte for byte"),
    ("reply_suggestions", 0, {"answered_message_id": "m1"}, "the one that was given, byte for byte"),
    ("reply_suggestions", 0, {"confidence": 1.01}, "replies.confidence is between 0 and 1"),
    ("reply_suggestions", 0, {"intent_confidence": -0.5}, "intent_confidence is between 0 and 1"),
    ("reply_suggestions", 0, {"hand_over": "low confidence"}, "hold a suggestion or a reason to hand over"),
    ("reply_suggestions", 1, {"hand_over": None}, "hold a suggestion or a reason to hand over"),
    ("reply_suggestions", 0, {"answered_message_id": None}, "hold a suggestion or a reason to hand over"),
    ("reply_suggestions", 1, {"message_id": "m0"}, "are for open messages"),
    ("reply_suggestions", 1, {"message_id": "m9"}, "are for open messages"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "row", "change", "rule"), BROKEN)
def test_one_wrong_value_breaks_its_rule(
    shop: Settings, table: str, row: int, change: dict[str, Any], rule: str
) -> None:
    rows = sound()
    rows[table][row] |= change
    filled(shop, rows)
    said = rule.replace("replies.", "reply_suggestions.")
    assert [name.endswith(said) for name, count in broken_texts(shop, DAY).items() if count].count(True) == 1


@pytest.mark.parametrize(
    ("table", "row", "change", "rule"),
    [
        ("review_texts", 0, {}, "has one row per delivery and review"),
        ("query_products", 1, {}, "rank counts from 1 without a gap"),
        ("query_products", 2, {"rank": 2}, "holds an item once per query"),
        ("reply_suggestions", 0, {}, "has one row per message"),
    ],
)
def test_one_row_too_many_breaks_its_rule(
    shop: Settings, table: str, row: int, change: dict[str, Any], rule: str
) -> None:
    rows = sound()
    rows[table].append({**rows[table][row], **change})
    filled(shop, rows)
    assert any(name.endswith(rule) for name, count in broken_texts(shop, DAY).items() if count)


def test_a_review_that_was_not_read_and_an_item_without_reviews(shop: Settings) -> None:
    rows = sound()
    del rows["review_texts"][1]
    rows["item_summaries"].append({"item_id": "k", "reviews": 0, "summary": None})
    filled(shop, rows)
    found = [name.partition("scores.")[2] for name, count in broken_texts(shop, DAY).items() if count]
    assert found == [
        "item_summaries.reviews is at least 1", "review_texts has every review that was delivered",
        "item_summaries.reviews counts the item's reviews",
    ]  # fmt: skip


def test_a_product_that_goes_off_sale_may_not_stand_in_a_list_of_the_next_night(shop: Settings) -> None:
    filled(shop, sound())
    found = broken_texts(shop, date(2024, 1, 3))
    assert {name: count for name, count in found.items() if count} == {
        "scores.query_products.item_id is a product on sale": 2
    }


def test_an_older_night_is_not_asked_what_stands_for_a_newer_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    filled(settings, {"review_texts": [text("nobody knows")]})
    assert broken_texts(settings, DAY)
    with open_warehouse(settings) as connection:
        connection.execute("insert into ops.nights (night) values (?)", [date(2024, 1, 3)])
    assert broken_texts(settings, DAY) == {}


def test_a_broken_rule_stops_the_night_by_name(shop: Settings) -> None:
    rows = sound()
    rows["item_summaries"][0]["summary"] = "<b>Soft</b> wool."
    filled(shop, rows)
    with pytest.raises(AuditFailed, match=r"item_summaries.summary holds sentences .* failed \(found 1\)"):
        audit(shop, "scores", night(DAY), take(shop, "audit-scores", str(DAY)))


def test_a_shop_without_texts_passes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings):
        pass
    monkeypatch.setattr(text_scores, "_load", lambda *_: pytest.fail("read the lake for nothing"))
    started = time.process_time()
    assert broken_texts(settings, DAY) == {}
    assert time.process_time() - started < 0.2


def test_a_summary_is_cut_where_the_reviews_are() -> None:
    bodies = "one two three.\x00four five.\x00six seven."
    assert is_made_of("four five. one two three. six seven.", bodies)
    assert is_made_of("two three.", bodies)
    assert is_made_of("one four six", bodies)  # three pieces, which is as loose as this gets
    assert not is_made_of("one four six two", bodies)
    assert not is_made_of("one two threes", bodies)
    assert not is_made_of("", bodies)
