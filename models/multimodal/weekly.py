"""Personas that stand for a week: what they are called, and who belongs to them while the week lasts."""

from collections.abc import Iterator

import numpy as np

from models.interactions import Interactions
from models.multimodal.lookalike import Model, unit_rows
from models.multimodal.persona_tables import CATEGORY, ITEM, Goods, tables
from models.multimodal.personas import Personas

EVERYTHING = "a bit of everything"


def assigned(personas: Personas, vectors: np.ndarray) -> Personas:
    """The same groups, of users with vectors float32 [U, d] of the same space: each in the nearest one (cosine)."""
    rows = unit_rows(vectors)
    said = np.flatnonzero(rows.any(axis=1)) if len(personas.centroids) else np.zeros(0, np.int64)
    of, cosine = np.full(len(rows), -1, np.int32), np.zeros(len(rows), np.float32)
    if len(said):
        seen = unit_rows(rows[said] - personas.middle)
        near = np.asarray((seen @ personas.centroids.T).argmax(axis=1))
        of[said], cosine[said] = near, (seen * personas.centroids[near]).sum(axis=1)
    return Personas(personas.middle, personas.centroids, of, cosine, {})


def names_of(found: Personas, data: Interactions, goods: Goods) -> list[str]:
    """A name for each group [k]: the category its members buy more than others do, or the word, with a second one where
    two groups would be called the same. It follows from the group alone, so weeks that are alike give the same names.
    """
    provisional = [str(one) for one in range(len(found.centroids))]
    rows = tables(found, provisional, data, goods, Model("", "")).traits.to_pylist()
    kinds = {name: sorted((r for r in rows if r["persona"] == name), key=_by_kind) for name in provisional}
    taken: list[str] = []
    for name in provisional:
        said = list(dict.fromkeys(row["value"] for row in kinds[name] if row["kind"] != ITEM))
        taken.append(next(one for one in _candidates(said) if one not in taken))
    return taken


def _by_kind(row: dict[str, object]) -> tuple[bool, int]:
    return row["kind"] != CATEGORY, int(str(row["rank"]))


def _candidates(said: list[str]) -> Iterator[str]:
    first = said[0] if said else EVERYTHING
    yield first
    yield from (f"{first} and {other}" for other in said[1:])
    number = 2
    while True:
        yield f"{first} {number}"
        number += 1
