"""The worked example of the README does what it says."""

import re
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import land, landing
from pipelines.settings import Settings, night

README = Path(__file__).resolve().parents[3] / "README.md"
DAY = date(2024, 5, 2)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("NIGHTMARKET_HASH_KEY", "a key of this test")
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / f"{DAY}.csv").write_text(block("csv"))
    (tmp_path / "shop.yaml").write_text(block("yaml"))
    settings = Settings(home=tmp_path / "home")
    land.land(settings, "files", tmp_path / "shop.yaml", DAY, DAY)
    return settings


def rows(settings: Settings, entity: str) -> list[dict]:
    return [r for f in landing.landing_files(settings, night(DAY), entity) for r in pq.read_table(f.path).to_pylist()]


def test_times_become_utc_and_an_order_is_a_session(landed: Settings) -> None:
    events = rows(landed, "events")
    assert [e["session_id"] for e in events] == ["1001", "1001", "1002"]
    assert [e["occurred_at"][:16].replace("T", " ") for e in events][::2] == ["2024-05-02 07:12", "2024-05-02 21:40"]


def test_no_mail_address_enters_and_the_same_address_is_the_same_user(landed: Settings) -> None:
    first, second, anonymous = (e["user_id"] for e in rows(landed, "events"))
    assert first == second != "anna@example.org"
    assert anonymous is None
    stored = b"".join(f.read_bytes() for f in landed.landing.rglob("*") if f.is_file())
    assert b"anna@" not in stored


def test_products_come_from_the_same_file(landed: Settings) -> None:
    assert {(p["item_id"], p["title"]) for p in rows(landed, "products")} == {("KB-7", "Kettle"), ("MG-1", "Mug")}
