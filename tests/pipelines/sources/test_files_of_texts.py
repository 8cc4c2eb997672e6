"""Reviews, judged queries, support messages and searches through a YAML mapping, as docs/texts.md shows it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[3] / "docs" / "texts.md"
KEY = "a secret of enough bytes"

REVIEWS = "id,sku,mail,written,stars,headline,words\n"
DESK = "ticket,mail,opened,via,text,about,answer,answered\n"
FILES = {
    "reviews/2026-11-02.csv": REVIEWS
    + 'r1,s1,ann@example.org,02.11.2026 09:00,5,Nice,"Fits,\nand ""soft"""\nr2,s1,,02.11.2026 10:30,1,,\n',
    "reviews/2026-11-03.csv": REVIEWS + "r1,s1,ann@example.org,02.11.2026 09:00,4,Nice,Not so soft\n",
    "judged/2026-11-02.jsonl": '{"search": "red mug", "sku": "s1", "verdict": "exact"}\n'
    '{"search": "红色杯子", "sku": "s2", "verdict": "no"}\n',
    "desk/2026-11-02.csv": DESK + "t1,ann@example.org,2026-11-02T08:00:00Z,mail,Where is it?,,,\n",
    "desk/2026-11-03.csv": DESK
    + "t1,ann@example.org,2026-11-02T08:00:00Z,mail,Where is it?,delivery,On its way.,2026-11-03 09:00:00\n",
    "searches/2026-11-02.csv": "at,visitor,typed,sku,place,what\n2026-11-02 08:00:00,v1,red mug,,,search\n"
    "2026-11-02 08:00:01,v1,red mug,s1,1,shown\n2026-11-02 08:00:05,v1,red mug,s1,1,click\n",
}


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files, and beside them the first YAML block of the page."""
    monkeypatch.setenv("NIGHTMARKET_HASH_KEY", KEY)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = re.search(r"```yaml\n(.+?)```", DOCS.read_text(), re.S)
    assert found
    (tmp_path / "shop.yaml").write_text(found.group(1))
    return tmp_path / "shop.yaml"


def essence(rows: list[dict], *names: str) -> list[tuple]:
    return [tuple(row[name] for name in ("day", *names)) for row in rows]


def test_reviews_and_their_correction(landed: Callable, mapping: Path) -> None:
    reviews = landed("files", mapping, "reviews")
    assert essence(reviews, "review_id", "item_id", "created_at", "rating", "title", "body") == [
        ("2026-11-02", "r1", "s1", "2026-11-02T08:00:00Z", "5", "Nice", 'Fits,\nand "soft"'),
        ("2026-11-02", "r2", "s1", "2026-11-02T09:30:00Z", "1", None, None),
        ("2026-11-03", "r1", "s1", "2026-11-02T08:00:00Z", "4", "Nice", "Not so soft"),
    ]
    assert reviews[0]["user_id"] == reviews[2]["user_id"] != "ann@example.org"


def test_judged_queries(landed: Callable, mapping: Path) -> None:
    judged = landed("files", mapping, "queries")
    assert essence(judged, "query", "item_id", "grade") == [
        ("2026-11-02", "red mug", "s1", "3"),
        ("2026-11-02", "红色杯子", "s2", "0"),
    ]


def test_support_messages_and_their_answer(landed: Callable, mapping: Path) -> None:
    messages = landed("files", mapping, "support_messages")
    assert essence(messages, "message_id", "created_at", "channel", "body", "intent", "reply", "replied_at") == [
        ("2026-11-02", "t1", "2026-11-02T08:00:00Z", "mail", "Where is it?", None, None, None),
        ("2026-11-03", "t1", "2026-11-02T08:00:00Z", "mail", "Where is it?", "delivery", "On its way.",
         "2026-11-03T08:00:00Z"),
    ]  # fmt: skip
    assert messages[0]["user_id"] == messages[1]["user_id"]


def test_searches_keep_query_surface_and_place(landed: Callable, mapping: Path) -> None:
    events = landed("files", mapping, "events")
    assert essence(events, "event_type", "occurred_at", "query", "item_id", "surface", "position") == [
        ("2026-11-02", "search", "2026-11-02T07:00:00Z", "red mug", None, "search", None),
        ("2026-11-02", "impression", "2026-11-02T07:00:01Z", "red mug", "s1", "search", "1"),
        ("2026-11-02", "view", "2026-11-02T07:00:05Z", "red mug", "s1", "search", "1"),
    ]


def test_a_review_without_an_id_gets_one_from_its_row(landed: Callable, mapping: Path) -> None:
    changed = yaml.safe_load(mapping.read_text())
    del changed["entities"]["reviews"]["columns"]["review_id"]
    mapping.write_text(yaml.safe_dump(changed))
    path = mapping.parent / "reviews" / "2026-11-02.csv"
    path.write_text(path.read_text() + "r9,s1,,02.11.2026 10:30,1,,\n")
    before = [r["review_id"] for r in landed("files", mapping, "reviews")]
    assert len(set(before)) == len(before) == 4  # a repeated row is another review
    assert sorted({r["review_id"] for r in landed("files", mapping, "reviews")}) == sorted(before)


def test_no_mail_address_enters(landed: Callable, mapping: Path) -> None:
    for entity in ("reviews", "support_messages"):
        assert "ann@" not in str(landed("files", mapping, entity))
