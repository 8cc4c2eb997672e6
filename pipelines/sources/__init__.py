"""Sources: each module here that defines `SOURCE` turns one origin into landing files. Adding one touches no other.

A source yields `Delivery`s; `pipelines.land` writes them. Nothing heavy is imported before a source has to land.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LandRequest:
    """What to land: the origin at `path` (None where the source needs none), delivery dates from `first` to `last`."""

    path: Path | None
    first: date | None
    last: date | None
    workdir: Path  # empty folder for temporary files; the caller removes it
    memory_limit: str = "2GB"

    def wants(self, day: date) -> bool:
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Delivery:
    """One landing file to be: `rows` are batches of string columns named as in the contract, plus `line`.

    Rows must be read before the next delivery is asked for. Of pictures and sounds `media` gives the content that a
    row's `uri` names, or raises MediaError; whoever writes the rows keeps it and adds its hash.
    """

    entity: str
    day: date
    stem: str  # tells which origin file it came from
    rows: "Iterable[pa.RecordBatch]"
    media: Callable[[str], bytes] | None = None


@dataclass(frozen=True)
class Source:
    """One kind of origin. `is_closed(day)` is asked with the options that were true when it landed."""

    name: str
    description: str
    timezone: str  # of local times in the origin; what lands is UTC
    is_closed: Callable[[date], bool]
    land: Callable[[LandRequest], Iterator[Delivery]]
    needs_path: bool = True
    # Options of the origin that later nights need (time zone, closed weekdays), as JSON; and the source under them.
    options: Callable[[Path | None], dict] = lambda path: {}
    with_options: "Callable[[dict], Source] | None" = None


@cache
def sources() -> dict[str, Source]:
    """Every source by name, in alphabetical order."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        source = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SOURCE", None)
        if isinstance(source, Source):
            found[source.name] = source
    return dict(sorted(found.items()))


def get_source(name: str) -> Source:
    known = sources()
    if name not in known:
        raise UsageError(f"no source named {name!r}; there are: {', '.join(known)}")
    return known[name]
