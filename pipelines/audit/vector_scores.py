"""Whether tonight's vectors, look-alikes and personas may be shown: counts of rows that break a rule.

Like those of texts these tables stand for the newest night; an older one has nothing to ask of them.
"""

from datetime import date

from pipelines.contracts import (
    OPS_NIGHTS,
    SCORES_DUPLICATE_PRODUCTS,
    SCORES_ITEM_VECTORS,
    SCORES_LOOKALIKE_PRODUCTS,
    SCORES_PERSONA_TRAITS,
    SCORES_PERSONAS,
    SCORES_USER_PERSONAS,
    SCORES_USER_VECTORS,
)
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse

ITEMS, USERS, ALIKE = SCORES_ITEM_VECTORS.name, SCORES_USER_VECTORS.name, SCORES_LOOKALIKE_PRODUCTS.name
TWICE = SCORES_DUPLICATE_PRODUCTS.name
PERSONAS, TRAITS, MEMBERS = SCORES_PERSONAS.name, SCORES_PERSONA_TRAITS.name, SCORES_USER_PERSONAS.name
ROUNDING = 1e-5

RULES = {
    f"{ITEMS} has one vector per item and space": (
        f"select 1 from {ITEMS} group by item_id, space having count(*) > 1"
    ),
    f"{ITEMS} has vectors of one model and length in a space": (
        f"select 1 from {ITEMS} group by space"
        " having count(distinct model_version) > 1 or count(distinct dimension) > 1 or min(dimension) < 1"
    ),
    f"{USERS} has one vector per user, all of one model and length": (
        f"select 1 from {USERS} having count(*) > count(distinct user_id)"
        " or count(distinct model_version) > 1 or count(distinct dimension) > 1"
    ),
    f"{ALIKE}.rank counts from 1 without a gap": (
        f"select 1 from {ALIKE} group by item_id"
        " having min(rank) <> 1 or max(rank) <> count(*) or count(distinct rank) <> count(*)"
    ),
    f"{ALIKE} holds an item once per item, and never itself": (
        f"select 1 from {ALIKE} group by item_id"
        " having count(distinct lookalike_item_id) < count(*)"
        " or sum(case when lookalike_item_id = item_id then 1 end) > 0"
    ),
    f"{ALIKE}.similarity is between -1 and 1": (
        f"select 1 from {ALIKE} where similarity is null or similarity < {-1 - ROUNDING} or similarity > {1 + ROUNDING}"
    ),
    f"{ALIKE} is of items with a vector": (
        f"select 1 from {ALIKE} as alike where not exists (select 1 from {ITEMS} as items"
        " where items.space = 'products' and items.item_id = alike.lookalike_item_id)"
    ),
    f"{TWICE} names two items with a vector": (
        f"select 1 from {TWICE} as twice where item_id >= duplicate_item_id"
        f" or not exists (select 1 from {ITEMS} as items"
        " where items.space = 'products' and items.item_id = twice.duplicate_item_id)"
    ),
    f"{PERSONAS}.users counts its members": (
        f"select 1 from {PERSONAS} as personas left join"
        f" (select persona, count(*) as held from {MEMBERS} group by persona) as members"
        " on personas.persona = members.persona where personas.users <> coalesce(members.held, 0)"
    ),
    f"{MEMBERS} has one known persona per user": (
        f"select 1 from {MEMBERS} where persona not in (select persona from {PERSONAS})"
        f" union all select 1 from {MEMBERS} group by user_id having count(*) > 1"
    ),
    f"{TRAITS} are of known personas, with shares between 0 and 1": (
        f"select 1 from {TRAITS} where persona not in (select persona from {PERSONAS})"
        " or members < 0 or members > 1 or lift < 0"
    ),
}  # fmt: skip
"""By rule, SQL that both warehouses understand and that gives a row where it is broken."""


def broken_vectors(settings: Settings, night: date) -> dict[str, int]:
    """By rule, how many rows (or groups) break it. Empty where there are none, or a later night was built."""
    with open_warehouse(settings, read_only=True) as warehouse:
        held = any(
            warehouse.execute(f"select 1 from {table} limit 1").fetchone() for table in (ITEMS, USERS, ALIKE, PERSONAS)
        )
        later = warehouse.execute(f"select 1 from {OPS_NIGHTS.name} where night > ?", [night]).fetchone()
        if not held or later:
            return {}
        return {
            rule: int(warehouse.execute(f"select count(*) from ({sql}) as broken").fetchall()[0][0])
            for rule, sql in RULES.items()
        }
