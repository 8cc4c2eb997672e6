"""The landing zone: written once, never changed, and what a night may expect to find in it."""

import datetime as dt
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import land, landing, sources
from pipelines.contracts import EVENTS, LINE
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Batch, Settings, night
from pipelines.sources import Delivery, LandRequest, Source

SATURDAY, SUNDAY = dt.date(2026, 10, 31), dt.date(2026, 11, 1)
COLUMNS = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def invoice(day: dt.date, number: int, price: str = "2.50") -> str:
    return f"{number},85123A,HOLDER,6,{day} 08:26:00,{price},17850,France\n"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    for n, day in enumerate([dt.date(2026, 10, 30), SUNDAY, dt.date(2026, 11, 2)]):
        (folder / f"{day}.csv").write_text(COLUMNS + invoice(day, 100 + n))
    return folder


def land_days(settings: Settings, origin: Path, first: dt.date | None = None, last: dt.date | None = None) -> dict:
    return land.land(settings, "uci_online_retail", origin, first, last)


def tree(settings: Settings) -> dict[str, bytes]:
    return {str(p.relative_to(settings.landing)): p.read_bytes() for p in settings.landing.rglob("*") if p.is_file()}


def test_landing_twice_writes_nothing_new(settings: Settings, origin: Path) -> None:
    first = land_days(settings, origin)
    before = tree(settings)
    second = land_days(settings, origin)
    assert (first["files_written"], first["files_kept"]) == (9, 0)
    assert (second["files_written"], second["files_kept"]) == (0, 9)
    assert first["rows"] == second["rows"] == {"events": 3, "products": 3, "users": 3}
    assert (first["first"], first["last"]) == ("2026-10-30", "2026-11-02")
    assert tree(settings) == before


def test_two_homes_get_the_same_bytes(settings: Settings, origin: Path, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other", shop="shop")
    land_days(settings, origin)
    land_days(other, origin)
    assert tree(settings) == tree(other)


def test_changed_content_is_a_redelivery_beside_the_old_file(settings: Settings, origin: Path) -> None:
    land_days(settings, origin)
    before = tree(settings)
    (origin / f"{SUNDAY}.csv").write_text(COLUMNS + invoice(SUNDAY, 101) + invoice(SUNDAY, 200))
    land_days(settings, origin, SUNDAY, SUNDAY)
    after = tree(settings)
    assert {name: after[name] for name in before} == before
    files = landing.landing_files(settings, night(SUNDAY), EVENTS.name)
    ids = [set(pq.read_table(f.path)["event_id"].to_pylist()) for f in files]
    assert sorted(map(len, ids)) == [1, 2] and len(ids[0] | ids[1]) == 2  # the repeated row keeps its id


def test_a_landing_file_has_contract_columns_as_text_and_its_digest_in_its_name(
    settings: Settings, origin: Path
) -> None:
    import hashlib

    land_days(settings, origin, SUNDAY, SUNDAY)
    (file,) = landing.landing_files(settings, night(SUNDAY), EVENTS.name)
    digest = hashlib.sha256(file.path.read_bytes()).hexdigest()[:12]
    assert (file.name, file.landing_date) == (f"date={SUNDAY}/{SUNDAY}-000-{digest}.parquet", SUNDAY)
    schema = pq.read_schema(file.path)
    assert schema.names == [*EVENTS.names, LINE, "unreadable", "unreadable_reason"]
    assert {str(f.type) for f in schema if f.name != LINE} == {"string"} and schema.field(LINE).type == pa.int64()


def test_the_range_is_kept(settings: Settings, origin: Path) -> None:
    land_days(settings, origin, SUNDAY, dt.date(2026, 11, 2))
    assert landing.landed_dates(settings) == (SUNDAY, dt.date(2026, 11, 2))


def test_a_closed_day_lands_empty_an_open_one_without_data_is_an_error(settings: Settings, origin: Path) -> None:
    assert land_days(settings, origin, SATURDAY, SATURDAY)["files_written"] == 0
    with pytest.raises(NightmarketError, match="nothing between 2026-11-03 and 2026-11-03"):
        land_days(settings, origin, dt.date(2026, 11, 3), dt.date(2026, 11, 3))


def test_freshness_names_open_days_only(settings: Settings, origin: Path) -> None:
    (origin / f"{SUNDAY}.csv").unlink()
    land_days(settings, origin)
    batch = Batch(dt.date(2026, 10, 30), dt.date(2026, 11, 2))
    assert landing.closed_days(settings, batch) == {SATURDAY}
    (message,) = landing.check_freshness(settings, batch)
    assert "no events file has landed for 2026-11-01" in message


def test_without_a_source_every_day_is_open(settings: Settings) -> None:
    (settings.landing / "shop").mkdir(parents=True)
    assert len(landing.check_freshness(settings, Batch(SATURDAY, SUNDAY))) == 2


def test_the_source_is_remembered_for_later_nights(settings: Settings, origin: Path) -> None:
    land_days(settings, origin)
    kept = json.loads((settings.landing / "shop" / "_source.json").read_text())
    assert kept == {"source": "uci_online_retail", "options": {}}  # no path: it may differ on another machine
    with pytest.raises(UsageError, match="holds landing files of source uci_online_retail"):
        land.land(settings, "complete_journey", None, SATURDAY, SATURDAY)


@pytest.mark.parametrize("text", ["", "{}", '{"source": 1}', '{"source": "rees46"}'])
def test_a_broken_source_file_is_said_in_one_line(settings: Settings, text: str) -> None:
    path = settings.landing / "shop" / "_source.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(NightmarketError):
        landing.closed_days(settings, night(SUNDAY))


def test_a_home_is_one_shops(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(UsageError, match="nothing has landed"):
        landing.shop_of(settings)
    (settings.landing / "north").mkdir(parents=True)
    assert landing.shop_of(settings) == "north"
    with pytest.raises(UsageError, match="is the home of shop north; land complete_journey in"):
        land.land(settings, "complete_journey", None, SATURDAY, SATURDAY)
    (settings.landing / "south").mkdir()
    with pytest.raises(UsageError, match="north, south.*NIGHTMARKET_HOME of its own"):
        landing.shop_of(settings)


def test_a_day_beyond_everything_that_landed_is_refused(settings: Settings, origin: Path) -> None:
    """A mistyped year would otherwise be the newest night for ever; a closed day just behind is none."""
    land_days(settings, origin)
    last = landing.landed_dates(settings)[1]
    landing.check_reach(settings, night(last))
    with pytest.raises(UsageError, match=f"nothing has landed after {last}"):
        landing.check_reach(settings, Batch(last, dt.date(2030, 1, 1)))


def test_hidden_files_are_none_and_odd_folders_are_an_error(settings: Settings) -> None:
    folder = settings.landing / "shop" / "events" / f"date={SUNDAY}"
    folder.mkdir(parents=True)
    for name in (".half.tmp", "_SUCCESS", "b.csv.gz", "a.jsonl"):
        (folder / name).touch()
    files = landing.landing_files(settings, night(SUNDAY), "events")
    assert [(f.path.name, f.kind) for f in files] == [("a.jsonl", "jsonl"), ("b.csv.gz", "csv")]
    (folder.parent / "date=2026-13-01").mkdir()
    with pytest.raises(NightmarketError, match="date=2026-13-01 is not named date=YYYY-MM-DD"):
        landing.landing_files(settings, night(SUNDAY), "events")


@pytest.mark.parametrize(
    ("name", "path", "first", "message"),
    [
        ("nowhere", None, None, "no source named 'nowhere'; there are: amazon_reviews, complete_journey, files"),
        ("uci_online_retail", None, None, "needs --path"),
        ("uci_online_retail", Path("/no/such/folder"), None, "does not exist"),
        ("complete_journey", None, dt.date(2030, 1, 1), "is after the last day"),
    ],
)
def test_wrong_calls(settings: Settings, name: str, path: Path | None, first: dt.date | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        land.land(settings, name, path, first, SUNDAY)


def _failing_source(error: OSError) -> Source:
    def rows() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"event_id": ["e1"], LINE: pa.array([1], pa.int64())})
        raise error

    def deliver(request: LandRequest) -> Iterator[Delivery]:
        yield Delivery(EVENTS.name, SUNDAY, "one", rows())

    return Source("failing", "fails half way", "UTC", lambda day: False, deliver, needs_path=False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_is_one_line_and_leaves_no_partial_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    source = _failing_source(OSError(code, os.strerror(code), "disk"))
    monkeypatch.setattr(land, "get_source", lambda name: source)
    with pytest.raises(NightmarketError, match=os.strerror(code)) as caught:
        land.land(settings, "failing", None, None, None)
    assert "\n" not in str(caught.value)
    assert list(tree(settings)) == ["shop/_source.json"]
    assert list(settings.staging.iterdir()) == []


def test_killed_before_the_rename_leaves_nothing_a_night_would_read(settings: Settings, origin: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipelines import land; from pipelines.settings import Settings\n"
        "settings = Settings(home=Path(sys.argv[1]), shop='shop')\n"
        "land.land(settings, 'uci_online_retail', Path(sys.argv[2]), None, None)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(settings.home), str(origin)],
        env={**os.environ, "NIGHTMARKET_FAULT": "land.written:2"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    batch = Batch(dt.date(2026, 10, 30), dt.date(2026, 11, 2))
    assert len(landing.landing_files(settings, batch, "events")) == 1
    assert landing.landing_files(settings, batch, "products") == []
    assert len(list(settings.landing.rglob("*.tmp"))) == 1
    assert land_days(settings, origin)["files_written"] == 8
    assert list(settings.landing.rglob("*.tmp")) == list(settings.staging.iterdir()) == []
    assert landing.check_freshness(settings, batch) == []


def test_every_source_says_what_it_is() -> None:
    found = sources.sources()
    assert list(found) == [
        "amazon_reviews",
        "complete_journey",
        "files",
        "rees46",
        "simulated_shop",
        "uci_online_retail",
    ]
    assert all(source.description and source.name == name for name, source in found.items())
    assert "simulated" in found["complete_journey"].description
    assert "never evidence" in found["simulated_shop"].description


def test_listing_sources_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipelines.sources import sources; sources()\n"
        "print([m for m in ('pandas', 'duckdb', 'pyspark', 'torch', 'openpyxl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
