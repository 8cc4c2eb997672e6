"""Look at what is new among the pictures and listen to what is new among the sounds, as of a night.

A content is decoded and embedded once for each tower, however often it is delivered: the work of a night is the
difference between what the lake names and what has a vector. Killed anywhere, the next call goes on where it stopped.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake, staging
from pipelines.contracts import CONTENT_HASH, PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.media import store
from pipelines.media.faulty import MediaError
from pipelines.media.kinds import AUDIO, IMAGE, KINDS
from pipelines.media.pictures import picture
from pipelines.media.sounds import sound
from pipelines.media.stream import in_order
from pipelines.media.vectors import VECTOR, Vectors
from pipelines.settings import Settings

PICTURES_AT_A_TIME, SOUNDS_AT_A_TIME = 64, 32
ROWS_PER_PART = 2_048
"""Contents that are kept together: bounds the memory, and what a kill can cost."""
SHOWN = 20
"""Files that could not be read are named in the night's lines, up to so many."""


@dataclass(frozen=True)
class Tower:
    """What turns media into vectors. `version` names all that a vector depends on besides the bytes, so also `size`.

    `images`: uint8 [n, size, size, 3] to float32 [n, d]. `sounds`: waves of 16 kHz, at most `seconds` long, to float32
    [n, d]. None where the tower has no such part: those media are left alone. A row must be the same whatever stands
    beside it; else what is new in a night would change the vectors of that night.
    """

    version: str
    images: Callable[[np.ndarray], np.ndarray] | None = None
    sounds: Callable[[list[np.ndarray]], np.ndarray] | None = None
    size: int = 80
    seconds: float = 10.0


@dataclass(frozen=True)
class _Sort:
    """How contents of one modality become vectors: decoded one by one, embedded some at a time."""

    entity: str
    decode: Callable[[bytes], np.ndarray]
    embed: Callable[[list[np.ndarray]], np.ndarray]
    at_a_time: int


def read_media(settings: Settings, night: date, tower: Tower, attempt: Attempt) -> dict[str, Any]:
    """Give every picture and sound that an item has as of `night` its vector by `tower`.

    Returns counts by modality: files that items name, contents embedded now and before, unreadable ones. Raises
    Superseded where a newer attempt has taken over.
    """
    staging.require_whole(settings)
    said: dict[str, Any] = {"rows": 0, "model_version": tower.version, "lines": []}
    for modality, sort in _sorts(tower).items():
        counts = _read(settings, night, attempt, Vectors(settings, tower.version, modality), sort, said["lines"])
        said["rows"] += counts["embedded"]
        said[modality] = counts
    return said


def item_vectors(settings: Settings, night: date, tower: Tower, modality: str) -> pa.Table:
    """Vectors of the items as of `night`: item_id, position, content_hash, vector (list of d float32).

    In the order of item and position; a file that could not be read has no row. `modality`: image or audio.
    """
    rows = lake.media(settings, _entity(modality), night).select(["item_id", "position", CONTENT_HASH])
    known = Vectors(settings, tower.version, modality).of(rows[CONTENT_HASH].to_pylist())
    place = pc.index_in(rows[CONTENT_HASH], known[CONTENT_HASH].combine_chunks())
    found = rows.filter(pc.is_valid(place))
    return found.append_column(VECTOR, known[VECTOR].combine_chunks().take(pc.drop_null(place).combine_chunks()))


def _entity(modality: str) -> str:
    return next(name for name, kind in KINDS.items() if kind.modality == modality)


def _sorts(tower: Tower) -> dict[str, _Sort]:
    found = {}
    if tower.images is not None:
        images, decode = tower.images, partial(picture, size=tower.size)
        found[IMAGE] = _Sort(PRODUCT_IMAGES.name, decode, lambda some: images(np.stack(some)), PICTURES_AT_A_TIME)
    if tower.sounds is not None:
        decode = partial(sound, seconds=tower.seconds)
        found[AUDIO] = _Sort(PRODUCT_AUDIO.name, decode, tower.sounds, SOUNDS_AT_A_TIME)
    return found


def _read(
    settings: Settings, night: date, attempt: Attempt, vectors: Vectors, sort: _Sort, lines: list[str]
) -> dict[str, Any]:
    names = lake.media(settings, sort.entity, night)[CONTENT_HASH]
    wanted = set(names.to_pylist())
    due = sorted(wanted - vectors.hashes())
    counts: Counter[str] = Counter(files=len(names), embedded=0, known=len(wanted) - len(due), unreadable=0)
    started = time.monotonic()
    read = partial(_content, store.folder_of(settings) if due else Path(), KINDS[sort.entity].most_bytes, sort.decode)
    made = _embedded(in_order(read, due), sort, lines, counts)
    while part := list(islice(made, ROWS_PER_PART)):
        with guard(settings, attempt):
            vectors.add([digest for digest, _ in part], np.stack([vector for _, vector in part]))
        counts["embedded"] += len(part)
        fault_point("media.part")
    with guard(settings, attempt):
        vectors.merge(ROWS_PER_PART)
    return {**counts, "seconds": round(time.monotonic() - started, 2)}


def _content(
    folder: Path, most: int, decode: Callable[[bytes], np.ndarray], digest: str
) -> tuple[str, np.ndarray | MediaError]:
    try:
        return digest, decode(store.get(folder, digest, most))
    except MediaError as error:
        return digest, error


def _embedded(
    decoded: Iterator[tuple[str, np.ndarray | MediaError]], sort: _Sort, lines: list[str], counts: Counter[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """(hash, float32 [d]) of what could be decoded. Raises ValueError where the tower returns anything else."""

    def good() -> Iterator[tuple[str, np.ndarray]]:
        for digest, made in decoded:
            if not isinstance(made, MediaError):
                yield digest, made
                continue
            # It was judged when it came, so its file was lost or changed since: the item does without.
            counts["unreadable"] += 1
            if counts["unreadable"] <= SHOWN:
                lines.append(f"{sort.entity}: {digest} {made.reason}; land it again")

    ready = good()
    while group := list(islice(ready, sort.at_a_time)):
        yield from zip([digest for digest, _ in group], _checked(sort, [array for _, array in group]), strict=True)


def _checked(sort: _Sort, arrays: Sequence[np.ndarray]) -> np.ndarray:
    vectors = np.asarray(sort.embed(list(arrays)), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(arrays) or not np.isfinite(vectors).all():
        raise ValueError(
            f"{sort.entity}: {len(arrays)} files gave vectors of shape {vectors.shape}, or not finite ones"
        )
    return vectors
