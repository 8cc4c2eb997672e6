"""Where an attempt at preprocessing leaves its files, and which attempt is the current one.

staging/<batch>/<attempt>/<entity>/<partition>=YYYY-MM-DD/*.parquet, quarantine/…, manifest.json, audit-*.json
staging/<batch>/current.json -> the attempt whose manifest is complete
"""

import json
import shutil
from pathlib import Path
from typing import Any

from pipelines.errors import NightmarketError
from pipelines.settings import Batch, Settings


def current(settings: Settings, batch: Batch) -> tuple[Path, dict[str, Any]]:
    """Folder and manifest of the batch's current attempt."""
    pointer = settings.staging / batch.key / "current.json"
    try:
        folder = pointer.parent / json.loads(pointer.read_text())["attempt"]
        return folder, json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError as error:
        raise NightmarketError(f"{batch.key} is not preprocessed; run `nightmarket preprocess` first") from error


def verdict(folder: Path, stage: str) -> dict[str, Any]:
    """The audit's verdict on this attempt; missing means that the audit has not run."""
    path = folder / f"audit-{stage}.json"
    if not path.exists():
        raise NightmarketError(f"{folder.parent.name}: audit {stage} has not run; run `nightmarket audit {stage}`")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def sweep(settings: Settings, batch: Batch) -> None:
    """Drop a batch's staged files once they are committed; the pointer, manifest and verdicts stay."""
    folder, manifest = current(settings, batch)
    for name in (*manifest["entities"], "quarantine"):
        shutil.rmtree(folder / name, ignore_errors=True)
