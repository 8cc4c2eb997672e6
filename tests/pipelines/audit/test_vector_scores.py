"""Every rule for vectors, look-alikes and personas, broken once, on both warehouses."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.audit.vector_scores import RULES, broken_vectors
from pipelines.contracts import OPS_NIGHTS, TABLES
from pipelines.settings import Settings
from pipelines.warehouse import insert, open_warehouse

DAY = date(2024, 1, 2)
VECTOR = {"space": "products", "dimension": 2, "model_version": "v"}


def sound() -> dict[str, list[dict[str, Any]]]:
    """Rows of each table as a night leaves them."""
    return {
        "item_vectors": [
            {**VECTOR, "item_id": "i"}, {**VECTOR, "item_id": "j"}, {**VECTOR, "item_id": "i", "space": "text"},
        ],
        "user_vectors": [{"user_id": user, "dimension": 2, "model_version": "v"} for user in ("u", "v")],
        "lookalike_products": [
            {"item_id": "i", "rank": 1, "lookalike_item_id": "j", "similarity": 0.5},
            {"item_id": "j", "rank": 1, "lookalike_item_id": "i", "similarity": 1.0},
        ],
        "duplicate_products": [{"item_id": "i", "duplicate_item_id": "j", "similarity": 1.0}],
        "personas": [{"persona": "p", "users": 2}, {"persona": "q", "users": 0}],
        "user_personas": [{"user_id": "u", "persona": "p"}, {"user_id": "v", "persona": "p"}],
        "persona_traits": [{"persona": "p", "kind": "word", "rank": 1, "value": "mug", "members": 0.5, "lift": 2.0}],
    }  # fmt: skip


def fill(settings: Settings, tables: dict[str, list[dict[str, Any]]]) -> None:
    with open_warehouse(settings) as connection:
        for name, rows in tables.items():
            connection.execute(f"delete from scores.{name}")
            kinds = {"integer": pa.int32(), "bigint": pa.int64(), "double precision": pa.float64()}
            types = dict(TABLES[f"scores.{name}"].columns)
            schema = pa.schema([(column, kinds.get(types[column], pa.string())) for column in rows[0]])
            insert(connection, TABLES[f"scores.{name}"], pa.Table.from_pylist(rows, schema=schema))


def test_what_a_night_leaves_keeps_every_rule(either: Settings) -> None:
    fill(either, sound())
    assert broken_vectors(either, DAY) == dict.fromkeys(RULES, 0)


def test_a_shop_without_vectors_and_an_older_night_are_asked_nothing(either: Settings) -> None:
    open_warehouse(either).close()
    assert broken_vectors(either, DAY) == {}
    fill(either, sound())
    with open_warehouse(either) as connection:
        connection.execute(f"insert into {OPS_NIGHTS.name} (night) values (?)", [date(2024, 1, 3)])
    assert broken_vectors(either, DAY) == {}


SPOILED = {
    "has vectors of one model": ("item_vectors", 0, {"dimension": 3}),
    "has one vector per user": ("user_vectors", 0, {"model_version": "old"}),
    "rank counts from 1": ("lookalike_products", 0, {"rank": 2}),
    "never itself": ("lookalike_products", 0, {"lookalike_item_id": "i"}),
    "similarity is between": ("lookalike_products", 0, {"similarity": 1.1}),
    "items with a vector": ("lookalike_products", 0, {"lookalike_item_id": "gone"}),
    "names two items with a vector": ("duplicate_products", 0, {"duplicate_item_id": "k"}),
    "counts its members": ("personas", 0, {"users": 3}),
    "known persona per user": ("user_personas", 0, {"persona": "none"}),
    "with shares between": ("persona_traits", 0, {"members": 1.5}),
}


@pytest.mark.parametrize("rule", SPOILED)
def test_a_row_that_breaks_a_rule_is_counted(tmp_path: Path, rule: str) -> None:
    table, row, change = SPOILED[rule]
    rows = sound()
    rows[table][row] |= change
    settings = Settings(home=tmp_path)
    fill(settings, rows)
    assert next(count for name, count in broken_vectors(settings, DAY).items() if rule in name) > 0


def test_a_second_vector_of_an_item_is_counted(tmp_path: Path) -> None:
    rows = sound()
    rows["item_vectors"].append(dict(rows["item_vectors"][0]))
    settings = Settings(home=tmp_path)
    fill(settings, rows)
    assert broken_vectors(settings, DAY)["scores.item_vectors has one vector per item and space"] == 1
