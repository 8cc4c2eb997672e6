"""The embedded model registry: saved versions, what was trained when, and an append-only log of promotions.

<folder>/<family>/<version>/         artefacts (see `models.artefact`)
<folder>/<family>/trainings.jsonl    one line per training run
<folder>/<family>/promotions.jsonl   one line per promotion; the last that applies is the champion
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Promotion:
    """`cutoff`: the last day the version was fitted on. `known_until`: the last day the choice was based on, test days
    included; no night up to it may be scored by this champion, or it would profit from its own future.
    """

    family: str
    model_name: str
    version: str
    cutoff: str
    known_until: str
    promoted_at: str
    reason: str
    takes_back: str = ""  # the version that this entry takes back; nothing is promoted by it


@dataclass(frozen=True)
class Training:
    """One training run: the version of each model that could be fitted, and of the per-user results.

    `champion`: the version of the learned champion that was judged beside them, or empty. `run_id`: the run in MLflow.
    """

    family: str
    cutoff: str
    known_until: str
    repeat_purchases: bool
    versions: dict[str, str]
    results: str
    trained_at: str
    champion: str = ""
    run_id: str = ""


def record_training(folder: Path, training: Training) -> None:
    """Append a run, unless the last one is the same but for the time it ran."""
    last = latest_training(folder, training.family)
    if last is None or _timeless(asdict(last)) != _timeless(asdict(training)):
        _append(folder / training.family / "trainings.jsonl", asdict(training))


def latest_training(folder: Path, family: str) -> Training | None:
    """The newest run in the log."""
    rows = _read(folder / family / "trainings.jsonl")
    return Training(**rows[-1]) if rows else None


def promote(folder: Path, promotion: Promotion) -> None:
    """Append a promotion; nothing is ever removed from the log."""
    _append(folder / promotion.family / "promotions.jsonl", asdict(promotion))


def champion_as_of(folder: Path, family: str, night: date | None = None) -> Promotion | None:
    """The latest promotion of which all data lies before `night` (law 4); without a night, the latest of all."""
    known = champions(folder, family)
    if night is not None:
        known = [p for p in known if date.fromisoformat(p.known_until) < night]
    return known[-1] if known else None


def champions(folder: Path, family: str) -> list[Promotion]:
    """The promotions that stand, oldest first: those that were not taken back."""
    standing: list[Promotion] = []
    for row in _read(folder / family / "promotions.jsonl"):
        entry = Promotion(**row)
        if not entry.takes_back:
            standing.append(entry)
        elif standing and standing[-1].version == entry.takes_back:
            standing.pop()
    return standing


def roll_back(folder: Path, before: Promotion, now: Promotion, at: str) -> None:
    """Take the promotion `now` back, so that `before` is champion again; both stay in the log."""
    reason = f"rolled back from {now.model_name} {now.version}"
    entry = replace(before, promoted_at=at, reason=reason, takes_back=now.version)
    _append(folder / before.family / "promotions.jsonl", asdict(entry))


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("trained_at", "run_id")}


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _append(path: Path, row: dict[str, Any]) -> None:
    """The log with one more line, written whole: a reader, or a kill at any point, never meets half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        before = path.read_text() if path.exists() else ""
        fresh = path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(before + json.dumps(row, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
