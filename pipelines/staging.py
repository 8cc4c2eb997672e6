"""Where an attempt at preprocessing leaves its files, and which attempt is the current one.

staging/<batch>/<attempt>/<entity>/<partition>=YYYY-MM-DD/*.parquet and quarantine/…: the rows
                         manifest.json, audit-<stage>.json, committed.json: what is known of them
staging/<batch>/current.json: the attempt whose manifest is complete
"""

import json
import shutil
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
