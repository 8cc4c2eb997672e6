"""Lines as the shop wrote them, and what each becomes."""

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from pipelines.errors import NightmarketError
from pipelines.sources.uci_online_retail import is_closed

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
AT = "2011-07-01 08:26:00"


def row(invoice: str, code: str, quantity: str, price: str, customer: str = "17850.0", text: str = "HOLDER") -> str:
    return f"{invoice},{code},{text},{quantity},{AT},{price},{customer},France\n"


@pytest.fixture
def land_lines(landed: Callable, tmp_path: Path) -> Callable[..., list[dict]]:
    def land_lines(*lines: str, entity: str = "events") -> list[dict]:
        folder = tmp_path / "origin"
        folder.mkdir(exist_ok=True)
        (folder / "2011-07-01.csv.gz").write_bytes(gzip.compress((HEADER + "".join(lines)).encode()))
        return landed("uci_online_retail", folder, entity)

    return land_lines


def test_a_sale(land_lines: Callable) -> None:
    (event,) = land_lines(row("536365", "85123A", "6", "2.55"))
    assert {k: v for k, v in event.items() if v is not None and k != "event_id"} == {
        "occurred_at": "2011-07-01T07:26:00Z",  # British summer time
        "event_type": "purchase",
        "user_id": "17850",
        "session_id": "536365",
        "item_id": "85123A",
        "quantity": "6",
        "unit_price": "2.550000",
        "line": 2,
        "day": "2011-07-01",
    }
    assert len(event["event_id"]) == 32


@pytest.mark.parametrize(
    ("line", "event_type", "item", "charge", "quantity", "price"),
    [
        (row("C536379", "22632", "-2", "2.1"), "return", "22632", None, "2", "2.100000"),
        (row("536370", "POST", "3", "18"), "purchase", None, "POST", "3", "18.000000"),
        (row("C536379", "D", "-1", "27.5"), "return", None, "D", "1", "27.500000"),
        (row("536370", "m", "1", "2"), "purchase", None, "M", "1", "2.000000"),
        (row("536370", "gift_0001_20", "1", "16.67"), "purchase", None, "gift_0001_20", "1", "16.670000"),
        (row("536370", "BANK CHARGES", "1", "15"), "purchase", None, "BANK CHARGES", "1", "15.000000"),
        (row("536370", "PADS", "1", "0.001"), "purchase", "PADS", None, "1", "0.001000"),
        (row("536370", "DCGSSGIRL", "1", "3.29"), "purchase", "DCGSSGIRL", None, "1", "3.290000"),
        (row("536589", "21777", "-10", "0.0"), "return", None, "STOCK", "10", "0.000000"),
        (row("A563186", "B", "1", "-11062.06"), "purchase", None, "B", "1", "-11062.060000"),
    ],
)
def test_what_is_a_product_a_return_or_a_charge(
    land_lines: Callable, line: str, event_type: str, item: str | None, charge: str | None, quantity: str, price: str
) -> None:
    (event,) = land_lines(line)
    found = [event[k] for k in ("event_type", "item_id", "charge_code", "quantity", "unit_price")]
    assert found == [event_type, item, charge, quantity, price]


def test_an_anonymous_sale_has_no_user(land_lines: Callable) -> None:
    (event,) = land_lines(row("536365", "85123A", "6", "2.55", customer=""))
    assert event["user_id"] is None


def test_values_that_cannot_be_converted_are_passed_on_as_they_are(land_lines: Callable) -> None:
    (event,) = land_lines(f"536365,85123A,X,many,{AT[:10]} noon,cheap,1,France\n")
    assert (event["quantity"], event["unit_price"], event["occurred_at"]) == ("many", "cheap", "2011-07-01 noon")
    assert event["day"] == "2011-07-01"  # of the file


def test_a_line_that_cannot_be_read_lands_whole(land_lines: Callable) -> None:
    good, bad = row("536365", "85123A", "6", "2.55"), "536365,85123A,half a li\n"
    events = land_lines(good, bad, good.replace("536365", "536366"))
    assert [(e["line"], e["unreadable"], e["unreadable_reason"]) for e in events] == [
        (2, None, None),
        (3, "536365,85123A,half a li", "3 fields instead of 8"),
        (4, None, None),
    ]


def test_repeats_are_kept_apart_and_a_redelivery_has_the_same_ids(land_lines: Callable) -> None:
    line = row("536365", "85123A", "6", "2.55")
    first = land_lines(line, line)
    assert len({e["event_id"] for e in first}) == 2
    again = land_lines(row("536300", "22632", "1", "1"), line, line)  # redelivered with another line before
    assert {e["event_id"] for e in first} < {e["event_id"] for e in again}
    assert len({e["event_id"] for e in again}) == 3


def test_products_take_the_commonest_name_and_the_median_price(land_lines: Callable) -> None:
    products = land_lines(
        row("1", "85123A", "1", "2", text="HOLDER"),
        row("2", "85123A", "1", "3", text="HOLDER"),
        row("3", "85123A", "1", "10", text="CREAM HOLDER"),
        row("4", "85123A", "-9", "0", text="damages"),  # stock remarks are no names
        row("5", "22632", "1", "1", text="ZEBRA"),  # a tie: alphabetical
        row("6", "22632", "1", "2", text="APE"),
        row("7", "DCGS0067", "1", "0", text="ebay"),  # nothing is known of it that day: an earlier row must hold
        row("7", "21777", "1", "4", text=""),  # no name
        row("8", "POST", "1", "18", text="POSTAGE"),  # no product
        entity="products",
    )
    assert [(p["item_id"], p["title"], p["price"]) for p in products] == [
        ("85123A", "HOLDER", "3.000000"),
        ("22632", "APE", "1.500000"),
    ]


def test_users_carry_their_country_and_nothing_else(land_lines: Callable) -> None:
    lines = [row("1", "85123A", "1", "2"), row("2", "85123A", "1", "2"), row("3", "85123A", "1", "2", customer="")]
    (user,) = land_lines(*lines, entity="users")
    assert (user["user_id"], user["attributes"]) == ("17850", '{"country":"France"}')


def test_workbook_and_csv_give_the_same_events(landed: Callable, land_lines: Callable, tmp_path: Path) -> None:
    daily = land_lines(row("536365", "85123A", "6", "2.55"), row("C536366", "22632", "-1", "3.0", customer=""))
    workbook = openpyxl.Workbook()
    workbook.active.append(HEADER.strip().split(","))
    at = dt.datetime.fromisoformat(AT)
    workbook.active.append([536365, "85123A", "HOLDER", 6, at, 2.55, 17850, "France"])
    workbook.active.append(["C536366", 22632, "HOLDER", -1, at, 3, None, "France"])
    workbook.save(tmp_path / "Online Retail.xlsx")
    every = landed("uci_online_retail", tmp_path / "Online Retail.xlsx")
    assert len(daily) == 2 and len(every) == 4  # two deliveries of the same two events
    assert {e["event_id"] for e in every} == {e["event_id"] for e in daily}


def test_one_csv_is_delivered_by_local_date(landed: Callable, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    later = row("2", "22632", "1", "1").replace("2011-07-01 08:26:00", "7/3/2011 0:10")  # the older export's dates
    path.write_text(HEADER + row("1", "22632", "1", "1") + "no line\n" + later)
    events = landed("uci_online_retail", path)
    assert [(e["day"], e["line"]) for e in events] == [("2011-07-01", 2), ("2011-07-01", 3), ("2011-07-03", 4)]
    assert events[2]["occurred_at"] == "2011-07-02T23:10:00Z"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("2011-07-01.csv", "InvoiceNo,StockCode\n1,2\n", "must name Description, Quantity"),
        ("2011-07-01.csv", "", "the file is empty"),
        ("july.csv", HEADER, "is not named YYYY-MM-DD"),
    ],
)
def test_an_origin_that_is_something_else(landed: Callable, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / name).write_text(text)
    with pytest.raises(NightmarketError, match=message):
        landed("uci_online_retail", tmp_path / "origin")


def test_a_workbook_that_is_none(landed: Callable, tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_text("hello")
    with pytest.raises(NightmarketError, match=r"is no readable \.xlsx workbook"):
        landed("uci_online_retail", tmp_path / "x.xlsx")


@pytest.mark.parametrize(
    ("day", "closed"),
    [("2011-10-15", True), ("2011-10-16", False), ("2010-12-24", True), ("2011-04-29", True), ("2011-12-09", False)],
)
def test_closed_days(day: str, closed: bool) -> None:
    assert is_closed(dt.date.fromisoformat(day)) is closed
