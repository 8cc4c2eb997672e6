"""Search and intents learned from the shop's own: judged on what nothing was learned from, used by nights after it."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.nlp.search import saved as orders
from models.registry import champion_as_of
from pipelines import cli
from pipelines.errors import NightmarketError, UsageError
from pipelines.fence import take
from pipelines.language import read_texts
from pipelines.language.intent_training import filed
from pipelines.language.judged import click_log, clicked_pairs, judged_pairs
from pipelines.language.trial import FLOOR, LEARNED
from pipelines.promotion import promote
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.training_run import Choices
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit, fill_products

pytestmark = pytest.mark.xdist_group("families")  # one worker makes what the tests of this file share

COLOURS = ("red", "blue", "green", "black", "white", "yellow")
KINDS = ("mug", "lamp", "chair", "jacket", "kettle")
ITEMS = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS]
EXTRAS = [f"{colour} {kind} holder" for colour in COLOURS for kind in KINDS]
EXAMINED = (1.0, 0.6, 0.4, 0.3)


def grade(query: str, title: str) -> int:
    """3 for the thing itself, 1 for one of another colour, 0 for what is made to hold it: words alone do not say so."""
    if "holder" in title:
        return 0
    return 3 if query == title else 1 if query.split()[1] == title.split()[1] else 0


def judgements(queries: list[str], day: int) -> list[dict[str, Any]]:
    landed = {"landing_date": MONDAY + timedelta(day), "file": f"f{day}", "is_duplicate": False}
    rows = []
    for query in queries:
        near = [title for title in (*ITEMS, *EXTRAS) if set(query.split()) & set(title.split())]
        rows += [{"query": query, "item_id": title, "grade": grade(query, title), **landed} for title in near]
    return [{**row, "line": n} for n, row in enumerate(rows)]


def looks(queries: list[str], sessions: int, seed: int = 1) -> list[dict[str, Any]]:
    """Sessions that were shown four products in any order, and viewed what they looked at and wanted."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(sessions):
        query = queries[number % len(queries)]
        colour, kind = query.split()
        other = COLOURS[(COLOURS.index(colour) + 1) % 6], KINDS[(KINDS.index(kind) + 1) % 5]
        shown = [query, f"{query} holder", f"{other[0]} {kind}", f"{colour} {other[1]}"]
        at = datetime.combine(MONDAY + timedelta(number % 20), datetime.min.time(), UTC)
        for place, n in enumerate(draw.permutation(4).tolist()):
            item = shown[n]
            base = {
                "session_id": f"s{number}", "query": query.upper(), "item_id": item, "position": place + 1,
                "occurred_at": at, "event_date": at.date(), "landing_date": at.date(), "file": "f",
                "is_duplicate": False,
            }  # fmt: skip
            kinds = ["impression"]
            if draw.random() < EXAMINED[place] * (0.05, 0.3, 0.3, 0.9)[grade(query, item)]:
                kinds.append("view")
            rows += [{**base, "event_type": kind} for kind in kinds]
    return [{**row, "event_id": f"e{n}", "line": n} for n, row in enumerate(rows)]


def catalogue(settings: Settings) -> None:
    fill_products(settings, [{"item_id": title, "title": title} for title in (*ITEMS, *EXTRAS)])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"), top_k=5)
    catalogue(settings)
    commit(settings, "queries", judgements(ITEMS[:24], 0))
    return settings


@pytest.fixture(scope="module")
def ordered(shop: Settings) -> dict[str, Any]:
    return train(shop, "search", MONDAY + timedelta(1))


def test_a_learned_order_is_judged_on_queries_it_has_not_seen(ordered: dict[str, Any]) -> None:
    found = {(row["model_name"], row["slice"]): row for row in ordered["metrics"]}
    assert found[LEARNED, "judged"]["users"] == 24
    assert found[LEARNED, "judged"]["value"] > found[FLOOR, "judged"]["high"]
    assert "learned from judged pairs" in ordered["note"]


def test_trained_again_the_order_is_the_same(shop: Settings, ordered: dict[str, Any]) -> None:
    assert train(shop, "search", MONDAY + timedelta(1))["versions"] == ordered["versions"]


def test_the_champion_orders_the_nights_after_what_it_knows(shop: Settings, ordered: dict[str, Any]) -> None:
    done = promote(shop, "search")
    assert done["promoted"]
    assert "it earned its place" in done["verdict"]
    asked = [
        {
            "event_id": f"q{day}", "event_type": "search", "query": "yellow kettle", "session_id": f"q{day}",
            "line": day,
            "event_date": MONDAY + timedelta(day), "landing_date": MONDAY + timedelta(day), "file": "f",
            "occurred_at": datetime.combine(MONDAY + timedelta(day), datetime.min.time(), UTC), "is_duplicate": False,
        }
        for day in (1, 2)
    ]  # fmt: skip
    commit(shop, "events", asked)
    lists = {}
    for day in (1, 2):
        read_texts(shop, MONDAY + timedelta(day), take(shop, "texts", "warehouse"))
        with open_warehouse(shop, read_only=True) as connection:
            rows = connection.execute("select item_id, model_name from scores.query_products order by rank").fetchall()
            vectors = connection.execute("select count(*), min(dimension), max(len(vector)) from scores.item_vectors")
            assert vectors.fetchone() == (len(ITEMS) + len(EXTRAS), 384, 384)
        assert {name for _, name in rows} == {orders.FUSED if day == 1 else orders.TRAINED}
        lists[day] = [item for item, _ in rows]
    assert lists[2][0] == "yellow kettle"  # nobody has judged this query
    assert not any("holder" in item for item in lists[2][:5])
    assert any("holder" in item for item in lists[1][:5])


def test_a_later_run_holds_the_champion_against_queries_that_are_new_to_it(
    shop: Settings, ordered: dict[str, Any]
) -> None:
    commit(shop, "queries", judgements([*ITEMS[24:], *(f"{query} sale" for query in ITEMS[:20])], 3))
    again = train(shop, "search", MONDAY + timedelta(4))
    parts = {(row["model_name"], row["slice"]): row["users"] for row in again["metrics"]}
    assert parts["champion", "new_queries"] == 26
    assert promote(shop, "search", dry_run=True)["champion"]["model_version"] == ordered["versions"][LEARNED]


def test_only_what_was_known_that_day_is_learned_from(shop: Settings) -> None:
    pairs, first = judged_pairs(shop, MONDAY + timedelta(1))
    assert set(pairs.query) <= set(ITEMS[:24])
    assert set(first.values()) == {MONDAY}


def test_a_pair_that_is_judged_again_counts_as_it_was_judged_last(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for day, given in ((0, 3), (1, 0)):
        commit(settings, "queries", [{**judgements(["red mug"], day)[0], "query": "Red Mug ", "grade": given}])
    pairs, _ = judged_pairs(settings, MONDAY + timedelta(1))
    assert (pairs.query, pairs.grade.tolist()) == (["red mug"], [0.0])


def test_clicks_alone_teach_an_order_with_the_place_taken_out(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalogue(settings)
    commit(settings, "events", looks(ITEMS, 3000))
    log = click_log(settings, MONDAY + timedelta(20))
    assert log.num_rows == 12_000
    clicked = {(q, i): g for q, i, g in zip(*_columns(clicked_pairs(settings, MONDAY + timedelta(20))), strict=True)}
    assert np.mean([clicked[title, title] for title in ITEMS]) > 3.5
    assert np.mean([clicked[title, f"{title} holder"] for title in ITEMS]) < 1.5
    done = train(settings, "search")
    assert {row["slice"] for row in done["metrics"]} == {"clicked"}
    values = {row["model_name"]: row["value"] for row in done["metrics"]}
    assert values[LEARNED] > values[FLOOR]


def test_a_log_in_which_nothing_changes_its_place_teaches_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalogue(settings)
    rows = looks(ITEMS, 300)
    commit(settings, "events", [{**row, "position": 1 + len(row["item_id"].split()) % 3} for row in rows])
    assert not len(clicked_pairs(settings, MONDAY + timedelta(20)))
    with pytest.raises(NightmarketError, match="20 with an answer are needed"):
        train(settings, "search")


def _columns(pairs: Any) -> tuple[list[str], list[str], list[float]]:
    return pairs.query, pairs.item_id, pairs.grade.tolist()


ASKED = {
    "delivery": ("where is my parcel", "my parcel is late", "has my order been sent"),
    "refund": ("i want my money back", "when do i get the refund", "the refund is missing"),
    "other": ("do you like music", "is there a museum near", "what is the weather"),
}


def messages(count: int, first: int = 0, days: int = 30) -> list[dict[str, Any]]:
    """Each lands open, and again on the next day as a person filed it."""
    draw, rows = np.random.default_rng(first), []
    for number in range(first, first + count):
        intent = list(ASKED)[number % 3]
        day = MONDAY + timedelta(int(draw.integers(days)))
        body = f"{draw.choice(ASKED[intent])}, {draw.choice(['please', 'thanks', 'hello'])} {number}"
        row = {
            "message_id": f"m{number}", "body": body, "created_at": datetime.combine(day, datetime.min.time(), UTC),
            "file": "f", "line": number, "is_duplicate": False,
        }  # fmt: skip
        rows += [
            {**row, "landing_date": day},
            {**row, "landing_date": day + timedelta(1), "intent": intent, "reply": "We will see to it."},
        ]
    return rows


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("desk"), test_days=10)
    commit(settings, "support_messages", messages(150))
    return settings


def test_intents_are_judged_on_messages_that_were_filed_later(desk: Settings) -> None:
    before, after = filed(desk, MONDAY + timedelta(20), MONDAY + timedelta(30))
    assert len(before.texts) + len(after.texts) == 150
    assert not set(before.texts) & set(after.texts)
    assert {None, "delivery", "refund"} == set(before.intents)
    done = train(desk, "intents")
    found = {(row["model_name"], row["metric"]): row["value"] for row in done["metrics"]}
    assert found[LEARNED, "log_loss"] < 0.3
    assert found[LEARNED, "precision"] > 0.9
    assert found[LEARNED, "coverage"] > 0.5


def test_a_message_gets_its_intent_from_the_champion_as_of_the_night(desk: Settings) -> None:
    train(desk, "intents")
    assert promote(desk, "intents")["promoted"]
    for day in (29, 31):  # the champion's data ends on day 30
        when = MONDAY + timedelta(day)
        open_one = {"created_at": datetime.combine(when, datetime.min.time(), UTC), "landing_date": when}
        asked = {**messages(1, 900 + day)[0], **open_one, "body": "where is my parcel, please"}
        commit(desk, "support_messages", [asked])
        read_texts(desk, MONDAY + timedelta(day), take(desk, "texts", "warehouse"))
        with open_warehouse(desk, read_only=True) as connection:
            row = connection.execute(
                "select intent from scores.reply_suggestions where message_id = ?", [f"m{900 + day}"]
            ).fetchone()
        assert row == (None if day == 29 else "delivery",)


def test_a_week_later_the_champion_is_judged_beside_what_was_learned_since(desk: Settings) -> None:
    commit(desk, "support_messages", [
        {**row, "landing_date": row["landing_date"] + timedelta(12)} for row in messages(60, 2000, 24)
    ])  # fmt: skip
    standing = champion_as_of(desk.models, "intents")
    assert standing is not None
    done = train(desk, "intents", MONDAY + timedelta(36))
    assert "champion" in {row["model_name"] for row in done["metrics"]}
    assert promote(desk, "intents", dry_run=True)["champion"]["model_version"] == standing.version
    with pytest.raises(UsageError, match="was learned from what was delivered up to"):
        train(desk, "intents", MONDAY + timedelta(25))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, test_days=10)
    with pytest.raises(NightmarketError, match="the lake holds nothing to train search on"):
        train(settings, "search")
    with pytest.raises(NightmarketError, match="no customer messages to train on"):
        train(settings, "intents")
    commit(settings, "support_messages", messages(20))
    with pytest.raises(NightmarketError, match="messages were filed after .* and 30 are needed"):
        train(settings, "intents")
    commit(settings, "queries", judgements(ITEMS[:2], 0))
    with pytest.raises(NightmarketError, match="no product is known"):
        train(settings, "search")


def test_a_schedule_may_go_on_where_there_is_too_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTMARKET_HOME", str(tmp_path))
    cli.app(["train", "intents", "--if-enough"], standalone_mode=False)
    assert "no customer messages" in json.loads(capsys.readouterr().out)["skipped"]
    with pytest.raises(NightmarketError, match="no customer messages"):
        cli.app(["train", "intents"], standalone_mode=False)


@pytest.mark.parametrize(
    ("family", "choices", "said"),
    [
        ("search", Choices(config="encoder"), "unknown config 'encoder' of search; known: base"),
        ("intents", Choices(language="en"), "learned from all languages together"),
        ("reviews", Choices(language="fr"), "unknown language 'fr'; known: en, zh"),
    ],
)
def test_a_choice_that_a_family_does_not_have_is_refused(
    tmp_path: Path, family: str, choices: Choices, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        train(Settings(home=tmp_path), family, date(2024, 1, 1), None, choices)
