"""Whole nights under business rules: in the marts with the rule in the reason, replayed, reordered, and refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.bi.file import open_bi
from pipelines.tablehash import warehouse_hashes
from pipelines.warehouse import open_warehouse
from tests.e2e.conftest import NIGHTS, command, last_json, nights, settings_of, what_bi_sees

Copy = Callable[[Path], Path]

RULES = """\
rules:
  - {name: no brand 1, deny: {brands: [brand 1]}}
  - {name: star of May, pin: i14, place: 2, until: 2024-05-31, say: our star of May}
  - {name: two of a kind, at_most: 2, of_each: top_category}
  - {name: wait, repurchase: 2}
"""


def shown(home: Path, sql: str) -> list[tuple]:
    with open_bi(settings_of(home).bi) as connection:
        return connection.execute(sql).fetchall()


def test_a_night_under_rules_ends_in_the_marts_and_a_replay_keeps_its_rules(after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    (home / "rules.yaml").write_text(RULES)
    nights(home, NIGHTS[:1])
    listed = shown(home, "select user_id, rank, item_id, reason_type, reason, rule from marts.recommendations")
    assert {row[2:] for row in listed if row[1] == 2} == {
        ("i14", "pinned", "chosen by the shop: our star of May", "star of May")
    }
    for mart, item in (
        ("recommendations", "item_id"), ("visitor_recommendations", "item_id"), ("similar_items", "similar_item_id"),
    ):  # fmt: skip
        items = {int(row[0][1:]) for row in shown(home, f"select distinct {item} from marts.{mart}")}
        assert items
        assert not {n for n in items if n % 3 == 1}
    moved = [row for row in listed if row[5] and "two of a kind" in row[5]]
    assert moved
    assert all("moved up: two of a kind" in row[4] for row in moved)
    effects = dict(shown(home, "select rule, state from marts.rule_effects"))
    assert effects == {"no brand 1": "applied", "star of May": "applied", "two of a kind": "applied", "wait": "applied"}
    checks = "select check_name, is_passed from marts.data_quality where check_name like 'rule %' order by 1"
    assert [passed for _, passed in shown(home, checks)] == [True] * 4

    before = warehouse_hashes(settings_of(home), ("scores", "marts"))
    (home / "rules.yaml").write_text("rules: [\n")  # not even read: the night has its own
    nights(home, NIGHTS[:1])
    again = warehouse_hashes(settings_of(home), ("scores", "marts"))
    unequal = ("marts.night_runs", "marts.data_quality", "marts.night_monitor")
    same = [name for name in before if name not in unequal]
    assert {name: again[name] for name in same} == {name: before[name] for name in same}


def test_a_file_with_a_mistake_stops_the_night_and_bi_keeps_the_one_before(after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    (home / "rules.yaml").write_text("rules:\n  - {name: star, pin: i14}\n")
    before = what_bi_sees(home)
    done = command(home, "night", "--date", str(NIGHTS[0]))
    assert done.returncode == 1
    said = last_json(done)["error"]
    assert said == (
        f"{home}/rules.yaml line 2, rule 'star': pin: give it an end: `until: YYYY-MM-DD` is its last day;"
        " nothing is scored until it is mended"
    )
    assert what_bi_sees(home) == before
    with open_warehouse(settings_of(home), read_only=True) as connection:
        failed = connection.execute("select step, error from ops.runs where status = 'failed'").fetchall()
    assert failed == [("score", said)]
    checked = command(home, "rules")
    assert (checked.returncode, last_json(checked)["status"]) == (1, "failed")
    (home / "rules.yaml").write_text(RULES)
    assert last_json(command(home, "rules"))["night"] == str(NIGHTS[0])
    assert command(home, "night", "--date", str(NIGHTS[0])).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("start", ["after_history", "served_after_history"])
def test_nights_under_rules_in_another_order_end_equal(
    request: pytest.FixtureRequest, after_history: Path, copy_of: Copy, start: str
) -> None:
    """Law 5: the night behind is filled in later, and brings the one after it level by that one's own rules."""
    found = []
    for home, days in ((after_history, NIGHTS), (request.getfixturevalue(start), NIGHTS[::-1])):
        copied = copy_of(home)
        (copied / "rules.yaml").write_text(RULES)
        nights(copied, days)
        found.append(warehouse_hashes(settings_of(copied), ("scores",)))
        copied.rename(copied.with_name(f"done-{len(found)}"))
    assert found[0] == found[1]
