"""The simulated shop: what lands from it, day by day, and the truth beside it."""

import datetime as dt
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines import fence, land, landing
from pipelines.contracts import ENTITIES
from pipelines.errors import UsageError
from pipelines.preprocess.job import preprocess
from pipelines.settings import Batch, Settings
from pipelines.sources._shop.personal import HOSTILE

START, DAYS = dt.date(2025, 1, 6), 34
SHOP = {"users": 400, "products": 96, "days": DAYS, "seed": 7, "truth": "truth"}
LAST = START + dt.timedelta(DAYS - 1)

Rows = Callable[[str], list[dict]]


def write(folder: Path, **changes: object) -> Path:
    path = folder / "shop.json"
    path.write_text(json.dumps({**SHOP, **changes}))
    return path


def files_of(settings: Settings, path: Path, ranges: list[tuple[dt.date | None, dt.date | None]]) -> set[str]:
    """Names of all landing files; a name ends in the digest of the content."""
    for first, last in ranges:
        land.land(settings, "simulated_shop", path, first, last)
    return {p.relative_to(settings.landing).as_posix() for p in settings.landing.glob("*/*/*/*.parquet")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("simulated"), shop="shop")
    land.land(settings, "simulated_shop", write(settings.home), None, None)
    return settings


@pytest.fixture(scope="module")
def rows(home: Settings) -> Rows:
    """All landed rows of an entity, each with its landing date as `day`."""

    def read(entity: str) -> list[dict]:
        files = landing.landing_files(home, Batch(START, LAST), entity)
        return [row | {"day": f.landing_date} for f in files for row in pq.read_table(f.path).to_pylist()]

    return read


@pytest.fixture(scope="module")
def truth(home: Settings) -> Rows:
    def read(name: str) -> list[dict]:
        found = sorted(home.home.glob(f"truth/{name}/*.parquet")) or [home.home / "truth" / f"{name}.parquet"]
        return [
            row | {"day": path.stem} for path in found for row in pq.read_table(path, partitioning=None).to_pylist()
        ]

    return read


def test_every_entity_lands_and_events_land_every_day(rows: Rows) -> None:
    days = {entity: {row["day"] for row in rows(entity)} for entity in ENTITIES}
    assert all(days.values())
    assert len(days["events"]) == DAYS


@given(st.permutations([0, 1, 2, 3]), st.integers(0, DAYS - 4))
@hypothesis_settings(max_examples=3, deadline=None)
def test_any_order_of_days_gives_the_same_files(
    home: Settings, tmp_path_factory: pytest.TempPathFactory, order: list[int], first: int
) -> None:
    other = Settings(home=tmp_path_factory.mktemp("again"), shop="shop")
    days = [START + dt.timedelta(first + n) for n in order]
    found = files_of(other, write(other.home), [(day, day) for day in days])
    wanted = {f"date={day}" for day in days}
    assert found == {name for name in files_of(home, write(home.home), []) if name.split("/")[2] in wanted}
    for path in (other.home / "truth").glob("**/*.parquet"):
        assert path.read_bytes() == (home.home / path.relative_to(other.home)).read_bytes()


def test_another_seed_is_another_shop(home: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path, shop="shop")
    found = files_of(other, write(tmp_path, seed=8), [(START, START)])
    assert found and not {n for n in found if "/events/" in n or "/products/" in n} & files_of(
        home, write(home.home), []
    )


def test_a_longer_range_asks_for_nothing_that_the_shop_has_not(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, shop="shop")
    land.land(settings, "simulated_shop", write(tmp_path, days=2), None, START + dt.timedelta(400))
    assert landing.landed_dates(settings) == (START, START + dt.timedelta(1))


@pytest.mark.parametrize(("share", "language", "strange"), [(0, "en", "[一-鿿]"), (1, "zh", "[a-z] [a-z]")])
def test_the_smallest_shop_speaks_one_language(tmp_path: Path, share: int, language: str, strange: str) -> None:
    settings = Settings(home=tmp_path, shop="shop")
    path = write(tmp_path, users=1, products=24, days=9, chinese_share=share)
    counts = land.land(settings, "simulated_shop", path, None, None)["rows"]
    assert counts["users"] == 1 and counts["events"] > 0
    for file in landing.landing_files(settings, Batch(START, LAST), "products"):
        for product in pq.read_table(file.path).to_pylist():
            assert not re.search(strange, product["title"] + product["description"])
    (user,) = pq.read_table(next(settings.landing.glob("shop/users/*/*.parquet"))).to_pylist()
    assert json.loads(user["attributes"])["language"] == language


def test_what_happens_in_a_session_follows_in_order(rows: Rows) -> None:
    sessions: dict[str, list[dict]] = defaultdict(list)
    for event in rows("events"):
        if event["session_id"]:
            sessions[event["session_id"]].append(event)
    for events in sessions.values():
        of = defaultdict(list)
        for e in events:
            of[e["event_type"]].append(e)
        shown = {e["item_id"] for e in of["impression"]}
        assert [int(e["position"]) for e in of["impression"]] == list(range(1, len(of["impression"]) + 1))
        assert len(shown) == len(of["impression"])
        carted = {e["item_id"] for e in of["add_to_cart"]}
        bought = {e["item_id"] for e in of["purchase"]}
        assert shown >= {e["item_id"] for e in of["view"]} >= carted >= bought
        assert not bought & {e["item_id"] for e in of["remove_from_cart"]}
        assert len(of["search"]) == (of["impression"][0]["surface"] == "search")
        assert {e["occurred_at"][:10] for e in events} == {str(events[0]["day"])}
        assert len({e["user_id"] for e in events}) == 1
        redeemed = {e["promotion_id"] for e in of["coupon_redeem"]}
        assert redeemed == {e["promotion_id"] for e in of["purchase"]} - {None}


def test_only_what_is_on_sale_and_in_stock_is_shown(rows: Rows) -> None:
    known: dict[str, dict] = {}
    events = sorted(rows("events"), key=lambda e: e["day"])
    products = defaultdict(list)
    for product in rows("products"):
        products[product["day"]].append(product)
    sold_out = 0
    for day, shown in itertools.groupby(events, key=lambda e: e["day"]):
        known |= {p["item_id"]: p for p in products[day]}
        gone = {
            p["item_id"]
            for p in known.values()
            if json.loads(p["attributes"])["stock"] == "0"
            or not p["available_from"] <= str(day) <= (p["available_to"] or "9999")
        }
        sold_out += len(gone)
        for e in shown:
            if e["event_type"] == "impression":
                assert e["item_id"] in known and e["item_id"] not in gone
            if e["event_type"] == "purchase" and not e["promotion_id"]:
                assert e["unit_price"] == known[e["item_id"]]["price"]
    assert sold_out > 50


def test_returns_ratings_and_reviews_follow_a_purchase(rows: Rows) -> None:
    bought: dict[tuple, dt.date] = {}
    for e in rows("events"):
        if e["event_type"] == "purchase" and e["user_id"]:
            key = (e["user_id"], e["item_id"])
            bought[key] = min(bought.get(key, e["day"]), e["day"])
    after = [e for e in rows("events") if e["event_type"] in ("return", "rating") and e["user_id"]]
    assert {e["event_type"] for e in after} == {"return", "rating"}
    for row in [*after, *rows("reviews")]:
        assert bought[(row["user_id"], row["item_id"])] < row["day"]


def test_a_correction_is_the_same_review_delivered_again(rows: Rows) -> None:
    versions: dict[str, list[dict]] = defaultdict(list)
    for review in rows("reviews"):
        versions[review["review_id"]].append(review)
    corrected = [sorted(v, key=lambda r: r["day"]) for v in versions.values() if len(v) > 1]
    assert corrected
    for first, second in corrected:
        assert first["day"] < second["day"]
        same = ("item_id", "user_id", "created_at", "title", "language")
        assert [first[n] for n in same] == [second[n] for n in same]
        assert second["body"].startswith(first["body"]) and second["body"] != first["body"]
        assert abs(int(first["rating"]) - int(second["rating"])) == 1


def test_words_follow_the_items_true_quality(rows: Rows, truth: Rows) -> None:
    quality = {(q["item_id"], q["aspect"]): q["quality"] for q in truth("item_quality")}
    item = {r["review_id"]: r["item_id"] for r in rows("reviews")}
    met: dict[int, list[float]] = {1: [], -1: []}
    for opinion in truth("opinions"):
        if opinion["aspect"] != "overall":
            met[opinion["opinion"]].append(quality[(item[opinion["review_id"]], opinion["aspect"])])
    assert min(map(len, met.values())) > 50
    assert sum(met[1]) / len(met[1]) > 0.4 > -0.4 > sum(met[-1]) / len(met[-1])


def test_every_text_has_its_truth(rows: Rows, truth: Rows) -> None:
    reviews = {(r["review_id"], str(r["day"])): r for r in rows("reviews")}
    facts = {(t["review_id"], t["day"].removeprefix("date=")): t for t in truth("reviews")}
    assert reviews.keys() == facts.keys()
    for key, fact in facts.items():
        assert (fact["sentiment"] is None) == (reviews[key]["body"] is None or fact["hostile"] == "empty")
        assert reviews[key]["language"] in (fact["language"], None)
    chinese = [bool(re.search("[一-鿿]", reviews[k]["body"] or "")) for k in facts if facts[k]["language"] == "zh"]
    assert sum(chinese) > 10
    intents = {(t["message_id"], t["day"].removeprefix("date=")): t["intent"] for t in truth("support_messages")}
    messages = {(m["message_id"], str(m["day"])): m["intent"] for m in rows("support_messages")}
    assert intents.keys() == messages.keys()
    assert all(messages[k] in (None, intents[k]) for k in messages)


def luhn(number: str) -> bool:
    digits = [int(d) for d in reversed(re.sub(r"\D", "", number))]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


LOOKS = {
    "email": lambda text: re.fullmatch(r"\S+@\S+\.(org|com|net)", text),
    "phone": lambda text: re.fullmatch(r"[+\d ()-]{11,18}", text),
    "card": lambda text: luhn(text) and len(re.sub(r"\D", "", text)) in (16, 19),
    "address": lambda text: re.search(r"^\d+ .+ (Street|Lane|Road|Avenue), |号\d+号楼\d+室$", text),
}


def test_personal_data_stands_where_the_truth_says(rows: Rows, truth: Rows) -> None:
    texts = {("reviews", r["review_id"], f"date={r['day']}"): r for r in rows("reviews")}
    texts |= {("support_messages", m["message_id"], f"date={m['day']}"): m for m in rows("support_messages")}
    seen = set()
    for span in truth("personal_data"):
        text = texts[(span["entity"], span["id"], span["day"])][span["column"]][span["start"] : span["end"]]
        assert LOOKS[span["kind"]](text), text
        seen.add((span["entity"], span["column"], span["kind"]))
    assert {kind for _, _, kind in seen} == set(LOOKS)
    columns = {(entity, column) for entity, column, _ in seen}
    assert columns == {("reviews", "body"), *(("support_messages", name) for name in ("subject", "body", "reply"))}


def test_answers_come_the_next_day_as_the_same_message(rows: Rows) -> None:
    versions: dict[str, list[dict]] = defaultdict(list)
    for message in rows("support_messages"):
        versions[message["message_id"]].append(message)
    answered = 0
    for found in versions.values():
        first, *answers = sorted(found, key=lambda m: m["day"])
        assert first["reply"] is first["replied_at"] is first["intent"] is None
        for answer in answers:
            answered += 1
            assert answer["day"] == first["day"] + dt.timedelta(1)
            assert answer["replied_at"][:10] == str(answer["day"]) and answer["reply"]
            assert [answer[n] for n in ("body", "created_at")] == [first[n] for n in ("body", "created_at")]
    assert 0 < answered < len(versions)


def test_judged_grades_say_what_was_asked_for(rows: Rows, truth: Rows) -> None:
    products = {p["item_id"]: p for p in rows("products")}
    asked = {(q["query"], q["language"]): q for q in truth("queries")}
    grades = set()
    for pair in rows("queries"):
        query, product = asked[(pair["query"], pair["language"])], products[pair["item_id"]]
        colour = json.loads(product["attributes"])["colour"]
        misses = query["brand"] not in (None, product["brand"]), query["colour"] not in (None, colour)
        if query["category"] == product["category_path"].split(" > ")[1]:
            assert int(pair["grade"]) == 3 - sum(misses)
        elif query["category"] is None:
            assert int(pair["grade"]) in ((0, 1) if misses[0] else (3,))
        else:
            assert int(pair["grade"]) in ((0,) if misses[0] else (0, 1))
        grades.add(pair["grade"])
    assert grades == {"0", "1", "2", "3"}


def test_campaigns_reach_those_the_truth_calls_treated(rows: Rows, truth: Rows) -> None:
    sent = {(c["campaign_id"], c["user_id"]) for c in rows("campaigns")}
    facts = truth("campaigns")
    assert sent == {(c["campaign_id"], c["user_id"]) for c in facts if c["treated"]}
    assert 0.4 < len(sent) / len(facts) < 0.6
    coupons = {(c["coupon_id"], c["item_id"]): c["campaign_id"] for c in rows("coupons")}
    redeemed = [e for e in rows("events") if e["event_type"] == "purchase" and e["promotion_id"]]
    assert redeemed
    assert all((coupons[(e["promotion_id"], e["item_id"])], e["user_id"]) in sent for e in redeemed)


def test_the_contract_takes_all_but_two_kinds_of_hostile_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.sources._shop.reviews.HOSTILE_SHARE", 1.0)
    settings, batch = Settings(home=tmp_path, shop="shop"), Batch(START, LAST)
    land.land(settings, "simulated_shop", write(tmp_path), None, None)
    manifest = preprocess(settings, batch, fence.take(settings, "preprocess", batch.key))
    kinds = [kind for path in tmp_path.glob("truth/reviews/*") for kind in pq.read_table(path)["hostile"].to_pylist()]
    assert set(kinds) == {*HOSTILE, None}  # without words there is nothing to be hostile with
    refused = kinds.count("nul") + kinds.count("long")
    assert sum(row["rows"] for row in manifest["quarantine"]) == refused
    assert manifest["entities"]["reviews"]["rows"] == len(kinds) - refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 0}, "users must be a whole number from 1"),
        ({"products": "many"}, "products must be a whole number from 24"),
        ({"start": "soon"}, "start must be a date"),
        ({"chinese_share": 1.5}, "chinese_share must be a number from 0 to 1"),
        ({"truth": ""}, "truth must name a folder"),
        ({"colour": 1}, "unknown key colour"),
        ({"truth": "landing/shop/truth"}, "lies in a landing folder"),
    ],
)
def test_wrong_settings_name_their_key(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        land.land(Settings(home=tmp_path, shop="shop"), "simulated_shop", write(tmp_path, **changes), START, START)


def test_without_a_file_the_defaults_hold_and_no_truth_is_kept(tmp_path: Path) -> None:
    land.land(Settings(home=tmp_path, shop="shop"), "simulated_shop", None, START, START)
    found = duckdb.sql(f"select count(*) from read_parquet('{tmp_path}/landing/shop/products/*/*.parquet')").fetchall()
    assert found[0][0] > 200  # of 300, those announced by the first day
    assert not list(tmp_path.rglob("*truth*"))


def test_no_step_can_know_the_truth() -> None:
    root = Path(__file__).parents[3]
    allowed = {root / "pipelines" / "sources" / "simulated_shop.py"}
    readers = [
        path
        for folder in ("pipelines", "models", "dags", "dbt_project")
        for path in (root / folder).rglob("*.py")
        if "_shop" not in path.parts and "sources._shop" in path.read_text()
    ]
    assert set(readers) == allowed
