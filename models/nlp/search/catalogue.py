"""What is searched: products with their texts by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

FIELDS = ("title", "description", "brand", "category", "attributes")
"""Columns of the catalogue that are searched; all but the title may be missing. Attributes are maps or text."""
Texts = list[str | None]


@dataclass(frozen=True)
class Catalogue:
    """I items; None where nothing is said."""

    item_id: list[str]
    texts: dict[str, Texts]  # every name of `FIELDS`
    attributes: list[dict[str, str]]
    popularity: np.ndarray  # float32 [I], any measure of how often an item is wanted; NaN where unknown

    @classmethod
    def of(cls, table: pa.Table) -> "Catalogue":
        """`table`: item_id, title, any other of `FIELDS`, popularity. Raises `ValueError` for two rows of one item."""
        item_id = [str(value) for value in table["item_id"].to_pylist()]
        if len(set(item_id)) < len(item_id):
            raise ValueError("the catalogue holds an item twice")
        given = {
            name: table[name].to_pylist() if name in table.column_names else [None] * len(item_id) for name in FIELDS
        }
        attributes = [_as_dict(value) for value in given["attributes"]]
        texts: dict[str, Texts] = {name: given[name] for name in FIELDS}
        texts["attributes"] = [_spoken(value) for value in given["attributes"]]
        popularity = np.full(len(item_id), np.nan, dtype=np.float32)
        if "popularity" in table.column_names:
            popularity = np.array([np.nan if v is None else v for v in table["popularity"].to_pylist()], np.float32)
        return cls(item_id, texts, attributes, popularity)

    def __len__(self) -> int:
        return len(self.item_id)

    def spoken(self) -> list[str]:
        """What an encoder reads of each item: brand, title and the leaf of its category, without repeating itself."""
        found = []
        for brand, title, category in zip(
            self.texts["brand"], self.texts["title"], self.texts["category"], strict=True
        ):
            parts = [title or "", *(part for part in (brand, leaf(category)) if part)]
            found.append(
                " ".join(p for n, p in enumerate(parts) if n == 0 or p.lower() not in parts[0].lower()).strip()
            )
        return found


def leaf(category: str | None) -> str:
    """The narrowest name of a category path (`a > b` or `a/b`)."""
    return steps(category)[-1] if steps(category) else ""


def steps(category: str | None) -> Sequence[str]:
    """The names of a category path, the widest first."""
    text = category or ""
    for sign in (">", "/", "|"):
        text = text.replace(sign, ">")
    return [part.strip() for part in text.split(">") if part.strip()]


def _as_dict(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(k): str(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return {str(k): str(v) for k, v in value if v is not None}
    return {}


def _spoken(value: object) -> str | None:
    """Values alone: a key such as `colour` says nothing that a query would ask for."""
    return value if isinstance(value, str) else " ; ".join(_as_dict(value).values()) or None
