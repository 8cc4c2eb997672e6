"""The public reviews and metadata, in both layouts."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines import land, landing
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Batch, Settings
from pipelines.sources import LandRequest, amazon_reviews

DAY = 1_400_000_000  # 2014-05-13T16:53:20Z
NEXT = DAY + 86_400

OF_2018 = [
    {"overall": 5.0, "vote": "1,204", "verified": True, "reviewTime": "05 13, 2014", "reviewerID": "A1", "asin": "B1",
     "style": {"Size:": "M"}, "reviewerName": "Jane Doe", "reviewText": "Fits <b>well</b>.\nTwice.", "summary": "Good",
     "unixReviewTime": DAY},
    {"overall": 1.0, "verified": False, "reviewerID": "A2", "asin": "B1", "unixReviewTime": NEXT},
    {"overall": 5.0, "reviewerID": "A3", "asin": "B2", "reviewText": "很好", "summary": "", "unixReviewTime": DAY},
]  # fmt: skip
OF_2023 = [
    {"rating": 5.0, "title": "Good", "text": "Fits <b>well</b>.\nTwice.", "images": [], "asin": "B1-M",
     "parent_asin": "B1", "user_id": "A1", "timestamp": DAY * 1000 + 123, "helpful_vote": 1204,
     "verified_purchase": True},
    {"rating": 1.0, "title": None, "text": None, "asin": "B1-L", "parent_asin": "B1", "user_id": "A2",
     "timestamp": NEXT * 1000},
    {"rating": 5.0, "title": "", "text": "很好", "asin": "B2", "parent_asin": "B2", "user_id": "A3",
     "timestamp": DAY * 1000},
]  # fmt: skip
META_2018 = [
    {"asin": "B1", "title": "Wool hat", "brand": "Norvelle", "category": ["Clothing", "Hats"], "price": "$1,012.99",
     "description": ["Warm.", "", "Soft."], "imageURL": ["s.jpg"], "imageURLHighRes": ["l.jpg"], "main_cat": "Fashion"},
    {"asin": "B2", "title": "Cap", "brand": "", "category": [], "price": ".a-box{padding:0}", "description": "Plain."},
    {"asin": "B9", "title": "Never reviewed", "price": "$3.00 - $5.00"},
]  # fmt: skip
META_2023 = [
    {"parent_asin": "B1", "title": "Wool hat", "store": "Norvelle", "categories": ["Clothing", "Hats"],
     "price": 1012.99, "description": ["Warm.", "Soft."], "features": ["Hand wash"], "main_category": "Fashion",
     "images": [{"thumb": "t.jpg", "large": "l.jpg", "hi_res": None}],
     "details": {"Color": "Blue", "Rank": {"Hats": 3}}},
]  # fmt: skip


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "amazon").mkdir()
    return tmp_path / "amazon"


@pytest.mark.parametrize(("rows", "stamp"), [(OF_2018, "20Z"), (OF_2023, "20.123000Z")])
@pytest.mark.parametrize("name", ["Hats.json", "Hats.jsonl.gz"])
def test_reviews_of_both_layouts(landed: Callable, folder: Path, rows: list[dict], stamp: str, name: str) -> None:
    data = lines(rows)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = landed("amazon_reviews", folder / name, "reviews")
    names = ("day", "line", "item_id", "user_id", "created_at", "title", "body", "language")
    assert [tuple(r[n] for n in names) for r in found] == [
        ("2014-05-13", 1, "B1", "A1", f"2014-05-13T16:53:{stamp}", "Good", "Fits <b>well</b>.\nTwice.", None),
        ("2014-05-13", 3, "B2", "A3", "2014-05-13T16:53:20Z", "", "很好", None),
        ("2014-05-14", 2, "B1", "A2", "2014-05-14T16:53:20Z", None, None, None),
    ]
    assert [float(r["rating"]) for r in found] == [5, 5, 1]
    assert len({r["review_id"] for r in found}) == 3


def test_every_review_is_a_rating_of_its_day_by_a_user(landed: Callable, folder: Path) -> None:
    (folder / "Hats.jsonl").write_bytes(lines([*OF_2023, OF_2023[0]]))
    reviews = landed("amazon_reviews", folder, "reviews")
    events = landed("amazon_reviews", folder, "events")
    same = ("day", "line", "user_id", "item_id")
    assert [[e[n] for n in same] for e in events] == [[r[n] for n in same] for r in reviews]
    assert {e["event_type"] for e in events} == {"rating"}
    assert [e["occurred_at"] for e in events] == [r["created_at"] for r in reviews]
    assert len({e["event_id"] for e in events} | {r["review_id"] for r in reviews}) == 8  # the repeated line is kept
    users = landed("amazon_reviews", folder, "users")
    assert [(u["day"], u["user_id"]) for u in users] == [
        ("2014-05-13", "A1"),
        ("2014-05-13", "A3"),
        ("2014-05-14", "A2"),
    ]


@pytest.mark.parametrize("first_file", [OF_2018, OF_2023])
def test_a_file_delivered_again_gives_the_same_ids(landed: Callable, folder: Path, first_file: list[dict]) -> None:
    (folder / "Hats.jsonl").write_bytes(lines(first_file))
    before = {r["review_id"] for r in landed("amazon_reviews", folder, "reviews")}
    (folder / "Hats.jsonl").write_bytes(lines(first_file[::-1]))
    assert {r["review_id"] for r in landed("amazon_reviews", folder, "reviews")} == before


def test_products_come_on_the_day_of_their_first_review(landed: Callable, folder: Path) -> None:
    (folder / "Hats.json").write_bytes(lines(OF_2018[1:]))
    (folder / "meta_Hats.json").write_bytes(lines(META_2018))
    found = landed("amazon_reviews", folder, "products")
    names = ("day", "item_id", "title", "description", "brand", "category_path", "price", "image_uri")
    assert [tuple(p[n] for n in names) for p in found] == [
        ("2014-05-13", "B2", "Cap", "Plain.", None, None, None, None),
        ("2014-05-13", "B9", "Never reviewed", None, None, None, None, None),
        ("2014-05-14", "B1", "Wool hat", "Warm. Soft.", "Norvelle", "Clothing > Hats", "1012.99", "l.jpg"),
    ]
    assert json.loads(found[2]["attributes"]) == {"main_category": "Fashion"}


def test_products_of_2023(landed: Callable, folder: Path) -> None:
    (folder / "Hats.jsonl").write_bytes(lines(OF_2023))
    (folder / "meta_Hats.jsonl").write_bytes(lines(META_2023))
    (hat,) = landed("amazon_reviews", folder, "products")
    expected = ("2014-05-13", "Wool hat", "Warm. Soft.", "Norvelle", "Clothing > Hats", "1012.99", "l.jpg")
    names = ("day", "title", "description", "brand", "category_path", "price", "image_uri")
    assert tuple(hat[n] for n in names) == expected
    assert json.loads(hat["attributes"]) == {"main_category": "Fashion", "colour": "Blue"}


BROKEN = [
    b'{"asin": "B1", "reviewerName": "Jane Doe", "revi',
    b"['a', 1]",
    b'\xff{"asin": "B1"}',
    b'{"asin": "B1", "reviewerID": "A9", "overall": 4.0, "unixReviewTime": "soon"}',
    b'{"asin": "B1", "reviewerID": "A9", "overall": 4.0, "unixReviewTime": 99999999999}',
]


def test_malformed_lines_come_beside_their_neighbours_and_name_nobody(landed: Callable, folder: Path) -> None:
    good = lines(OF_2018).splitlines()
    text = b"\n".join([BROKEN[1], good[1], BROKEN[0], good[0], *BROKEN[2:]]) + b"\n"
    (folder / "Hats.json").write_bytes(text)
    found = {r["line"]: r for r in landed("amazon_reviews", folder, "reviews")}
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7]
    assert [found[n]["day"][-2:] for n in sorted(found)] == ["14", "14", "14", "13", "13", "13", "13"]
    assert [found[n]["unreadable_reason"] for n in (1, 3, 5)] == [
        "not a JSON object",
        "not a JSON object",
        "invalid UTF-8 at byte 1",
    ]
    assert [found[n]["unreadable"] for n in (1, 3)] == ["['a', 1]", f"withheld: {len(BROKEN[0])} characters"]
    assert found[5]["unreadable"].endswith('{"asin": "B1"}')
    assert [found[n]["created_at"] for n in (6, 7)] == ["soon", "99999999999"]  # preprocess says what is wrong
    everything = json.dumps([*found.values(), *landed("amazon_reviews", folder, "events")])
    assert "Jane" not in everything
    assert len(landed("amazon_reviews", folder, "events")) == 4


ANY_LINE = st.one_of(
    st.sampled_from([json.dumps(row).encode() for row in (*OF_2018, *OF_2023)] + BROKEN),
    st.binary(min_size=1, max_size=30).filter(lambda data: b"\n" not in data and data.strip(b"\r")),
)


@given(st.lists(ANY_LINE, max_size=12))
@hypothesis_settings(max_examples=30, deadline=None)
def test_no_line_is_lost(tmp_path_factory: pytest.TempPathFactory, some: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    (folder / "Hats.json").write_bytes(b"\n".join([json.dumps(OF_2018[0]).encode(), *some]))
    (folder / "work").mkdir()
    request = LandRequest(folder / "Hats.json", None, None, folder / "work")
    reviews = (d for d in amazon_reviews.land(request) if d.entity == "reviews")
    landed = [number for delivery in reviews for batch in delivery.rows for number in batch.column("line").to_pylist()]
    assert sorted(landed) == list(range(1, len(some) + 2))


def test_one_night_gives_what_the_whole_range_gives_for_it(folder: Path, tmp_path: Path) -> None:
    (folder / "Hats.json").write_bytes(b"\n".join([BROKEN[1], *lines(OF_2018[1:]).splitlines(), BROKEN[0]]))
    (folder / "meta_Hats.json").write_bytes(b"oops\n" + lines(META_2018))
    found = []
    for home, ranges in (("whole", [(None, None)]), ("nights", [(dt.date(2014, 5, n),) * 2 for n in (14, 13)])):
        settings = Settings(home=tmp_path / home, shop="shop")
        for first, last in ranges:
            land.land(settings, "amazon_reviews", folder, first, last)
        found.append({p.relative_to(settings.landing).as_posix() for p in settings.landing.glob("*/*/*/*.parquet")})
    assert found[0] == found[1]
    assert len(found[0]) == 8  # four entities, two days


def test_many_blocks_are_one_file(landed: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**OF_2018[n % 3], "unixReviewTime": DAY + n % 7 * 40_000, "reviewerID": f"A{n}"} for n in range(400)]
    (folder / "Hats.json").write_bytes(lines(rows))
    (folder / "meta_Hats.json").write_bytes(lines(META_2018))
    whole = [landed("amazon_reviews", folder, entity) for entity in ("reviews", "products")]
    monkeypatch.setattr("pipelines.framing.BLOCK", 2_000)
    monkeypatch.setattr(amazon_reviews, "_FOLD_EVERY", 3)
    assert [landed("amazon_reviews", folder, entity) for entity in ("reviews", "products")] == whole
    assert len(whole[0]) == 400


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no file that ends in"),
        ({"x.json": b'{"a": 1}\n'}, "no line is a JSON object with the key asin"),
        ({"meta.json": lines(META_2018)}, "metadata has no dates"),
        ({"r.json": b'{"asin": "B1", "reviewerID": "A1"}\n'}, "no row has a readable date"),
    ],
)
def test_what_is_no_amazon_data_is_refused(landed: Callable, folder: Path, files: dict, message: str) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with pytest.raises((UsageError, NightmarketError), match=message):
        landed("amazon_reviews", folder)


def test_days_without_reviews_are_empty(settings: Settings, folder: Path) -> None:
    (folder / "Hats.json").write_bytes(lines(OF_2018))
    with pytest.raises(NightmarketError, match="has nothing between 2014-06-01"):
        land.land(settings, "amazon_reviews", folder, dt.date(2014, 6, 1), dt.date(2014, 6, 2))
    assert not landing.landing_files(settings, Batch(dt.date(2014, 6, 1), dt.date(2014, 6, 2)), "reviews")
