"""Which rows of a delivery name a file that nobody can use. Judged at intake: law 3 counts them like any other row."""

import json
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipelines import lake
from pipelines.contracts import CONTENT_HASH, UNREADABLE_REASON, URI, Entity
from pipelines.framing import RAW
from pipelines.media import store
from pipelines.media.faulty import MediaError
from pipelines.media.stream import in_order
from pipelines.settings import Settings

BLANKS = " \t\r\n\f\v"
TWICE = f"{CONTENT_HASH} or {URI} is given twice"
Named = tuple[str, str | None]
"""Hash of a content, and what it was delivered as."""


class Judge:
    """Judges each content once, also where many rows name it. What the lake holds was judged when it came there."""

    def __init__(self, settings: Settings, entity: Entity) -> None:
        self._settings, self._entity = settings, entity
        self._known: dict[Named, str | None] = {}

    def rows(self, framed: pa.Table) -> pa.Table:
        """A framed block; a row whose content is refused has its reason in `unreadable_reason`.

        A row that names no hash at all is left to the rules of its columns.
        """
        names, reasons = _named(framed)
        asked = [name for name in names if name is not None and name not in self._known]
        self._judge(list(dict.fromkeys(asked)))
        found = [reason or (name and self._known[name]) for name, reason in zip(names, reasons, strict=True)]
        place = framed.schema.get_field_index(UNREADABLE_REASON)
        reason = pc.coalesce(framed[UNREADABLE_REASON], pa.chunked_array([pa.array(found, pa.string())]))
        return framed.set_column(place, framed.schema.field(place), reason)

    def _judge(self, asked: list[Named]) -> None:
        if not asked:
            return
        from pipelines.media.kinds import KINDS  # the decoders, which a night without media does not need

        folder, kind = store.folder_of(self._settings), KINDS[self._entity.name]
        before = self._in_lake({digest for digest, _ in asked})
        fresh = [name for name in asked if name not in before or not store.holds(folder, name[0])]
        self._known |= dict.fromkeys(asked)
        self._known |= zip(fresh, in_order(partial(_reason, folder, kind), fresh), strict=True)

    def _in_lake(self, digests: set[str]) -> set[Named]:
        rows = lake.dataset(self._settings, self._entity.name)
        held = rows.to_table(columns=[CONTENT_HASH, URI], filter=ds.field(CONTENT_HASH).isin(sorted(digests)))
        return set(zip(held[CONTENT_HASH].to_pylist(), held[URI].to_pylist(), strict=True))


def _reason(folder: Any, kind: Any, named: Named) -> str | None:
    digest, uri = named
    try:
        kind.check(store.get(folder, digest, kind.most_bytes), uri)
    except MediaError as error:
        return error.reason
    return None


def _named(framed: pa.Table) -> tuple[list[Named | None], list[str | None]]:
    """What each row names, None where that is no hash; and a reason where the line cannot be taken at its word."""
    if CONTENT_HASH in framed.schema.names:
        pairs = zip(framed[CONTENT_HASH].to_pylist(), framed[URI].to_pylist(), strict=True)
        return [_pair(*pair) for pair in pairs], [None] * framed.num_rows
    parsed = [_parsed(raw) for raw in framed[RAW].to_pylist()]
    return [name for name, _ in parsed], [reason for _, reason in parsed]


def _pair(digest: Any, uri: Any) -> Named | None:
    digest, uri = (value.strip(BLANKS) if isinstance(value, str) else None for value in (digest, uri))
    return (digest, uri or None) if store.is_hash(digest) else None


def _parsed(raw: str | None) -> tuple[Named | None, str | None]:
    """Engines differ in which of two equal keys they take, so a line that has two is refused."""
    twice = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        row = dict(pairs)
        twice = twice or any(sum(key == name for key, _ in pairs) > 1 for name in (CONTENT_HASH, URI))
        return row

    try:
        row = json.loads(raw or "", object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None, None  # no JSON: the engine says so
    if twice:
        return None, TWICE
    return (_pair(row.get(CONTENT_HASH), row.get(URI)), None) if isinstance(row, dict) else (None, None)
