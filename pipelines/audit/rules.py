"""Whether the lists in the warehouse keep the night's business rules, asked anew: in SQL, of the tables themselves.

Nothing here is shared with scoring but the reading of the rules file: what an item costs, who bought it when and what
stands in a row is worked out again from `raw` and `scores`, in one dialect for both warehouses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb

from pipelines.audit.rule_tables import load
from pipelines.contracts import OPS_NIGHT_RULES
from pipelines.rules.fields import Selection
from pipelines.rules.file import USUAL, Margin, Rule, parse
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse

USUAL_LOOKS_BACK, USUAL_NEEDS = 365, 5
_NUMBER = (
    r"case when regexp_full_match(trim(attributes[?]), '-?[0-9]+(\.[0-9]+)?')"
    " then try_cast(trim(attributes[?]) as decimal(24, 12)) end"
)
_GROUPS = {
    None: "1", "item": "item", "category": "category", "brand": "brand",
    "top_category": "split_part(category, ' > ', 1)",
}  # fmt: skip


@dataclass
class Sql:
    """A piece of SQL and the values of its question marks, in order."""

    text: str
    values: list[Any] = field(default_factory=list)


def broken_rules(settings: Settings, night: date) -> dict[Rule, int]:
    """Of each rule that can be broken, how many rows of the night's lists break it; of caps and runs, how many groups.

    Empty where the night had no rules. Of a pin: lists that hold its item at another place; beside rules about what
    stands in a row pins may have had to move up, and are left out.
    """
    with open_warehouse(settings, read_only=True) as connection:
        kept = connection.reader(f"select content from {OPS_NIGHT_RULES.name} where night = ?", [night]).read_all()
        if not kept.num_rows:
            return {}
        file, _ = parse(kept["content"][0].as_py(), settings.top_k)
        held = [rule for rule in file.rules if rule.holds_on(night)]
        soft = {"boost", "diversity", *(["pin"] if any(rule.kind == "in_a_row" for rule in held) else [])}
        rules = [rule for rule in held if rule.kind not in soft]
        if not rules:
            return {}
        with _bench(settings) as bench:
            load(settings, connection, bench, night, any(rule.kind == "repurchase" for rule in rules))
            return {rule: _broken(settings, bench, rule, file.margin, night) for rule in rules}


@contextmanager
def _bench(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    spill = str(settings.run / "spill")
    with duckdb.connect(config={"memory_limit": settings.memory_limit, "threads": 2, "temp_directory": spill}) as bench:
        yield bench


def _broken(
    settings: Settings, bench: duckdb.DuckDBPyConnection, rule: Rule, margin: Margin | None, night: date
) -> int:
    mine = _mine(settings, rule)
    if rule.kind == "pin":
        found = _misplaced(mine, rule)
    elif rule.is_hard:
        hidden = _hidden(bench, rule, margin, night)
        if hidden is None:
            return 0
        found = _listed(mine, hidden, rule.kind == "repurchase")
    else:
        found = _too_many(mine, rule)
    return int(bench.execute(f"select count(*) from ({found.text})", found.values).fetchall()[0][0])


def _listed(mine: Sql, hidden: Sql, by_owner: bool) -> Sql:
    same = "hidden.item = mine.item" + (" and hidden.owner = mine.owner" if by_owner else "")
    return Sql(
        f"with mine as ({mine.text}), hidden as ({hidden.text})"
        f" select 1 from mine where exists (select 1 from hidden where {same})",
        mine.values + hidden.values,
    )


def _too_many(mine: Sql, rule: Rule) -> Sql:
    """Groups, or runs of them, that are larger than allowed."""
    group = _group(rule)
    island = "0" if rule.kind == "at_most" else "rank - row_number() over (partition by kind, owner, grp order by rank)"
    return Sql(
        f"with mine as ({mine.text}), grouped as ({group.text}),"
        f" placed as (select kind, owner, grp, {island} as island from mine join grouped using (item)"
        " where grp is not null)"
        f" select 1 from placed group by kind, owner, grp, island having count(*) > {rule.count}",
        mine.values + group.values,
    )


def _misplaced(mine: Sql, rule: Rule) -> Sql:
    """A list that ends before the place has the item at its end, which is right."""
    return Sql(
        f"with mine as ({mine.text}), places as (select kind, owner, max(rank) as last from mine group by kind, owner)"
        " select 1 from mine join places using (kind, owner) where item = ? and rank <> ? and last >= ?",
        [*mine.values, rule.item, rule.place, rule.place],
    )


# ---- what a rule speaks of -----------------------------------------------------------------------------------


def _mine(settings: Settings, rule: Rule) -> Sql:
    """The rows of the lists that the rule holds for."""
    found = Sql("select * from lists where list_contains(?, kind)", [list(rule.lists)])
    if not rule.segment:
        return found
    has = " and ".join("list_contains(?, attributes[?])" for _ in rule.segment)
    (name, values), *others = rule.segment
    of_visitors = [f"{name}={v}" for v in values] if name == settings.segment_attribute and not others else []
    found.text += (
        f" and ((kind = 'customers' and owner in (select owner from people where {has}))"
        " or (kind = 'visitors' and list_contains(?, owner)))"
    )
    for name, values in rule.segment:
        found.values += [list(values), name]
    found.values.append(of_visitors)
    return found


def _named(where: Selection | None) -> Sql:
    """A condition on `items`."""
    if where is None:
        return Sql("true")
    text = "list_contains(?, item) or coalesce(list_contains(?, brand), false)"
    values: list[Any] = [list(where.items), list(where.brands)]
    for category in where.categories:
        text += " or coalesce(category = ? or starts_with(category, ? || ' > '), false)"
        values += [category, category]
    for name, wanted in where.attributes:
        text += " or coalesce(list_contains(?, attributes[?]), false)"
        values += [list(wanted), name]
    return Sql(f"({text})", values)


def _group(rule: Rule) -> Sql:
    """Each item with its group, null where it has none."""
    named = _named(rule.where)
    return Sql(f"select item, case when {named.text} then {_GROUPS[rule.each]} end as grp from items", named.values)


def _hidden(bench: duckdb.DuckDBPyConnection, rule: Rule, margin: Margin | None, night: date) -> Sql | None:
    """Items, or pairs of owner and item, that the rule keeps out; None where it has nothing to go by."""
    named = _named(rule.where)
    if rule.kind == "repurchase":
        return _too_early(rule, night)
    if rule.kind == "deny":
        return Sql(f"select item from items where {named.text}", named.values)
    if rule.kind == "allow":
        named, source, keeps = Sql("true"), named, named
    else:
        source, keeps = _least(rule, margin)
    if not bench.execute(f"select 1 from items where {source.text} limit 1", source.values).fetchall():
        return None
    text = f"select item from items where {named.text} and not coalesce({keeps.text}, false)"
    return Sql(text, named.values + keeps.values)


def _least(rule: Rule, margin: Margin | None) -> tuple[Sql, Sql]:
    """Whether a number is known that the rule goes by, and whether it is enough."""
    if rule.kind == "min_price":
        return Sql("price is not null"), Sql("price >= cast(? as decimal(18, 6))", [rule.number])
    attribute = margin.attribute if margin is not None and rule.kind == "min_margin" else rule.attribute
    number = [attribute, attribute]
    known, least = Sql(f"{_NUMBER} is not null", number), "cast(? as decimal(18, 6))"
    if rule.kind == "min_margin" and margin is not None and margin.source == "cost":
        return known, Sql(f"price > 0 and price - {_NUMBER} >= {least} * price", [*number, rule.number])
    return known, Sql(f"{_NUMBER} >= {least}", [*number, rule.number])


def _too_early(rule: Rule, night: date) -> Sql:
    """Who bought what too recently to be shown it again."""
    named, group = _named(rule.where), _group(rule)
    last = "select owner, item, date_diff('day', max(day), cast(? as date)) as ago from bought group by owner, item"
    if rule.count == USUAL:
        usual, values = _usual(night)
        return Sql(
            f"with usual as ({usual}) select owner, item from ({last}) join items using (item) join usual using (item)"
            f" where ago < {USUAL_LOOKS_BACK} and (days is null or ago < days) and {named.text}",
            [*values, night, *named.values],
        )
    early = f"select owner, item from ({last}) join items using (item) where ago < {rule.count} and {named.text}"
    if rule.each in (None, "item"):
        return Sql(early, [night, *named.values])
    return Sql(
        f"with early as ({early}), grouped as ({group.text}) select owner, item from early union"
        " select early.owner, also.item from early join grouped using (item) join grouped as also using (grp)",
        [night, *named.values, *group.values],
    )


def _usual(night: date) -> tuple[str, list[Any]]:
    """Each item's usual days between two purchases by one customer: its own, else its category's, else null."""
    middle = "percentile_disc(0.5) within group (order by gap) as days from gaps"
    enough = f"having count(*) >= {USUAL_NEEDS}"
    text = (
        "with gaps as (select item, category, date_diff('day', before, day) as gap from (select *,"
        " lag(day) over (partition by owner, item order by day) as before from bought where day > ?)"
        " join items using (item) where before is not null),"
        f" own as (select item, {middle} group by item {enough}),"
        f" kin as (select category, {middle} where category is not null group by category {enough})"
        " select items.item, coalesce(own.days, kin.days) as days"
        " from items left join own using (item) left join kin using (category)"
    )
    return text, [night - timedelta(USUAL_LOOKS_BACK)]
