"""What one attempt at preprocessing knows while it runs."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipelines.contracts import Entity
from pipelines.intake import Framed
from pipelines.settings import Batch, Settings

File = tuple[date, str]
"""A landing file: (landing date, name below landing/<shop>/<entity>/)."""


@dataclass
class Counts:
    """Rows of one entity by landing file, recounted from what was written; `refused` by file and reason.

    `masked`: of each landing date and kind of personal data, the accepted rows and the places where it was masked.
    """

    published: Counter[File] = field(default_factory=Counter)
    deduplicated: Counter[File] = field(default_factory=Counter)
    refused: Counter[tuple[date, str, str]] = field(default_factory=Counter)
    masked: dict[tuple[date, str], tuple[int, int]] = field(default_factory=dict)


@dataclass
class Work:
    """`touched`: partitions this batch replaces; `base`: digests of the committed ones, taken before they are read."""

    settings: Settings
    batch: Batch
    folder: Path
    framed: dict[str, Framed] = field(default_factory=dict)
    touched: dict[str, set[date]] = field(default_factory=dict)
    base: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def on_cluster(self) -> bool:
        return self.settings.engine.startswith("sc://")

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def checked(self, entity: Entity) -> Path:
        return self.scratch / "checked" / entity.name

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 3)
