"""Which rules of a file hold tonight, and why the others do not. Nothing is left out silently."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rules.facts import Facts, catalogue, facts, members
from pipelines.rules.fields import nearest
from pipelines.rules.file import Margin, Rule, RuleFile
from pipelines.training_run import availability

State = Literal["applied", "not begun", "ended", "skipped"]
SPARE = 1_000
"""Items nobody has bought yet that lists under rules may draw from."""


@dataclass(frozen=True)
class Standing:
    """A rule tonight. `note`: what to know about it; of a skipped rule, why. `is_odd`: it may be a slip of the pen:
    items come and go, but a category, a brand or an attribute that nobody knows is rather misspelt.
    """

    rule: Rule
    state: State
    note: str = ""
    is_odd: bool = False


def standings(file: RuleFile, night: date, products: pa.Table, people: pa.Table, sold: pa.Array) -> list[Standing]:
    """Every rule of the file, in its order. `products` and `people` are what `lake.products` and `lake.users` give;
    `sold` string arrays of items that are known, too, although no product row speaks of them.
    """
    known = catalogue(products, sold)
    return [_standing(rule, file.margin, night, known, products, people) for rule in file.rules]


def _standing(
    rule: Rule, margin: Margin | None, night: date, known: Facts, products: pa.Table, people: pa.Table
) -> Standing:
    if rule.until is not None and rule.until < night:
        return Standing(rule, "ended", f"on {rule.until}")
    if rule.first is not None and rule.first > night:
        return Standing(rule, "not begun", f"begins on {rule.first}")
    strange, names = known.unknown(rule.where)
    reason = _nothing_to_go_by(rule, margin, known, products, night) or _nobody(rule, people)
    if reason:
        return Standing(rule, "skipped", reason, is_odd=rule.kind != "pin")
    state: State = "skipped" if names and len(strange) == names else "applied"
    return Standing(rule, state, "; ".join(strange), any(not said.startswith("item ") for said in strange))


def _nothing_to_go_by(rule: Rule, margin: Margin | None, known: Facts, products: pa.Table, night: date) -> str:
    """Why the catalogue gives the rule nothing to work with; empty where it does."""
    match rule.kind:
        case "available" if not any(n is not None for n in known.numbers(rule.attribute)):
            if known.attribute(rule.attribute).null_count == len(known.items):
                return known.strange_attribute(rule.attribute)
            return f"no product has a number in its attribute {rule.attribute!r}"
        case "min_price" if known.price.null_count == len(known.items):
            return "no product has a price"
        case "min_margin" if margin is not None and not any(n is not None for n in known.numbers(margin.attribute)):
            return known.strange_attribute(margin.attribute)
        case "pin":
            item = pa.array([rule.item], pa.string())
            if not pc.is_in(item, value_set=known.items)[0].as_py():
                words = known.items.to_pylist() if len(known.items) <= 20_000 else []
                return f"item {rule.item!r} is not in the catalogue{nearest(rule.item, words)}"
            if not availability(products, item, night)[0]:
                return f"item {rule.item!r} is not for sale on {night}"
    return ""


def _nobody(rule: Rule, people: pa.Table) -> str:
    """Why the rule's segment is empty; empty where it is not."""
    if not rule.segment or members(rule, people, people["user_id"].combine_chunks()).any():
        return ""
    attributes = people["attributes"].combine_chunks()
    names = attributes.keys.unique().to_pylist()
    for name, values in rule.segment:
        if name not in names:
            return f"no customer has an attribute {name!r}{nearest(name, names)}"
        held = pc.map_lookup(attributes, name, "first").unique().drop_null().to_pylist()
        for value in values:
            if value not in held:
                return f"no customer has {name} {value!r}{nearest(value, held[:20_000])}"
    return "no customer is of this segment"


def spare_items(
    file: RuleFile, night: date, products: pa.Table, people: pa.Table, unsold: pa.Array, k: int
) -> pa.Array:
    """Of the items on sale that nobody has bought in the window, those that lists under these rules may need: all that
    are pinned, and the first by id that no rule hides from everybody.
    """
    held = [s.rule for s in standings(file, night, products, people, unsold) if s.state == "applied"]
    unsold = unsold.take(pc.sort_indices(unsold))
    found = facts(products, unsold)
    allowed = found.named(None)
    for rule in held:
        if rule.is_hard and not rule.segment and "customers" in rule.lists:
            allowed &= ~found.hidden(rule, file.margin)
    pinned = pa.array([r.item for r in held if r.kind == "pin"], pa.string())
    chosen = pa.array(allowed & (allowed.cumsum() <= max(k, SPARE)))
    return unsold.filter(pc.or_(chosen, pc.is_in(unsold, value_set=pinned)))
