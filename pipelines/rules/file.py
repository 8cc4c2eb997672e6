"""The rules file as it is written: kinds of rules, what each may say, and every mistake with its line."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args

from pipelines.rules.fields import Fields, Selection
from pipelines.rules.nodes import Node, Problem, Unreadable, read

Kind = Literal[
    "deny", "allow", "available", "min_price", "min_margin", "repurchase",
    "pin", "boost", "at_most", "in_a_row", "diversity",
]  # fmt: skip
Each = Literal["item", "category", "top_category", "brand"]
Lists = Literal["customers", "visitors", "similar"]

KINDS: tuple[Kind, ...] = get_args(Kind)
LISTS: tuple[Lists, ...] = get_args(Lists)
HARD: tuple[Kind, ...] = ("deny", "allow", "available", "min_price", "min_margin", "repurchase")
"""What these hide is in no list; the others give, move and count places."""
LARGEST_FILE, MOST_RULES, LONGEST_NAME = 1_000_000, 500, 80
USUAL = 0
"""`days` of a repurchase rule that goes by the item's own usual interval."""

_ALWAYS = ("name", "from", "until", "segment", "lists")
_MORE: dict[Kind, tuple[str, ...]] = {
    "deny": (), "allow": (), "available": ("where",), "min_price": ("where",), "min_margin": ("where",),
    "repurchase": ("where", "of_each"), "pin": ("place", "say"), "boost": ("where", "say"),
    "at_most": ("where", "of_each", "say"), "in_a_row": ("where", "of_each", "say"),
    "diversity": ("where", "of_each", "say"),
}  # fmt: skip
_EACH: dict[Kind, tuple[Each, ...]] = {
    "repurchase": ("item", "category", "top_category", "brand"),
    "at_most": ("category", "top_category", "brand"),
    "in_a_row": ("category", "top_category", "brand"),
    "diversity": ("category", "top_category", "brand"),
}


@dataclass(frozen=True)
class Rule:
    """One rule. What its kind has no use for stays at its default."""

    name: str
    line: int
    kind: Kind
    where: Selection | None = None  # None: every item. Of deny and allow: what they name
    number: Decimal = Decimal(0)  # of available, min_price, min_margin, boost, diversity
    count: int = 0  # of at_most, in_a_row; days of repurchase
    attribute: str = ""  # of available
    item: str = ""  # of pin
    place: int = 0
    each: Each | None = None
    first: date | None = None
    until: date | None = None
    segment: tuple[tuple[str, tuple[str, ...]], ...] = ()  # each attribute must have one of its values
    lists: tuple[Lists, ...] = LISTS
    say: str = ""

    def holds_on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.until is None or day <= self.until)

    @property
    def is_hard(self) -> bool:
        return self.kind in HARD


@dataclass(frozen=True)
class Margin:
    """Which product attribute says what an item costs the shop (`cost`), or its margin as a share of the price."""

    source: Literal["cost", "share"]
    attribute: str


@dataclass(frozen=True)
class RuleFile:
    """A whole file. `digest` names its text."""

    text: str
    rules: tuple[Rule, ...]
    margin: Margin | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def parse(text: str, top_k: int) -> tuple[RuleFile, list[Problem]]:
    """The file and what is wrong with it, in the order of its lines; a rule with a mistake is left out."""
    problems: list[Problem] = []
    empty = RuleFile(text, (), None)
    if len(text) > LARGEST_FILE:
        return empty, [Problem(1, "", f"the file has {len(text):,} characters; at most {LARGEST_FILE:,} are read")]
    try:
        root = read(text)
    except Unreadable as error:
        return empty, [error.problem]
    if root is None:
        return empty, []
    fields = Fields(root, "", problems)
    if not fields.is_mapping("the file"):
        return empty, problems
    fields.refuse_others(("rules", "margin"))
    margin = _margin(fields)
    rules = [_rule(node, top_k, margin, problems) for node in fields.nodes("rules", "rules")]
    if len(rules) > MOST_RULES:
        problems.append(Problem(root.line, "", f"{len(rules)} rules are given; at most {MOST_RULES} are read"))
    found = tuple(rule for rule in rules if rule is not None)
    _names_are_unique(found, problems)
    return RuleFile(text, found, margin), sorted(problems, key=lambda problem: problem.line)


def _margin(fields: Fields) -> Margin | None:
    inner = fields.inner("margin")
    if inner is None:
        return None
    inner.refuse_others(("cost", "share"))
    for source in ("cost", "share"):
        if inner.has(source) and len(inner.keys) == 1:
            attribute = inner.text(source)
            return Margin("cost" if source == "cost" else "share", attribute) if attribute else None
    inner.wrong("give one product attribute, as cost or as share: `margin: {cost: purchase_price}`")
    return None


def _rule(node: Node, top_k: int, margin: Margin | None, problems: list[Problem]) -> Rule | None:
    before = len(problems)
    fields = Fields(node, "", problems)
    if not fields.is_mapping("a rule"):
        return None
    name = " ".join(fields.text("name").split())
    fields.rule = name
    if len(name) > LONGEST_NAME:
        fields.wrong(f"has {len(name)} characters; {LONGEST_NAME} are enough", "name")
    kinds = [kind for kind in KINDS if fields.has(kind)]
    if not name or len(kinds) != 1:
        if len(kinds) != 1:
            fields.refuse_others((*_ALWAYS, *KINDS, "where", "of_each", "place", "say"))
            says = f"two things to do ({' and '.join(kinds)}); make it two rules" if kinds else "nothing to do"
            fields.wrong(f"{says}; a rule does one of {', '.join(KINDS)}")
        return None
    kind = kinds[0]
    fields.refuse_others((*_ALWAYS, kind, *_MORE[kind]), f"a rule that does {kind}")
    if kind == "min_margin" and margin is None:
        fields.wrong("say where the margin comes from, at the top of the file: `margin: {cost: purchase_price}`", kind)
    rule = _read(fields, name, kind, top_k)
    return rule if len(problems) == before else None


def _read(fields: Fields, name: str, kind: Kind, top_k: int) -> Rule:
    where = fields.selection(kind if kind in ("deny", "allow") else "where")
    each = fields.one_of("of_each", _EACH[kind]) if kind in _EACH else None
    first, until = fields.day("from"), fields.day("until")
    if first and until and first > until:
        fields.wrong(f"from {first} is after until {until}; swap them, or mend the year", "from")
    if kind in ("pin", "boost") and until is None and not fields.has("until"):
        fields.wrong("give it an end: `until: YYYY-MM-DD` is its last day", kind)
    segment = fields.segment("segment")
    rule = Rule(
        name, fields.node.line, kind, where, each=each, first=first, until=until, segment=segment,
        lists=_lists(fields, kind, bool(segment)), say=fields.text("say") if fields.has("say") else name,
        **_values(fields, kind, top_k),
    )  # fmt: skip
    _needs(fields, rule)
    return rule


def _values(fields: Fields, kind: Kind, top_k: int) -> dict[str, Any]:
    """What the kind itself says."""
    match kind:
        case "available":
            inner = fields.inner("available")
            if inner is None:
                return {}
            inner.refuse_others(("attribute", "at_least"))
            return {"attribute": inner.text("attribute"), "number": inner.number("at_least", "a number, such as 1")}
        case "min_price":
            return {"number": fields.number(kind, "a price above 0, such as 5.00", lambda n: n > 0)}
        case "min_margin":
            says = "a share of the price between 0 and 1; 20 % is 0.20"
            return {"number": fields.number(kind, says, lambda n: 0 < n < 1)}
        case "boost":
            says = "a factor above 0 and up to 100, and not 1; 1.5 lifts, 0.5 lowers"
            return {"number": fields.number(kind, says, lambda n: 0 < n <= 100 and n != 1)}
        case "diversity":
            says = "between 0 and 1: what the next of a group still counts; 0.7 mixes a little, 0.3 much"
            return {"number": fields.number(kind, says, lambda n: 0 < n < 1)}
        case "at_most" | "in_a_row":
            return {"count": fields.whole(kind, 1, top_k)}
        case "repurchase":
            return {
                "count": USUAL if fields.raw(kind) == "usual" else fields.whole(kind, 1, 3650, " of days, or usual")
            }
        case "pin":
            return {"item": fields.text("pin"), "place": fields.whole("place", 1, top_k) if fields.has("place") else 1}
        case _:
            return {}


def _lists(fields: Fields, kind: Kind, has_segment: bool) -> tuple[Lists, ...]:
    """Where the rule holds: as given, or where its kind makes sense; see docs/rules.md."""
    if kind == "repurchase":
        may: tuple[Lists, ...] = ("customers",)
    elif has_segment:
        may = ("customers", "visitors")
    else:
        may = LISTS
    if not fields.has("lists"):
        return tuple(name for name in may if kind in HARD or name != "similar")
    given = fields.texts("lists")
    for name in given:
        if name not in may:
            why = " for a segment of customers" if name == "similar" and has_segment else f" for {kind}"
            near = f"; it can hold in {', '.join(may)}" if name in LISTS else f"; known: {', '.join(LISTS)}"
            fields.wrong(f"no lists {name!r}{why if name in LISTS else ''}{near}", "lists")
    return tuple(name for name in may if name in given)


def _needs(fields: Fields, rule: Rule) -> None:
    """What a kind cannot do without, beyond its own value."""
    if rule.kind == "boost" and not fields.has("where"):
        fields.wrong("say what is boosted: `where: {brands: [Acme]}`", "boost")
    if rule.kind in ("at_most", "in_a_row") and not fields.has("of_each") and not fields.has("where"):
        fields.wrong("say of what: `of_each: category`, or `where: {categories: [Garden]}`", rule.kind)
    if rule.kind == "diversity" and not fields.has("of_each"):
        fields.wrong("say what is to be mixed: `of_each: category` or `of_each: brand`", rule.kind)
    if rule.kind == "repurchase" and rule.count == USUAL and rule.each not in (None, "item"):
        fields.wrong("`usual` is an interval of each item; give days to wait for a whole category or brand", "of_each")


def _names_are_unique(rules: Sequence[Rule], problems: list[Problem]) -> None:
    seen: dict[str, int] = {}
    for rule in rules:
        if rule.name in seen:
            says = (
                f"line {seen[rule.name]} has a rule of that name, too; names say what touched a list, so give another"
            )
            problems.append(Problem(rule.line, rule.name, says))
        seen.setdefault(rule.name, rule.line)
