"""What rules ask about items and customers: which a rule names, what they cost, which group they are of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import MONEY
from pipelines.rules.fields import Selection, nearest
from pipelines.rules.file import Each, Margin, Rule

BELOW = " > "
_NUMBER = re.compile(r"\s*-?[0-9]+(\.[0-9]+)?\s*")


@dataclass(frozen=True)
class Facts:
    """The newest product row of each of I items, as of a night; all null where there is none."""

    items: pa.Array  # string [I]
    category: pa.Array  # string [I]: 'home > kitchen'
    brand: pa.Array  # string [I]
    price: pa.Array  # decimal [I]
    attributes: pa.Array  # map [I]

    def named(self, where: Selection | None) -> np.ndarray:
        """bool [I]: the items a selection names; all of them where there is no selection."""
        if where is None:
            return np.ones(len(self.items), dtype=bool)
        found = _mask(pc.is_in(self.items, value_set=pa.array(where.items, pa.string())))
        found |= _mask(pc.is_in(self.brand, value_set=pa.array(where.brands, pa.string())))
        for name in where.categories:
            found |= _mask(pc.equal(self.category, name)) | _mask(pc.starts_with(self.category, name + BELOW))
        for name, values in where.attributes:
            found |= _mask(pc.is_in(self.attribute(name), value_set=pa.array(values, pa.string())))
        return found

    def attribute(self, name: str) -> pa.Array:
        """string [I], null where the item has none of that name."""
        return pc.map_lookup(self.attributes, name, "first")

    def numbers(self, name: str) -> list[Decimal | None]:
        """[I]: an attribute as a number; None where it is missing or is no number."""
        return [
            Decimal(text.strip()) if text is not None and _NUMBER.fullmatch(text) else None
            for text in self.attribute(name).to_pylist()
        ]

    def margin_at_least(self, margin: Margin, least: Decimal) -> np.ndarray:
        """bool [I]: known, and at least this share of the price. Exact: a share on the border is enough."""
        known = self.numbers(margin.attribute)
        if margin.source == "share":
            return np.array([share is not None and share >= least for share in known], dtype=bool)
        pairs = zip(known, self.price.to_pylist(), strict=True)
        return np.array([_pays(price, cost, least) for cost, price in pairs], dtype=bool)

    def groups(self, each: Each | None, where: Selection | None) -> np.ndarray:
        """int32 [I]: numbers of the groups that named items are of; -1 for others, and for items of no group."""
        named = self.named(where)
        if each is None:
            return np.where(named, 0, -1).astype(np.int32)
        codes = pc.fill_null(self._words(each).dictionary_encode().indices, -1)
        return np.where(named, codes.to_numpy(zero_copy_only=False), -1).astype(np.int32)

    def _words(self, each: Each) -> pa.Array:
        if each == "item":
            return self.items
        if each == "brand":
            return self.brand
        if each == "category":
            return self.category
        return pc.replace_substring_regex(self.category, f"{BELOW}.*", "")

    def hidden(self, rule: Rule, margin: Margin | None) -> np.ndarray:
        """bool [I]: what a hard rule keeps out, whoever the list is for. What is not known is not shown."""
        named = self.named(rule.where)
        match rule.kind:
            case "deny":
                return named
            case "allow":
                return ~named
            case "available":
                numbers = self.numbers(rule.attribute)
                return named & ~np.array([n is not None and n >= rule.number for n in numbers], dtype=bool)
            case "min_price":
                return named & ~_mask(pc.greater_equal(self.price, pa.scalar(rule.number, MONEY)))
            case "min_margin" if margin is not None:
                return named & ~self.margin_at_least(margin, rule.number)
            case _:
                return np.zeros(len(self.items), dtype=bool)

    def concerned(self, rule: Rule, margin: Margin | None) -> np.ndarray:
        """bool [I]: what the rule hides, moves, counts or pins, whoever the list is for; nothing of repurchase rules,
        which hide other things from everybody.
        """
        if rule.kind == "pin":
            return self.named(Selection(items=(rule.item,)))
        return self.hidden(rule, margin) if rule.is_hard else self.groups(rule.each, rule.where) >= 0

    def unknown(self, where: Selection | None) -> tuple[list[str], int]:
        """What a selection names that no item has, in words, and how many names it has in all."""
        if where is None:
            return [], 0
        categories: set[str] = set()
        for path in self.category.unique().drop_null().to_pylist():
            parts = path.split(BELOW)
            categories.update(BELOW.join(parts[: depth + 1]) for depth in range(len(parts)))
        found = _strange("item", where.items, self.items)
        found += _strange("category", where.categories, pa.array(sorted(categories), pa.string()))
        found += _strange("brand", where.brands, self.brand.unique().drop_null())
        count = len(where.items) + len(where.categories) + len(where.brands)
        for name, values in where.attributes:
            known = self.attribute(name).unique().drop_null()
            found += _strange(f"{name}", values, known) if len(known) else [self.strange_attribute(name)]
            count += len(values) if len(known) else 1
        return found, count

    def strange_attribute(self, name: str) -> str:
        """That no product has an attribute of this name, and which it might be."""
        return f"no product has an attribute {name!r}{nearest(name, self.attributes.keys.unique().to_pylist())}"


def facts(products: pa.Table, items: pa.Array) -> Facts:
    """Facts about `items` string [I]; `products` is what `lake.products` gives."""
    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    taken = products.select(["category_path", "brand", "price", "attributes"]).take(row)
    category, brand, price, attributes = (column.combine_chunks() for column in taken.columns)
    return Facts(items, _given(category), _given(brand), price, attributes)


def catalogue(products: pa.Table, sold: pa.Array) -> Facts:
    """Facts about every item that is known: of a product row, or one of `sold` string arrays without any."""
    items = pc.unique(pa.chunked_array([products["item_id"].combine_chunks(), sold.cast(pa.string())]))
    return facts(products, items)


def members(rule: Rule, people: pa.Table, users: pa.Array) -> np.ndarray:
    """bool [U]: whom the rule is for; everybody where it names no segment."""
    found = np.ones(len(users), dtype=bool)
    row = pc.index_in(users, value_set=people["user_id"].combine_chunks())
    for name, values in rule.segment:
        held = pc.map_lookup(people["attributes"].combine_chunks(), name, "first").take(row)
        found &= _mask(pc.is_in(held, value_set=pa.array(values, pa.string())))
    return found


def _pays(price: Decimal | None, cost: Decimal | None, least: Decimal) -> bool:
    return price is not None and cost is not None and price > 0 and price - cost >= least * price


def _given(words: pa.Array) -> pa.Array:
    """Blank is null."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(words), ""), None, words)


def _mask(found: pa.Array) -> np.ndarray:
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False).copy()


def _strange(what: str, names: Sequence[str], known: pa.Array) -> list[str]:
    missing = pa.array(names, pa.string()).filter(pc.invert(pc.is_in(pa.array(names, pa.string()), value_set=known)))
    if not len(missing):
        return []
    words = known.to_pylist() if len(known) <= NEAR else []
    return [f"{what} {name!r} is not in the catalogue{nearest(name, words)}" for name in missing.to_pylist()]


NEAR = 20_000
"""Above so many words a slip of the pen is not looked for: it would take seconds."""
