"""What a query asks for by name: a brand, a colour, a category, a size; found from what the catalogue itself says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from models.nlp.search.catalogue import Catalogue, leaf
from models.nlp.search.tokens import clean, has_han, measures, stem

BRAND, COLOUR, CATEGORY, MEASURE = KINDS = ("brand", "colour", "category", "measure")
LONGEST_NAME = 8
COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("black", "黑色", "黑"), "white": ("white", "白色", "白"), "red": ("red", "红色", "红"),
    "blue": ("blue", "蓝色", "蓝"), "navy": ("navy", "navy blue", "藏青色", "深蓝色", "藏蓝"),
    "green": ("green", "绿色", "绿"),
    "yellow": ("yellow", "黄色"), "orange": ("orange", "橙色", "橘色"), "pink": ("pink", "粉色", "粉红色", "粉红"),
    "purple": ("purple", "violet", "紫色"), "brown": ("brown", "棕色", "咖啡色", "褐色"),
    "gray": ("gray", "grey", "灰色"), "beige": ("beige", "米色", "杏色"), "gold": ("gold", "golden", "金色"),
    "silver": ("silver", "银色"), "teal": ("teal", "turquoise", "青色"), "ivory": ("ivory", "象牙白"),
    "burgundy": ("burgundy", "maroon", "酒红色", "酒红"), "clear": ("transparent", "透明"),
}  # fmt: skip
"""Names of colours in both languages and the one each becomes."""
_COLOUR_KEYS = re.compile(r"colou?r|颜色", re.IGNORECASE)
_PIECE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")
Named = tuple[str, str]


@dataclass(frozen=True)
class Understood:
    """`named`: (kind, value) pairs found in a query; `rest`: its other words, in order."""

    named: frozenset[Named]
    rest: tuple[str, ...]

    def words(self) -> str:
        return "; ".join(f"{kind} {value}" for kind, value in sorted(self.named))


@dataclass(frozen=True)
class Names:
    """Every name that this catalogue uses, by its pieces; `values` is in order, and a place in it is a column."""

    by_pieces: dict[tuple[str, ...], frozenset[Named]]
    values: tuple[Named, ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Names":
        found: dict[tuple[str, ...], set[Named]] = {}

        def add(kind: str, text: str, value: str) -> None:
            cut = tuple(pieces(text))
            if 0 < len(cut) <= LONGEST_NAME:
                found.setdefault(cut, set()).add((kind, value))

        for brand in sorted({clean(b) for b in catalogue.texts["brand"]} - {""}):
            add(BRAND, brand, brand)
        for category in sorted({clean(leaf(c)) for c in catalogue.texts["category"]} - {""}):
            add(CATEGORY, category, category)
        for value, names in COLOURS.items():
            for name in names:
                add(COLOUR, name, value)
        for told in sorted({clean(c) for a in catalogue.attributes for c in _colours_told(a)} - {""}):
            if tuple(pieces(told)) not in found:
                add(COLOUR, told, told)
        by_pieces = {cut: frozenset(named) for cut, named in found.items()}
        return cls(by_pieces, tuple(sorted({named for several in by_pieces.values() for named in several})))

    @cached_property
    def place(self) -> Mapping[Named, int]:
        return {named: n for n, named in enumerate(self.values)}

    def understand(self, query: str | None) -> Understood:
        """The longest name at each place from the left; what belongs to a longer name is not part of a shorter one."""
        cut, at = pieces(query), 0
        named: set[Named] = {(MEASURE, size) for size in measures(query)}
        rest = []
        while at < len(cut):
            for length in range(min(LONGEST_NAME, len(cut) - at), 0, -1):
                several = self.by_pieces.get(tuple(cut[at : at + length]))
                if several:
                    named |= several
                    at += length
                    break
            else:
                rest.append(cut[at])
                at += 1
        return Understood(frozenset(named), tuple(rest))


@dataclass(frozen=True)
class Facets:
    """What I items are, in the columns of `Names.values`, and the sizes they name."""

    names: Names
    owned: sparse.csr_array  # float32 [I, values], 1 where the item has it
    sizes: list[frozenset[str]]

    @classmethod
    def of(cls, catalogue: Catalogue, names: Names) -> "Facets":
        rows = []
        for n in range(len(catalogue)):
            told: set[Named] = set()
            if brand := clean(catalogue.texts["brand"][n]):
                told.add((BRAND, brand))
            if category := clean(leaf(catalogue.texts["category"][n])):
                told.add((CATEGORY, category))
            colours = " . ".join(_colours_told(catalogue.attributes[n])) or catalogue.texts["title"][n]
            told |= {named for named in names.understand(colours).named if named[0] == COLOUR}
            rows.append(told)
        texts = zip(catalogue.texts["title"], catalogue.texts["attributes"], strict=True)
        sizes = [frozenset(measures(title)) | frozenset(measures(other)) for title, other in texts]
        return cls(names, _matrix(rows, names), sizes)

    def agree(self, queries: Sequence[Understood], query: np.ndarray, item: np.ndarray) -> np.ndarray:
        """float32 [P, kinds] for pairs of a query and an item: NaN where the query does not ask for the kind, else
        1 where the item has what is asked, −1 where it has another, 0 where it does not say.
        """
        asked = _matrix([q.named for q in queries], self.names)
        columns = []
        for kind in (BRAND, COLOUR, CATEGORY):
            of_kind = np.array([named[0] == kind for named in self.names.values], dtype=np.float32)
            mask = sparse.diags_array(of_kind, format="csr")
            wanted, owned = sparse.csr_array(asked @ mask), sparse.csr_array(self.owned @ mask)
            columns.append(
                _verdict(
                    _count(wanted)[query] > 0,
                    np.asarray(wanted[query].multiply(owned[item]).sum(axis=1)).ravel() > 0,
                    _count(owned)[item] > 0,
                )
            )
        columns.append(self._sizes(queries, query, item))
        return np.stack(columns, axis=1).astype(np.float32)

    def _sizes(self, queries: Sequence[Understood], query: np.ndarray, item: np.ndarray) -> np.ndarray:
        """A size is another only where it has the unit that was asked for."""
        wanted = [frozenset(value for kind, value in q.named if kind == MEASURE) for q in queries]
        found = np.full(len(query), np.nan)
        for row in np.flatnonzero([bool(wanted[q]) for q in query]):
            asked, owned = wanted[query[row]], self.sizes[item[row]]
            same_unit = {_unit(a) for a in asked} & {_unit(o) for o in owned}
            found[row] = 1.0 if asked & owned else -1.0 if same_unit else 0.0
        return found


def pieces(text: str | None) -> list[str]:
    """Stems of words, and single Chinese characters."""
    return [piece if has_han(piece) else stem(piece) for piece in _PIECE.findall(clean(text))]


def _unit(size: str) -> str:
    return size.lstrip("0123456789.")


def _colours_told(attributes: Mapping[str, str]) -> list[str]:
    return [value for key, value in sorted(attributes.items()) if _COLOUR_KEYS.search(key)]


def _matrix(rows: Sequence[Iterable[Named]], names: Names) -> sparse.csr_array:
    held = [sorted(names.place[named] for named in row if named in names.place) for row in rows]
    indices = np.fromiter((n for row in held for n in row), dtype=np.int64)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in held], dtype=np.int64)])
    return sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(rows), len(names.values)))


def _count(matrix: sparse.csr_array) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1)).ravel()


def _verdict(asked: np.ndarray, has: np.ndarray, says: np.ndarray) -> np.ndarray:
    return np.where(asked, np.where(has, 1.0, np.where(says, -1.0, 0.0)), np.nan)
