"""Texts of the simulated shop against their truth."""

import datetime as dt
import json
import re
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_shop import LAST, START, Rows, write

from pipelines import fence, land
from pipelines.contracts import MEDIA_ENTITIES
from pipelines.preprocess.job import preprocess
from pipelines.settings import Batch, Settings
from pipelines.sources._shop.personal import HOSTILE


def test_a_correction_is_the_same_review_delivered_again(shop_rows: Rows) -> None:
    versions: dict[str, list[dict]] = defaultdict(list)
    for review in shop_rows("reviews"):
        versions[review["review_id"]].append(review)
    corrected = [sorted(v, key=lambda r: r["day"]) for v in versions.values() if len(v) > 1]
    assert corrected
    for first, second in corrected:
        assert first["day"] < second["day"]
        same = ("item_id", "user_id", "created_at", "title", "language")
        assert [first[n] for n in same] == [second[n] for n in same]
        assert second["body"].startswith(first["body"]) and second["body"] != first["body"]
        assert abs(int(first["rating"]) - int(second["rating"])) == 1


def test_words_follow_the_items_true_quality(shop_rows: Rows, shop_truth: Rows) -> None:
    quality = {(q["item_id"], q["aspect"]): q["quality"] for q in shop_truth("item_quality")}
    item = {r["review_id"]: r["item_id"] for r in shop_rows("reviews")}
    met: dict[int, list[float]] = {1: [], -1: []}
    for opinion in shop_truth("opinions"):
        if opinion["aspect"] != "overall":
            met[opinion["opinion"]].append(quality[(item[opinion["review_id"]], opinion["aspect"])])
    assert min(map(len, met.values())) > 50
    assert sum(met[1]) / len(met[1]) > 0.4 > -0.4 > sum(met[-1]) / len(met[-1])


def test_every_text_has_its_truth(shop_rows: Rows, shop_truth: Rows) -> None:
    reviews = {(r["review_id"], str(r["day"])): r for r in shop_rows("reviews")}
    facts = {(t["review_id"], t["day"].removeprefix("date=")): t for t in shop_truth("reviews")}
    assert reviews.keys() == facts.keys()
    for key, fact in facts.items():
        assert (fact["sentiment"] is None) == (reviews[key]["body"] is None or fact["hostile"] == "empty")
        assert reviews[key]["language"] in (fact["language"], None)
    chinese = [bool(re.search("[一-鿿]", reviews[k]["body"] or "")) for k in facts if facts[k]["language"] == "zh"]
    assert sum(chinese) > 10
    intents = {(t["message_id"], t["day"].removeprefix("date=")): t["intent"] for t in shop_truth("support_messages")}
    messages = {(m["message_id"], str(m["day"])): m["intent"] for m in shop_rows("support_messages")}
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


def test_personal_data_stands_where_the_truth_says(shop_rows: Rows, shop_truth: Rows) -> None:
    texts = {("reviews", r["review_id"], f"date={r['day']}"): r for r in shop_rows("reviews")}
    texts |= {("support_messages", m["message_id"], f"date={m['day']}"): m for m in shop_rows("support_messages")}
    seen = set()
    for span in shop_truth("personal_data"):
        text = texts[(span["entity"], span["id"], span["day"])][span["column"]][span["start"] : span["end"]]
        assert LOOKS[span["kind"]](text), text
        seen.add((span["entity"], span["column"], span["kind"]))
    assert {kind for _, _, kind in seen} == set(LOOKS)
    columns = {(entity, column) for entity, column, _ in seen}
    assert columns == {("reviews", "body"), *(("support_messages", name) for name in ("subject", "body", "reply"))}


def test_answers_come_the_next_day_as_the_same_message(shop_rows: Rows) -> None:
    versions: dict[str, list[dict]] = defaultdict(list)
    for message in shop_rows("support_messages"):
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


def test_judged_grades_say_what_was_asked_for(shop_rows: Rows, shop_truth: Rows) -> None:
    products = {p["item_id"]: p for p in shop_rows("products")}
    asked = {(q["query"], q["language"]): q for q in shop_truth("queries")}
    grades = set()
    for pair in shop_rows("queries"):
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


def test_the_contract_takes_all_but_two_kinds_of_hostile_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.sources._shop.reviews.HOSTILE_SHARE", 1.0)
    settings, batch = Settings(home=tmp_path, shop="shop"), Batch(START, LAST)
    land.land(settings, "simulated_shop", write(tmp_path), None, None)
    manifest = preprocess(settings, batch, fence.take(settings, "preprocess", batch.key))
    kinds = [kind for path in tmp_path.glob("truth/reviews/*") for kind in pq.read_table(path)["hostile"].to_pylist()]
    assert set(kinds) == {*HOSTILE, None}  # without words there is nothing to be hostile with
    refused = kinds.count("nul") + kinds.count("long")
    spoiled = [kind for path in tmp_path.glob("truth/media/*") for kind in pq.read_table(path)["hostile"].to_pylist()]
    media = {entity.name for entity in MEDIA_ENTITIES}
    counts = dict.fromkeys((True, False), 0)
    for row in manifest["quarantine"]:
        counts[row["entity"] in media] += row["rows"]
    assert counts == {True: sum(map(bool, spoiled)), False: refused} and counts[True]
    assert manifest["entities"]["reviews"]["rows"] == len(kinds) - refused
