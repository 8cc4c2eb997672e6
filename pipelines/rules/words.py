"""A rule in plain words."""

from collections.abc import Sequence

from pipelines.rules.fields import Selection
from pipelines.rules.file import LISTS, USUAL, Margin, Rule

_EACH = {"item": "item", "category": "category", "top_category": "main category", "brand": "brand"}
_SHOWN = 4
"""So many names are written out; of more, how many there are."""


def words(rule: Rule, margin: Margin | None) -> str:
    """What the rule does, to whom, where and when: one line."""
    return f"{_deed(rule, margin)}{_whom(rule)}{_when(rule)}"


def count(number: int, thing: str) -> str:
    """'1 list', '2,469 lists'."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _deed(rule: Rule, margin: Margin | None) -> str:
    what, each = _what(rule.where), _EACH.get(rule.each or "item", "")
    match rule.kind:
        case "deny":
            return f"never shows {what}"
        case "allow":
            return f"shows nothing but {what}"
        case "available":
            return f"shows {what} only where the attribute {rule.attribute} is at least {rule.number:f}"
        case "min_price":
            return f"shows {what} only from a price of {rule.number:f} on"
        case "min_margin":
            where = f" ({margin.source} from the attribute {margin.attribute})" if margin else ""
            return f"shows {what} only with a margin of at least {_percent(rule)} of the price{where}"
        case "repurchase":
            since = "the usual time between two purchases" if rule.count == USUAL else f"{rule.count} days"
            again = "" if each == "item" else f", nor anything else of the same {each}"
            return f"does not show {what} again before {since} {'has' if rule.count == USUAL else 'have'} passed{again}"
        case "pin":
            return f"puts item {rule.item} at place {rule.place}"
        case "boost":
            return f"multiplies the scores of {what} by {rule.number:f}"
        case "at_most":
            return f"lets at most {rule.count} of {what}{_of(rule)} into a list"
        case "in_a_row":
            return f"lets at most {rule.count} of {what}{_of(rule)} follow each other"
        case "diversity":
            return f"mixes {what}: the next of a {each} counts {_percent(rule)} of the one before"


def _percent(rule: Rule) -> str:
    return f"{float(100 * rule.number):g} %"


def _of(rule: Rule) -> str:
    return f" of one {_EACH[rule.each]}" if rule.each else ""


def _what(where: Selection | None) -> str:
    if where is None:
        return "items"
    parts = []
    for one, many, names in (
        ("item", "items", where.items),
        ("category", "categories", where.categories),
        ("brand", "brands", where.brands),
    ):
        if names:
            parts.append(f"{one if len(names) == 1 else many} {_names(names)}")
    parts += [f"items with {name} {_names(values)}" for name, values in where.attributes]
    return " or ".join(parts)


def _names(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"


def _whom(rule: Rule) -> str:
    who = " and ".join(f"{name} {_names(values)}" for name, values in rule.segment)
    where = "" if rule.lists == LISTS else f", in lists of {' and '.join(_LISTED[name] for name in rule.lists)}"
    return (f", for customers with {who}" if who else "") + where


_LISTED = {"customers": "customers", "visitors": "visitors", "similar": "similar items"}


def _when(rule: Rule) -> str:
    return (f", from {rule.first}" if rule.first else "") + (f", until {rule.until}" if rule.until else "")
