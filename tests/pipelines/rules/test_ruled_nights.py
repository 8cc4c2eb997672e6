"""Nights under business rules on a small lake: each kind by example, and random ones against the audit."""

import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import pytest

from pipelines.audit.rules import broken_rules
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.pipelines.ruled_shop import (
    NIGHT,
    TABLES,
    brand_of,
    category_of,
    content,
    effects,
    lists,
    random_rules,
    rows,
    run,
    write_rules,
)


def test_without_a_file_no_rule_is_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.scoring.Tonight", lambda *_: pytest.fail("there are no rules"))
    run(settings)
    assert rows(settings, "select count(*), count(rule) from scores.recommendations") == [(200, 0)]
    assert effects(settings) == {}
    assert rows(settings, "select * from ops.night_rules") == []


def test_a_file_without_rules_changes_no_byte(settings: Settings, tmp_path: Path) -> None:
    other = Settings(**{**vars(settings), "home": tmp_path / "other"})
    shutil.copytree(settings.home, other.home)
    write_rules(other, "rules: []\n")
    run(settings)
    run(other)
    for table in (*TABLES, "short_lists"):
        volatile = "exclude (run_id, scored_at)" if table != "short_lists" else ""
        sql = f"select * {volatile} from scores.{table} order by all"
        assert rows(settings, sql) == rows(other, sql)


def test_rules_of_the_other_lists_leave_a_list_as_it_is(settings: Settings) -> None:
    run(settings)
    before = content(settings)
    write_rules(settings, "rules:\n  - {name: x, deny: {items: [i001, i002]}, lists: [similar]}\n")
    run(settings, new_rules=True)
    after = content(settings)
    assert [after[t] == before[t] for t in TABLES] == [True, True, False]
    assert not {"i001", "i002"} & {i for listed in lists(settings, "similar_items").values() for i in listed}


def test_what_is_denied_is_in_no_list(settings: Settings) -> None:
    write_rules(settings, """\
        rules:
          - {name: no baths, deny: {categories: [home > bath]}}
          - {name: no thing one, deny: {items: [i001]}}
        """)  # fmt: skip
    run(settings)
    for table in TABLES:
        listed = {item for items in lists(settings, table).values() for item in items}
        assert listed
        assert "i001" not in listed
        assert "home > bath" not in {category_of(item) for item in listed}
    # Forty customers, everybody's visitors, no country has twenty buyers for sure, twelve items that were sold.
    assert effects(settings)["no thing one"][:2] == ("applied", 1)
    assert rows(settings, "select count(rule) from scores.recommendations") == [(0,)]


def test_only_what_is_allowed_is_shown_to_a_segment(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: only home, allow: {categories: [home]}, segment: {country: France}}\n")
    run(settings)
    found = lists(settings)
    kinds = {user: {category_of(item) for item in items} for user, items in found.items()}
    french = [user for user in found if int(user[1:]) % 2]
    assert all(kinds[user] <= {"home > kitchen", "home > bath"} for user in french)
    assert set().union(*(kinds[user] for user in found if user not in french)) > {"garden"}
    assert effects(settings)["only home"][2] >= 20


def test_stock_price_and_margin(settings: Settings) -> None:
    write_rules(settings, """\
        margin: {cost: cost}
        rules:
          - {name: in stock, available: {attribute: stock, at_least: 2}}
          - {name: not cheap, min_price: 3.00}
          - {name: pays, min_margin: 0.5}
        """)  # fmt: skip
    run(settings)
    listed = {item for table in TABLES for items in lists(settings, table).values() for item in items}
    assert listed == {f"i{n:03d}" for n in range(12) if n % 4 >= 2 and n + 1 >= 3}
    assert [effects(settings)[name][0] for name in ("in stock", "not cheap", "pays")] == ["applied"] * 3


def test_an_item_that_pays_too_little_by_a_cent_is_not_shown(settings: Settings) -> None:
    write_rules(settings, "margin: {cost: cost}\nrules:\n  - {name: pays, min_margin: 0.500001}\n")
    result = run(settings)
    assert lists(settings) == {}
    assert result["short_lists"] == 40
    assert rows(settings, "select reason, users, missing_rows from scores.short_lists") == [
        ("rules hide everything else", 40, 200)
    ]


def test_a_pin_stands_in_its_place_with_its_words_even_where_nobody_has_bought_it(settings: Settings) -> None:
    write_rules(settings, """\
        rules:
          - {name: new thing, pin: i014, place: 2, until: 2024-12-31, say: new this summer}
        """)  # fmt: skip
    run(settings)
    assert {items[1] for items in lists(settings).values()} == {"i014"}
    assert {items[1] for items in lists(settings, "visitor_recommendations").values()} == {"i014"}
    told = "select distinct reason_type, reason_item_id, reason, rule, score from scores.recommendations"
    assert rows(settings, f"{told} where item_id = 'i014'") == [
        ("pinned", None, "chosen by the shop: new this summer", "new thing", 0.0)
    ]
    assert effects(settings)["new thing"][1] == 1
    others = rows(settings, "select count(*) from scores.recommendations where item_id <> 'i014' and rule is not null")
    assert others == [(0,)]


def test_a_pin_begins_and_ends_with_its_dates(settings: Settings) -> None:
    write_rules(settings, """\
        rules:
          - {name: soon, pin: i014, from: 2024-06-05, until: 2024-12-31}
          - {name: gone, pin: i013, until: 2024-06-03}
        """)  # fmt: skip
    run(settings)
    assert {name: row[0] for name, row in effects(settings).items()} == {"soon": "not begun", "gone": "ended"}
    assert rows(settings, "select count(*) from scores.recommendations where rule is not null") == [(0,)]
    run(settings, NIGHT + timedelta(1))
    night = NIGHT + timedelta(1)
    assert {items[0] for items in lists(settings, night=night).values()} == {"i014"}


def test_a_boost_lifts_what_it_names_and_says_so(settings: Settings) -> None:
    run(settings)
    before = Counter(brand_of(items[0]) for items in lists(settings).values())
    write_rules(settings, "rules:\n  - {name: Acme weeks, boost: 5, where: {brands: [Acme]}, until: 2024-12-31}\n")
    run(settings, new_rules=True)
    after = Counter(brand_of(items[0]) for items in lists(settings).values())
    assert after["Acme"] > before["Acme"]
    told = rows(settings, "select item_id, rule, reason from scores.recommendations where rule is not null")
    assert {brand_of(item) for item, *_ in told} == {"Acme"}
    assert {rule for _, rule, _ in told} == {"Acme weeks"}
    assert all(reason.endswith("; promoted: Acme weeks") and not reason.startswith(";") for *_, reason in told)
    popular = rows(
        settings, "select item_id, rule from scores.visitor_recommendations where segment = 'all' order by rank"
    )
    assert popular[0][1] == "Acme weeks"


def test_caps_and_runs(settings: Settings) -> None:
    write_rules(settings, """\
        rules:
          - {name: two of a kind, at_most: 2, of_each: category}
          - {name: taking turns, in_a_row: 1, of_each: brand}
        """)  # fmt: skip
    run(settings)
    for table in TABLES[:2]:
        for items in lists(settings, table).values():
            kinds = Counter(category_of(item) for item in items)
            assert all(count <= 2 for kind, count in kinds.items() if kind)
            assert all(len(list(run)) == 1 for brand, run in groupby(items, brand_of) if brand)
    told = rows(settings, "select rule, reason from scores.recommendations where rule is not null")
    assert {name for rule, _ in told for name in rule.split(", ")} == {"two of a kind", "taking turns"}
    assert all("; moved up: " in reason for _, reason in told)


def test_a_cap_that_leaves_nothing_is_counted(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: one of a kind, at_most: 1, of_each: top_category}\n")
    run(settings)
    lengths = {len(items) for items in lists(settings).values()}
    assert lengths == {5}  # garden, home, and items of no category, which are not counted
    write_rules(settings, """\
        rules:
          - {name: one of a kind, at_most: 1, of_each: top_category}
          - {name: known kinds, allow: {categories: [garden, home]}}
        """)  # fmt: skip
    result = run(settings, new_rules=True)
    assert {len(items) for items in lists(settings).values()} == {2}
    assert result["short_lists"] == 40
    assert rows(settings, "select reason, users, missing_rows from scores.short_lists") == [
        ("caps and runs of rules leave nothing else", 40, 120)
    ]


def test_what_was_bought_lately_waits(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: wait, repurchase: 10}\n")
    recent = f"event_type = 'purchase' and event_date > '{NIGHT}'::date - 10"
    bought = set(rows(settings, f"select user_id, item_id from raw.events where {recent}"))
    run(settings)
    listed = {(user, item) for user, items in lists(settings).items() for item in items}
    assert bought
    assert not listed & bought
    earlier = set(rows(settings, "select user_id, item_id from raw.events where event_type = 'purchase'")) - bought
    assert listed & earlier
    assert effects(settings)["wait"][2] == len({user for user, _ in bought})


def test_a_whole_category_waits_for_the_usual_time_or_for_days(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: wait, repurchase: 3, of_each: category, where: {categories: [home]}}\n")
    run(settings)
    recent = set(rows(
        settings,
        "select distinct e.user_id, p.category_path from raw.events e join raw.products p using (item_id)"
        f" where event_type = 'purchase' and event_date > '{NIGHT}'::date - 3 and p.category_path like 'home%'",
    ))  # fmt: skip
    listed = {(user, category_of(item)) for user, items in lists(settings).items() for item in items}
    assert recent
    assert not listed & recent


@pytest.mark.parametrize(("seed", "share"), [*((seed, 0.0) for seed in range(12)), (8, 0.9), (9, 0.9)])
def test_whatever_the_rules_no_list_breaks_one(settings: Settings, seed: int, share: float) -> None:
    """Scoring and the audit's SQL share nothing but the file; they must agree, explored lists included."""
    write_rules(settings, random_rules(seed))
    run(replace(settings, exploration_share=share))
    assert (rows(settings, "select count(*) from scores.recommendations where is_explored") > [(0,)]) == bool(share)
    broken = broken_rules(settings, NIGHT)
    assert {rule.name: count for rule, count in broken.items() if count} == {}


@pytest.mark.parametrize("seed", [6, 8])
def test_lists_do_not_depend_on_how_many_customers_are_handled_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    write_rules(settings, random_rules(seed))
    run(settings)
    at_once, did = content(settings), effects(settings)
    monkeypatch.setattr("pipelines.rules.tonight.USERS_AT_ONCE", 7)
    run(settings)
    assert content(settings) == at_once
    assert effects(settings) == did


FIRST_BOUGHT = "(select {} from raw.events e where e.user_id = recommendations.user_id)"


@pytest.mark.parametrize(
    ("rule", "table", "item"),
    [
        ("deny: {items: [i001]}", "recommendations", "'i001'"),
        ("deny: {categories: [home]}, segment: {country: Malta}", "visitor_recommendations", "'i001'"),
        ("deny: {brands: [Acme]}", "similar_items", "'i000'"),
        ("allow: {brands: [Acme, Bolt]}", "recommendations", "'i002'"),
        ("available: {attribute: stock, at_least: 1}", "recommendations", "'i004'"),
        ("min_price: 3", "visitor_recommendations", "'i001'"),
        ("min_margin: 0.6, where: {items: [i000]}", "recommendations", "'i000'"),
        ("repurchase: 30", "recommendations", FIRST_BOUGHT.format("min(item_id)")),
        ("repurchase: usual", "recommendations", FIRST_BOUGHT.format("max_by(item_id, event_date)")),
        ("repurchase: 9, of_each: top_category", "recommendations", "'i00' || rank"),
        ("at_most: 1, where: {brands: [Acme]}", "recommendations", "'i00' || (3 * ((rank - 1) % 3))"),
        ("in_a_row: 2, of_each: brand", "recommendations", "'i00' || (3 * ((rank - 1) % 3))"),
        ("pin: i003, place: 2, until: 2030-01-01", "recommendations", "'i00' || (4 - rank % 3)"),
    ],
)
def test_the_audit_sees_a_broken_rule_of_every_kind(settings: Settings, rule: str, table: str, item: str) -> None:
    write_rules(settings, f"margin: {{cost: cost}}\nrules:\n  - {{name: x, {rule}}}\n")
    run(settings)
    assert list(broken_rules(settings, NIGHT).values()) == [0]
    column = "similar_item_id" if table == "similar_items" else "item_id"
    with open_warehouse(settings) as connection:
        connection.execute(f"update scores.{table} set {column} = {item}")
    ((_, count),) = broken_rules(settings, NIGHT).items()
    assert count > 0
