"""What a night finds in the landing zone: files that were written once and never change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.contracts import ENTITIES, EVENTS
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Batch, Settings
from pipelines.sources import Source, get_source

SOURCE_FILE = "_source.json"
ORIGIN_FILE = "origin.json"
"""In `run/`, not beside the landing files: where the source's data is may differ on the machine they move to."""
_KINDS = ("jsonl", "csv", "parquet")


@dataclass(frozen=True)
class LandingFile:
    """One delivered file; `name` is its path below landing/<shop>/<entity>/, the `file` of a row's provenance."""

    path: Path
    landing_date: date
    name: str

    @property
    def kind(self) -> str:
        """jsonl, csv or parquet; "" for a file that is none of them."""
        suffix = self.path.name.removesuffix(".gz").rpartition(".")[2]
        return suffix if suffix in _KINDS else ""


def shop_of(settings: Settings) -> str:
    """The one shop of this home: lake and warehouse hold no other."""
    shops = [p.name for p in _folders(settings.landing)]
    if not shops:
        raise UsageError(f"nothing has landed in {settings.landing}; run `nightmarket land` first")
    if len(shops) > 1:
        raise UsageError(
            f"{settings.landing} holds several shops ({', '.join(shops)}); give each a NIGHTMARKET_HOME of its own"
        )
    return shops[0]


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and p.name[0] not in "._") if parent.is_dir() else []


def _dated(folder: Path) -> Iterator[tuple[date, Path]]:
    """date=YYYY-MM-DD folders; one that is no date is an error, because its rows would never be read."""
    for path in _folders(folder):
        try:
            name, _, day = path.name.partition("=")
            if name != "date":
                raise ValueError
            yield date.fromisoformat(day), path
        except ValueError as error:
            raise NightmarketError(
                f"landing folder {path} is not named date=YYYY-MM-DD; rename or remove it"
            ) from error


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "._")


def landing_files(settings: Settings, batch: Batch, entity: str) -> list[LandingFile]:
    """Every file delivered for `entity` on the batch's dates, sorted by date and name. Hidden files are none."""
    root = settings.landing / shop_of(settings) / entity
    return [
        LandingFile(path, day, path.relative_to(root).as_posix())
        for day, folder in _dated(root)
        if day in batch
        for path in _files(folder)
    ]


def landed_dates(settings: Settings) -> tuple[date, date]:
    """First and last landing date of any entity."""
    shop = settings.landing / shop_of(settings)
    days = [day for name in ENTITIES for day, folder in _dated(shop / name) if _files(folder)]
    if not days:
        raise UsageError(f"nothing has landed in {shop}; run `nightmarket land SOURCE` first")
    return min(days), max(days)


def _source_of(settings: Settings) -> Source | None:
    path = settings.landing / shop_of(settings) / SOURCE_FILE
    if not path.exists():
        return None  # files put here by something else: every day counts as open
    try:
        kept = json.loads(path.read_text())
        return with_options(get_source(kept["source"]), kept["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise NightmarketError(f"{path} is broken ({error}); run `nightmarket land` again to write it anew") from error


def kept_source(settings: Settings) -> tuple[str | None, Path | None]:
    """Name and path of the source that landed here before; (None, None) where somebody else delivers the files."""
    source = _source_of(settings)
    known = settings.run / ORIGIN_FILE
    path = json.loads(known.read_text())["path"] if known.exists() else None
    if source is None or (source.needs_path and path is None):
        return None, None
    return source.name, path and Path(path)


def with_options(source: Source, options: dict[str, Any]) -> Source:
    return source.with_options(options) if source.with_options else source


def closed_days(settings: Settings, batch: Batch) -> set[date]:
    """Days of the batch on which the source declares that the shop is closed."""
    source = _source_of(settings)
    return {day for day in batch.days() if source.is_closed(day)} if source else set()


def check_reach(settings: Settings, batch: Batch) -> None:
    """Refuse a batch that ends after everything that has landed: a mistyped year would become the newest night."""
    last = landed_dates(settings)[1]
    if batch.last <= last:
        return
    beyond = Batch(last + timedelta(1), batch.last)
    if not closed_days(settings, beyond).issuperset(beyond.days()):
        raise UsageError(f"nothing has landed after {last}, so {batch.last} cannot be processed; check the date")


def check_freshness(settings: Settings, batch: Batch) -> list[str]:
    """One sentence for every open day without an events file; empty when all have landed."""
    closed = closed_days(settings, batch)
    arrived = {file.landing_date for file in landing_files(settings, batch, EVENTS.name)}
    folder = settings.landing / shop_of(settings) / EVENTS.name
    return [
        f"no {EVENTS.name} file has landed for {day}, an open day of {folder.parent.name}: expected in"
        f" {folder}/date={day}; land it, then run this night again"
        for day in batch.days()
        if day not in closed and day not in arrived
    ]
