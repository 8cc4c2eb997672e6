"""Any files through a YAML mapping."""

import datetime as dt
import gzip
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines import landing
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Batch, Settings

KEY = "a secret of enough bytes"
DAY = "2026-11-02"

MAPPING = {
    "timezone": "Europe/Berlin",
    "closed_weekdays": ["sunday"],
    "entities": {
        "events": {
            "glob": "orders/*",
            "delivered_on": "filename",
            "columns": {
                "event_type": "action",
                "occurred_at": "time",
                "user_id": "mail",
                "item_id": "sku",
                "quantity": "n",
                "surface": {"const": "shop"},
            },
            "values": {"event_type": {"bought": "purchase"}},
            "hash": ["mail"],
            "drop": ["name"],
        }
    },
}
CSV = (
    "action,time,mail,sku,n,name\n"
    "bought,2026-11-02 08:00:00,ann@example.org,s1,2,Ann\n"
    "view,2026-11-02T08:00:00.5+01:00,,s1,,\n"
    "view,soon,bob@example.org,s2,many,Bob\n"
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setenv("NIGHTMARKET_HASH_KEY", KEY)

    def write(name: str, data: bytes, **changes: object) -> Path:
        """An origin file and a mapping whose events entry is changed; the mapping's path."""
        (tmp_path / "orders").mkdir(exist_ok=True)
        (tmp_path / "orders" / name).write_bytes(data)
        events = {**MAPPING["entities"]["events"], **changes}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({**MAPPING, "entities": {"events": events}}))
        return path

    return write


def essence(events: list[dict]) -> list[tuple]:
    return [(e["event_type"], e["occurred_at"], e["item_id"], e["quantity"], e["surface"]) for e in events]


EXPECTED = [
    ("purchase", "2026-11-02T07:00:00Z", "s1", "2", "shop"),  # local time in Berlin
    ("view", "2026-11-02T07:00:00.500000Z", "s1", None, "shop"),  # states its own offset
    ("view", "soon", "s2", "many", "shop"),  # passed on as it is
]


def test_csv(landed: Callable, write: Callable) -> None:
    events = landed("files", write(f"{DAY}.csv.gz", gzip.compress(CSV.encode())))
    assert essence(events) == EXPECTED
    assert {e["day"] for e in events} == {DAY}
    assert len({e["event_id"] for e in events}) == 3


def test_json_lines_and_parquet_give_the_same_events(landed: Callable, write: Callable, tmp_path: Path) -> None:
    rows = [dict(zip(CSV.splitlines()[0].split(","), line.split(","), strict=True)) for line in CSV.splitlines()[1:]]
    text = "".join(json.dumps({k: v or None for k, v in row.items()}) + "\n" for row in rows)
    from_json = landed("files", write(f"{DAY}.jsonl", text.encode()))
    (tmp_path / "orders" / f"{DAY}.jsonl").unlink()
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([{k: v or None for k, v in row.items()} for row in rows]), buffer)
    both = landed("files", write(f"{DAY}.parquet", buffer.getvalue().to_pybytes()))
    assert essence(from_json) == EXPECTED
    assert len({e["event_id"] for e in both}) == 3  # the same rows from another form are the same events


def test_no_personal_value_enters_and_pseudonyms_need_the_key(
    landed: Callable, write: Callable, settings: Settings
) -> None:
    events = landed("files", write(f"{DAY}.csv", CSV.encode() + b"bought,2026,carol@example.org\n"))
    assert events[0]["user_id"] == hmac.new(KEY.encode(), b"ann@example.org", hashlib.sha256).hexdigest()[:32]
    assert events[1]["user_id"] is None
    assert (events[3]["unreadable"], events[3]["unreadable_reason"]) == (
        "withheld: 29 characters",
        "3 fields instead of 6",
    )
    text = json.dumps(events)
    assert "example.org" not in text and "Ann" not in text and "Bob" not in text
    plain = hashlib.sha256(b"ann@example.org").hexdigest()
    assert plain[:32] not in text


@pytest.mark.parametrize("key", ["", "short"])
def test_a_missing_or_short_key_is_refused(
    landed: Callable, write: Callable, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    path = write(f"{DAY}.csv", CSV.encode())
    monkeypatch.setenv("NIGHTMARKET_HASH_KEY", key)
    with pytest.raises(UsageError, match="NIGHTMARKET_HASH_KEY"):
        landed("files", path)


def test_delivery_by_a_date_column_and_a_format(landed: Callable, write: Callable) -> None:
    text = "action,time,mail,sku,n\nview,02.11.2026 08:00,,s1,\nview,03.11.2026 00:10,,s1,\nview,x,,s1,\n"
    path = write("orders.csv", text.encode(), delivered_on="time", timestamp_format="%d.%m.%Y %H:%M", drop=[])
    events = landed("files", path)
    assert [(e["day"], e["occurred_at"]) for e in events] == [
        ("2026-11-02", "2026-11-02T07:00:00Z"),
        ("2026-11-03", "2026-11-02T23:10:00Z"),
        ("2026-11-03", "x"),
    ]


def test_given_event_ids_are_kept(landed: Callable, write: Callable) -> None:
    columns = {"event_id": "id", "event_type": {"const": "view"}, "occurred_at": "at"}
    path = write(f"{DAY}.csv", b"id,at\ne7,2026-11-02 08:00:00\n", columns=columns, values={}, hash=[], drop=[])
    assert [e["event_id"] for e in landed("files", path)] == ["e7"]


def test_lines_that_are_no_objects_are_unreadable(landed: Callable, write: Callable) -> None:
    columns = {"event_type": "type", "occurred_at": "at", "quantity": "n"}
    data = b'{"type":"view","at":"2026-11-02 08:00:00","n":1.50}\n[1]\n{"type":\n'
    events = landed("files", write(f"{DAY}.jsonl", data, columns=columns, values={}, hash=[], drop=[]))
    assert [(e["event_type"], e["quantity"], e["unreadable"], e["unreadable_reason"]) for e in events] == [
        ("view", "1.50", None, None),
        (None, None, "[1]", "not a JSON object"),
        (None, None, '{"type":', "not a JSON object"),
    ]


def test_attributes_become_a_map(landed: Callable, settings: Settings, tmp_path: Path) -> None:
    users = {
        "glob": "users-*.csv",
        "delivered_on": "filename",
        "columns": {"user_id": "id", "attributes": {"map": {"country": "land", "it's": 'quote"d'}}},
    }
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"timezone": "UTC", "entities": {"users": users}}))
    (tmp_path / f"users-{DAY}.csv").write_text('id,land,"quote""d"\nu1,France,x\n')
    (user,) = landed("files", tmp_path / "m.yaml", "users")
    assert json.loads(user["attributes"]) == {"country": "France", "it's": "x"}


def test_closed_days_are_remembered(landed: Callable, write: Callable, settings: Settings) -> None:
    landed("files", write(f"{DAY}.csv", CSV.encode()))
    week = Batch(dt.date(2026, 10, 26), dt.date(2026, 11, 1))
    assert landing.closed_days(settings, week) == {dt.date(2026, 11, 1)}


EVENTS = MAPPING["entities"]["events"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key entities.events.colour"),
        ({"glob": None}, "entities.events.glob must be a text"),
        ({"glob": "../*"}, "glob must stay below"),
        ({"glob": "none/*"}, "matches no file"),
        ({"columns": {"event_type": "action"}}, "columns lacks occurred_at"),
        ({"columns": {**EVENTS["columns"], "colour": "x"}}, "unknown key entities.events.columns.colour"),
        ({"columns": {**EVENTS["columns"], "item_id": {"konst": 1}}}, r"columns.item_id must be an origin column"),
        ({"columns": {**EVENTS["columns"], "item_id": {"map": {"a": "b"}}}}, r"columns.item_id must be"),
        ({"values": {"query": {"a": "b"}}}, "values must map a mapped column"),
        ({"hash": "mail"}, "hash must be a list"),
        ({"hash": []}, "reads mail, which looks personal: hash or drop it"),
        ({"hash": ["mail", "phone"]}, "hash names phone"),
        ({"drop": ["sku"]}, "drop names sku"),
        ({"timestamp_format": "%d %z"}, "without %z"),
    ],
)
def test_a_wrong_mapping_names_its_key(landed: Callable, write: Callable, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        landed("files", write(f"{DAY}.csv", CSV.encode(), **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must be a mapping"),
        ("a: [", "no readable YAML"),
        ("timezone: Mars/Olympus\nentities: {}", "timezone must be an IANA name"),
        ("entities: {}", "timezone must be an IANA name"),
        ("timezone: UTC\nclosed_weekdays: [funday]\nentities: {}", "closed_weekdays must be a list"),
        ("timezone: UTC\nentities: {}", "entities must map at least one of"),
        ("timezone: UTC\nentities: {gifts: {}}", "entities.gifts is no entity"),
    ],
)
def test_a_file_that_is_no_mapping(landed: Callable, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        landed("files", tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("orders.csv", CSV, "no date YYYY-MM-DD in the name"),
        (f"{DAY}.csv", "action,time\n", "the mapping needs sku, n, mail once"),
        (f"{DAY}.parquet", "PAR?", "is no readable Parquet file"),
        (f"{DAY}.xml", "<x/>", r"must match \.csv, \.jsonl or \.parquet files"),
    ],
)
def test_files_that_do_not_fit_the_mapping(
    landed: Callable, write: Callable, name: str, data: str, message: str
) -> None:
    with pytest.raises(NightmarketError, match=message):
        landed("files", write(name, data.encode()))
