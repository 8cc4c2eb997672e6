"""The rules file: what each kind reads as, and every mistake with its line and what to do."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rules.conflicts import conflicts
from pipelines.rules.fields import Selection
from pipelines.rules.file import KINDS, USUAL, Margin, Rule, parse

NIGHT = date(2024, 6, 1)


def good(text: str) -> tuple[Rule, ...]:
    found, problems = parse(dedent(text), 20)
    assert [str(p) for p in problems] == []
    return found.rules


def wrong(text: str) -> list[str]:
    found, problems = parse(dedent(text), 20)
    return [str(p) for p in [*problems, *conflicts(found.rules, NIGHT)]]


def test_the_manuals_example_is_right_and_has_every_kind() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    found = good(example)
    assert {rule.kind for rule in found} == set(KINDS)
    assert conflicts(found, NIGHT) == []
    assert all(f"- `{kind}: " in manual for kind in KINDS)


def test_an_empty_file_has_no_rules() -> None:
    assert good("") == good("# nothing yet\n") == good("rules:\n") == ()


def test_every_kind_as_it_is_written() -> None:
    found, problems = parse(
        dedent("""\
        margin: {cost: purchase_price}
        rules:
          - name: no tobacco
            deny: {categories: [Tobacco], items: [007, no]}
          - {name: toys for children, allow: {categories: Toys}, segment: {group: child}}
          - {name: in stock, available: {attribute: stock, at_least: 1}}
          - {name: nothing under five, min_price: 5.00, where: {categories: [Garden]}}
          - {name: a fifth, min_margin: 0.2}
          - {name: coffee after four weeks, repurchase: 28, of_each: category, where: {categories: [Coffee]}}
          - {name: when due, repurchase: usual}
          - {name: summer kettle, pin: KB-7, place: 2, until: 2024-08-31, say: our choice for summer}
          - {name: own brand, boost: 1.5, where: {brands: [Acme]}, from: 2024-06-01, until: "2024-06-30"}
          - {name: three of a kind, at_most: 3, of_each: category}
          - {name: not thrice, in_a_row: 2, of_each: brand, lists: [customers, similar]}
          - {name: mixed, diversity: 0.7, of_each: top_category, where: {attributes: {season: summer}}}
        """),
        20,
    )
    assert problems == []
    assert found.margin == Margin("cost", "purchase_price")
    rules = {rule.kind: rule for rule in found.rules}
    assert set(rules) == set(KINDS)
    assert rules["deny"].where == Selection(items=("007", "no"), categories=("Tobacco",))
    assert rules["deny"].line == 3
    assert rules["deny"].lists == ("customers", "visitors", "similar")
    assert rules["allow"].segment == (("group", ("child",)),)
    assert rules["allow"].lists == ("customers", "visitors")
    assert (rules["available"].attribute, rules["available"].number) == ("stock", Decimal(1))
    assert rules["min_price"].number == Decimal("5.00")
    assert rules["min_margin"].number == Decimal("0.2")
    assert (rules["repurchase"].count, rules["repurchase"].lists) == (USUAL, ("customers",))
    pin = rules["pin"]
    assert (pin.item, pin.place, pin.until, pin.say) == ("KB-7", 2, date(2024, 8, 31), "our choice for summer")
    assert pin.lists == ("customers", "visitors")
    assert rules["boost"].say == "own brand"
    assert (rules["at_most"].count, rules["at_most"].each) == (3, "category")
    assert rules["in_a_row"].lists == ("customers", "similar")
    assert rules["diversity"].where == Selection(attributes=(("season", ("summer",)),))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: [", "line 1: this is not YAML"),
        ("- a\n- b", "line 1: the file must be keys with values"),
        ("rulez: []", "line 1: rulez: unknown key 'rulez'; did you mean 'rules'?"),
        ("rules: no tobacco", "line 1: rules: must be a list of rules, each beginning with `- `"),
        ("rules:\n  - no tobacco", "line 2: a rule must be keys with values"),
        ("rules:\n  - deny: {items: [a]}", "line 2: name: give it a name"),
        ("rules:\n  - name: x", "line 2, rule 'x': nothing to do; a rule does one of deny, allow"),
        ("rules:\n  - {name: x, pin: a, boost: 2}", "two things to do (pin and boost); make it two rules"),
        (
            "rules:\n  - name: x\n    deni: {items: [a]}",
            "line 3, rule 'x': deni: unknown key 'deni'; did you mean 'deny'?",
        ),
        (
            "rules:\n  - name: x\n    pin: a\n    untl: 2024-07-01",
            "line 4, rule 'x': untl: unknown key 'untl' in a rule that does pin; did you mean 'until'?",
        ),
        ("rules:\n  - {name: x, deny: {items: [a]}, place: 3}", "unknown key 'place' in a rule that does deny"),
        ("rules:\n  - {name: x, deny: {item: [a]}}", "unknown key 'item'; did you mean 'items'?"),
        ("rules:\n  - {name: x, deny: {}}", "deny: name items, categories, brands or attributes"),
        ("rules:\n  - {name: x, deny: {items: []}}", "items: one text or a list of texts is wanted here"),
        ("rules:\n  - {name: x, deny: {items: [{a: b}]}}", "items: one text or a list of texts is wanted here"),
        ("rules:\n  - {name: x, deny: [a]}", "deny must be keys with values"),
        ("rules:\n  - {name: x, pin: a}", "pin: give it an end: `until: YYYY-MM-DD` is its last day"),
        ("rules:\n  - {name: x, pin: a, until: 31.8.2024}", "until: '31.8.2024' is not a date; write YYYY-MM-DD"),
        (
            "rules:\n  - {name: x, pin: a, place: 21, until: 2025-01-01}",
            "place: must be a whole number from 1 to 20, not '21'",
        ),
        (
            "rules:\n  - {name: x, pin: a, from: 2025-02-01, until: 2025-01-01}",
            "from: from 2025-02-01 is after until 2025-01-01",
        ),
        ("rules:\n  - {name: x, boost: 0, where: {brands: A}, until: 2025-01-01}", "boost: must be a factor above 0"),
        ("rules:\n  - {name: x, boost: much, where: {brands: A}, until: 2025-01-01}", "not 'much'"),
        ("rules:\n  - {name: x, boost: 2, until: 2025-01-01}", "boost: say what is boosted: `where: {brands: [Acme]}`"),
        ("rules:\n  - {name: x, min_price: 0.0000001}", "min_price: must be a price above 0, such as 5.00"),
        ("rules:\n  - {name: x, min_margin: 0.2}", "say where the margin comes from, at the top of the file"),
        ("margin: {cost: a, share: b}\nrules: []", "line 1: give one product attribute, as cost or as share"),
        (
            "margin: {share: m}\nrules:\n  - {name: x, min_margin: 20}",
            "a share of the price between 0 and 1; 20 % is 0.20",
        ),
        ("rules:\n  - {name: x, at_most: 3}", "at_most: say of what: `of_each: category`"),
        ("rules:\n  - {name: x, at_most: 0, of_each: brand}", "at_most: must be a whole number from 1 to 20, not '0'"),
        (
            "rules:\n  - {name: x, at_most: 3, of_each: colour}",
            "of_each: must be one of category, top_category, brand, not 'colour'",
        ),
        ("rules:\n  - {name: x, diversity: 0.5}", "diversity: say what is to be mixed"),
        ("rules:\n  - {name: x, diversity: 1, of_each: brand}", "diversity: must be between 0 and 1"),
        (
            "rules:\n  - {name: x, repurchase: soon}",
            "repurchase: must be a whole number of days, or usual from 1 to 3650, not 'soon'",
        ),
        ("rules:\n  - {name: x, repurchase: usual, of_each: brand}", "of_each: `usual` is an interval of each item"),
        (
            "rules:\n  - {name: x, repurchase: 9, lists: [visitors]}",
            "lists: no lists 'visitors' for repurchase; it can hold in customers",
        ),
        (
            "rules:\n  - {name: x, deny: {items: a}, lists: [everywhere]}",
            "lists: no lists 'everywhere'; known: customers, visitors, similar",
        ),
        (
            "rules:\n  - {name: x, deny: {items: a}, lists: similar, segment: {c: d}}",
            "no lists 'similar' for a segment of customers",
        ),
        ("rules:\n  - {name: x, deny: {items: a}, segment: {}}", "segment: name a user attribute and its values"),
        ("rules:\n  - {name: x, available: {attribute: stock}}", "at_least: must be a number, such as 1, not ''"),
        (
            "rules:\n  - {name: x, deny: {items: a}}\n  - {name: x, deny: {items: b}}",
            "line 3, rule 'x': line 2 has a rule of that name, too",
        ),
        ("rules:\n  - {name: x, name: y, deny: {items: a}}", "line 2: 'name' is given twice; keep one of them"),
        ("a: &a {b: *a}", "line 1: an alias stands inside what it names"),
    ],
)
def test_each_mistake_is_told_with_its_line_and_what_to_do(text: str, says: str) -> None:
    found = wrong(text)
    assert any(says in line for line in found), found
    assert all("\n" not in line for line in found)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = wrong("""\
        rules:
          - name: a
            pin: x
          - name: b
            boost: 2
            untl: 2024-07-01
          - name: c
            deny: {items: [z]}
        """)
    assert [line.split(":")[0] for line in found] == [
        "line 3, rule 'a'", "line 5, rule 'b'", "line 5, rule 'b'", "line 6, rule 'b'",
    ]  # fmt: skip


PINNED = "  - {name: star, pin: K, place: 1, until: 2024-12-31}\n"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            "  - {name: no, deny: {items: [K]}}\n",
            "line 3, rule 'no': item 'K' is both pinned and denied; keep one of the two; see rule 'star' in line 2",
        ),
        ("  - {name: only, allow: {items: [A]}}\n", "item 'K' is pinned but not among the only items allowed"),
        (
            "  - {name: two, pin: L, place: 1, until: 2024-07-01}\n",
            "line 3, rule 'two': two items are pinned to place 1",
        ),
        ("  - {name: again, pin: K, place: 2, until: 2024-07-01}\n", "item 'K' is pinned to two places"),
        (
            "  - {name: ended, pin: L, place: 1, until: 2024-05-01}\n",
            "rule 'ended': ended on 2024-05-01 and does nothing; take it out",
        ),
    ],
)
def test_contradictions_name_both_rules(other: str, says: str) -> None:
    (found,) = wrong("rules:\n" + PINNED + other)
    assert says in found


@pytest.mark.parametrize(
    "other",
    [
        "  - {name: no, deny: {items: [K]}, from: 2025-01-01}\n",  # after the pin
        "  - {name: no, deny: {items: [K]}, lists: [similar]}\n",  # where nothing is pinned
        "  - {name: no, deny: {items: [K]}, segment: {age: child}}\n",  # for some of its customers
        "  - {name: only, allow: {categories: [A], items: [B]}}\n",  # K may be of the category
        "  - {name: two, pin: L, place: 2, until: 2024-07-01}\n",
        "  - {name: two, pin: L, place: 1, until: 2024-07-01, lists: [similar]}\n",
    ],
)
def test_what_never_meets_is_no_contradiction(other: str) -> None:
    assert wrong("rules:\n" + PINNED + other) == []


def test_pins_of_disjoint_segments_may_share_a_place() -> None:
    def pins(one: str, other: str) -> list[str]:
        return wrong(
            "rules:\n"
            f"  - {{name: a, pin: K, until: 2024-12-31, segment: {one}}}\n"
            f"  - {{name: b, pin: L, until: 2024-12-31, segment: {other}}}\n"
        )

    assert pins("{country: [France, Malta]}", "{country: Spain}") == []
    assert len(pins("{country: [France, Malta]}", "{country: [Malta]}")) == 1
    assert len(pins("{country: France}", "{age: child}")) == 1  # a French child is in both


def test_what_a_rule_both_allows_and_denies_is_a_contradiction() -> None:
    (found,) = wrong(
        "rules:\n  - {name: a, allow: {categories: [Toys, Books]}}\n  - {name: b, deny: {categories: [Toys]}}\n"
    )
    assert "category 'Toys' is both allowed and denied" in found
    assert wrong("rules:\n  - {name: a, allow: {categories: [Toys]}}\n  - {name: b, deny: {items: [T1]}}\n") == []


def test_an_ended_rule_is_only_a_warning() -> None:
    found, problems = parse("rules:\n  - {name: x, deny: {items: a}, until: 2024-05-31}\n", 20)
    assert problems == []
    (problem,) = conflicts(found.rules, NIGHT)
    assert problem.level == "warning"
    assert conflicts(found.rules, date(2024, 5, 31)) == []


def test_a_rule_holds_from_its_first_to_its_last_day() -> None:
    (rule,) = good("rules:\n  - {name: x, deny: {items: a}, from: 2024-05-10, until: 2024-05-12}\n")
    assert [rule.holds_on(date(2024, 5, day)) for day in (9, 10, 12, 13)] == [False, True, True, False]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_whatever_is_in_the_file_it_is_read_or_refused_in_words(text: str) -> None:
    for prefix in ("", "rules:\n  - ", "rules:\n  - {name: x, deny: {items: "):
        found, problems = parse(prefix + text, 20)
        assert found.rules == () or all(rule.name for rule in found.rules)
        assert all(str(problem) for problem in problems)
