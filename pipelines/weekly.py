"""What is learned once a week, as of the last Sunday, and kept only to save time: it could be made again at any moment.

A week's artefact lies under the models, in a folder of its family, and small files point to it, by a digest of all that
it was made of. So any order of nights gives equal rows, and nobody asks how old a file is.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines import lake
from pipelines.files import write_atomic
from pipelines.settings import Settings

KEPT = 3
"""Weeks that are kept."""


@dataclass(frozen=True)
class Weekly:
    """The artefacts of one family in `folder`, as of `sunday`."""

    folder: Path
    sunday: date

    @classmethod
    def before(cls, settings: Settings, family: str, night: date) -> "Weekly":
        """Of the last Sunday up to `night`."""
        return cls(settings.models / family, night - timedelta((night.weekday() + 1) % 7))

    def pointer(self, facts: Iterable[object]) -> Path:
        """The file that names the version that was made of these facts, whether or not it is there."""
        said = json.dumps(list(facts), default=str)
        return self.folder / f"{self.sunday}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.json"

    def keep(self, pointers: Iterable[Path], version: str) -> None:
        """Point at a version, and forget all but the last weeks."""
        for pointer in pointers:
            write_atomic(pointer, json.dumps({"version": version}).encode())
        self._forget()

    def _forget(self) -> None:
        pointers = list(self.folder.glob("*.json"))
        weeks = set(sorted({path.name[:10] for path in pointers})[-KEPT:])
        for path in pointers:
            if path.name[:10] not in weeks:
                path.unlink(missing_ok=True)
        used = {json.loads(path.read_text())["version"] for path in self.folder.glob("*.json")}
        for version in self.folder.iterdir():
            if version.is_dir() and version.name not in used:
                shutil.rmtree(version, ignore_errors=True)


def version_at(pointer: Path) -> str | None:
    """The version that a pointer names; None where it is not there or cannot be read."""
    try:
        return str(json.loads(pointer.read_text())["version"])
    except (OSError, ValueError, KeyError):
        return None


def files(settings: Settings, entities: Iterable[str], until: date) -> list[str]:
    """The files that what was known on the day lies in, as they are now."""
    return [
        f"{name} {day} {digest}"
        for name in entities
        for day, digest in sorted(lake.digests(settings, name).items())
        if day <= until
    ]
