"""The fields of a mapping in the rules file: each read as what it must be, each mistake with its line."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from pipelines.rules.nodes import Node, Problem

Word = TypeVar("Word", bound=str)


@dataclass(frozen=True)
class Selection:
    """Items that any one of these names. A category includes everything below it: `home` has `home > kitchen`."""

    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()


def nearest(word: str, known: Sequence[str]) -> str:
    """'; did you mean …?', or nothing where no known word is near."""
    found = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


class Fields:
    """A mapping node; what is wrong with it goes to `problems`, and the reader gets a harmless value."""

    def __init__(self, node: Node, rule: str, problems: list[Problem]) -> None:
        self.node, self.rule, self.problems = node, rule, problems
        self.keys: dict[str, Node] = node.value if isinstance(node.value, dict) else {}

    def wrong(self, says: str, key: str = "") -> None:
        line = self.keys[key].line if key in self.keys else self.node.line
        self.problems.append(Problem(line, self.rule, f"{key}: {says}" if key else says))

    def has(self, key: str) -> bool:
        return key in self.keys

    def is_mapping(self, what: str) -> bool:
        if not isinstance(self.node.value, dict):
            self.wrong(f"{what} must be keys with values, such as `name: no tobacco`")
        return isinstance(self.node.value, dict)

    def refuse_others(self, known: Sequence[str], owner: str = "") -> None:
        for key in self.keys:
            if key not in known:
                near = nearest(key, known)
                said = near or f"; known: {', '.join(known)}"
                self.wrong(f"unknown key {key!r}{f' in {owner}' if owner else ''}{said}", key)

    def nodes(self, key: str, what: str) -> list[Node]:
        if key not in self.keys:
            return []
        value = self.keys[key].value
        if isinstance(value, list):
            return value
        if value:
            self.wrong(f"must be a list of {what}, each beginning with `- `", key)
        return []

    def inner(self, key: str) -> "Fields | None":
        if key not in self.keys:
            return None
        found = Fields(self.keys[key], self.rule, self.problems)
        return found if found.is_mapping(key) else None

    def raw(self, key: str) -> str:
        value = self.keys[key].value if key in self.keys else ""
        return value if isinstance(value, str) else ""

    def text(self, key: str) -> str:
        """A text that is not empty."""
        if not self.raw(key):
            self.wrong("a text is wanted here" if key in self.keys else f"give it a {key}", key)
        return self.raw(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """One text, or a list of them; at least one."""
        node = self.keys[key]
        parts = node.value if isinstance(node.value, list) else [node]
        found = [part.value for part in parts if isinstance(part.value, str) and part.value]
        if not found or len(found) < len(parts):
            self.wrong("one text or a list of texts is wanted here, such as [tea, coffee]", key)
        return tuple(dict.fromkeys(found))

    def number(self, key: str, wanted: str, fits: Callable[[Decimal], bool] = lambda _: True) -> Decimal:
        """At most six decimals: as many as prices have."""
        try:
            found = Decimal(self.raw(key))
            if found.is_finite() and fits(found) and found == round(found, 6):
                return found
        except InvalidOperation:
            pass
        self.wrong(f"must be {wanted}, not {self.raw(key)!r}", key)
        return Decimal(1)

    def whole(self, key: str, least: int, most: int, of: str = "") -> int:
        raw = self.raw(key)
        if raw.isascii() and raw.isdigit() and least <= int(raw) <= most:
            return int(raw)
        self.wrong(f"must be a whole number{of} from {least} to {most}, not {raw!r}", key)
        return least

    def day(self, key: str) -> date | None:
        if key not in self.keys:
            return None
        try:
            return date.fromisoformat(self.raw(key))
        except ValueError:
            self.wrong(f"{self.raw(key)!r} is not a date; write YYYY-MM-DD, for example 2024-08-31", key)
            return None

    def one_of(self, key: str, known: tuple[Word, ...]) -> Word | None:
        if key not in self.keys:
            return None
        for word in known:
            if word == self.raw(key):
                return word
        self.wrong(f"must be one of {', '.join(known)}, not {self.raw(key)!r}", key)
        return None

    def segment(self, key: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Values by attribute: `{country: [France, Spain]}`."""
        inner = self.inner(key)
        if inner is None:
            return ()
        if not inner.keys:
            self.wrong("name a user attribute and its values: `{country: France}`", key)
        return tuple((name, inner.texts(name)) for name in inner.keys)

    def selection(self, key: str) -> Selection | None:
        inner = self.inner(key)
        if inner is None:
            return None
        names = ("items", "categories", "brands")
        inner.refuse_others((*names, "attributes"))
        if not inner.keys:
            self.wrong("name items, categories, brands or attributes: `{categories: [Garden]}`", key)
        found = {name: inner.texts(name) for name in names if inner.has(name)}
        return Selection(**found, attributes=inner.segment("attributes"))
