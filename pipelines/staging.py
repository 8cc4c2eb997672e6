"""Where an attempt at preprocessing leaves its files, and which attempt is the current one.

staging/<batch>/<attempt>/<entity>/<partition>=YYYY-MM-DD/*.parquet and quarantine/…: the rows
                         manifest.json, audit-<stage>.json, committed.json: what is known of them
staging/<batch>/current.json: the attempt whose manifest is complete
staging/<batch>/committing.json: only some of the batch's tables may be committed to the lake; no step reads it so
"""

import json
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.contracts import QUARANTINE
from pipelines.errors import NightmarketError
from pipelines.files import write_atomic
from pipelines.settings import Batch, Settings


def current(settings: Settings, batch: Batch) -> tuple[Path, dict[str, Any]]:
    """Folder and manifest of the batch's current attempt."""
    pointer = settings.staging / batch.key / "current.json"
    try:
        folder = pointer.parent / json.loads(pointer.read_text())["attempt"]
        return folder, json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError as error:
        raise NightmarketError(f"{batch.key} is not preprocessed; run `nightmarket preprocess` first") from error


def committed(folder: Path) -> dict[str, Any] | None:
    """What `publish-lake` returned when it committed this attempt; None before."""
    path = folder / "committed.json"
    return json.loads(path.read_text()) if path.exists() else None


def sweep(folder: Path, manifest: dict[str, Any], result: dict[str, Any]) -> None:
    """Note that the attempt is in the lake, then drop its files: the lake has its own links to them."""
    write_atomic(folder / "committed.json", json.dumps(result).encode())
    for name in (*manifest["entities"], QUARANTINE):
        shutil.rmtree(folder / name, ignore_errors=True)


# ---- the mark of a batch that is only partly in the lake ---------------------------------------------------------


def mark_partial(settings: Settings, batch: Batch) -> None:
    """Before the first of a batch's commits. It outlives a kill, and a new attempt at preprocessing the batch."""
    write_atomic(_mark(settings, batch), json.dumps({"batch": batch.key}).encode())


def mark_whole(settings: Settings, done: Iterable[Batch]) -> None:
    """After the last one, and after what it leaves for others (books, committed.json) is written."""
    for batch in done:
        _mark(settings, batch).unlink(missing_ok=True)


def partial(settings: Settings) -> list[Batch]:
    """Batches of which only some tables may be in the lake: `publish-lake` is at work or was killed."""
    return batches(path.parent.name for path in sorted(settings.staging.glob("*/committing.json")))


def batches(keys: Iterable[str]) -> list[Batch]:
    """Batches by their keys."""
    ends = [key.partition("..") for key in keys]
    return [Batch(date.fromisoformat(first), date.fromisoformat(last or first)) for first, _, last in ends]


def require_whole(settings: Settings) -> None:
    """For whoever reads the lake across its tables: raise while one of them may be ahead of another."""
    for batch in partial(settings):
        words = f"--date {batch.key}" if batch.is_night else f"--from {batch.first} --until {batch.last}"
        raise NightmarketError(
            f"{batch.key} is only partly in the lake: `publish-lake` did not finish;"
            f" run `nightmarket publish-lake {words}` first"
        )


def _mark(settings: Settings, batch: Batch) -> Path:
    return settings.staging / batch.key / "committing.json"
