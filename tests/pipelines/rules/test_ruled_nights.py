"""Nights under business rules on a small lake: each kind by example, random ones against the audit, and replays."""

import shutil
from collections import Counter
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import pytest

from pipelines.audit.rules import broken_rules
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.load import load
from pipelines.settings import Settings
from pipelines.settings import night as batch_of
from pipelines.warehouse import open_warehouse
from tests.pipelines.learning import fill_lake
from tests.pipelines.ruled_shop import (
    NIGHT,
    brand_of,
    category_of,
    lists,
    open_shop,
    random_rules,
    rows,
    run,
    write_rules,
)

TABLES = ("recommendations", "visitor_recommendations", "similar_items")


@pytest.fixture(scope="session")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with its lake loaded, before its first scores."""
    home = tmp_path_factory.mktemp("shop") / "home"
    settings = open_shop(home)
    load(settings, batch_of(NIGHT), take(settings, "load", "warehouse"))
    return home


@pytest.fixture
def settings(shop_home: Path, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    shutil.copytree(shop_home, home)
    return Settings(home=home, training_days=30, test_days=10, top_k=5)


def content(settings: Settings) -> dict[str, list[tuple]]:
    """The lists without run ids and times, and without what names the model: that knows the items rules brought in."""
    return {
        table: rows(
            settings,
            f"select * exclude (run_id, scored_at, model_version) from scores.{table} order by all",
        )
        for table in TABLES
    }


def effects(settings: Settings) -> dict[str, tuple]:
    found = rows(settings, "select rule, state, items, lists, places, note from scores.rule_effects")
    return {row[0]: row[1:] for row in found}


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


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_rules_no_list_breaks_one(settings: Settings, seed: int) -> None:
    """Scoring and the audit's SQL share nothing but the file; they must agree."""
    write_rules(settings, random_rules(seed))
    run(settings)
    broken = broken_rules(settings, NIGHT)
    assert {rule.name: count for rule, count in broken.items() if count} == {}


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


# ---- whose rules ---------------------------------------------------------------------------------------------


def test_a_night_keeps_the_rules_it_was_scored_by(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: a, deny: {items: [i001]}}\n")
    run(settings)
    first = content(settings)
    write_rules(settings, "rules:\n  - {name: b, deny: {items: [i002]}}\n")
    again = run(settings)
    assert content(settings) == first
    assert any("--new-rules" in line for line in again["lines"])
    settings.rules_file.unlink()
    run(settings)
    assert content(settings) == first
    assert list(effects(settings)) == ["a"]
    write_rules(settings, "rules:\n  - {name: b, deny: {items: [i002]}}\n")
    anew = run(settings, new_rules=True)
    assert "i002" not in {i for items in lists(settings).values() for i in items}
    assert (list(effects(settings)), anew["lines"]) == (["b"], [])
    assert rows(settings, "select night, content from ops.night_rules") == [(NIGHT, settings.rules_file.read_text())]


def test_a_night_that_had_no_rules_keeps_having_none(settings: Settings) -> None:
    run(settings)
    first = content(settings)
    write_rules(settings, "rules:\n  - {name: a, deny: {items: [i001]}}\n")
    again = run(settings)
    assert content(settings) == first
    assert any("--new-rules" in line for line in again["lines"])
    run(settings, NIGHT + timedelta(1))
    assert "i001" not in {i for items in lists(settings, night=NIGHT + timedelta(1)).values() for i in items}


def test_later_events_products_and_dates_change_no_byte_of_a_ruled_night(settings: Settings) -> None:
    write_rules(settings, random_rules(3) + "  - {name: later, pin: i000, from: 2024-07-01, until: 2024-08-01}\n")
    run(settings)
    first = content(settings)
    fill_lake(settings, [(f"u{n:03d}", "i000", 31) for n in range(40)])
    fill_lake(settings, [("u000", "i011", 28)], landed=NIGHT + timedelta(2))
    run(settings)
    assert content(settings) == first


def test_a_file_with_a_mistake_stops_the_night_before_anything_is_written(settings: Settings) -> None:
    write_rules(settings, """\
        rules:
          - name: star
            pin: i001
            untl: 2024-12-31
          - {name: no, deny: {item: [i001]}}
        """)  # fmt: skip
    with pytest.raises(NightmarketError) as failure:
        run(settings)
    said = str(failure.value)
    assert "\n" not in said
    assert f"{settings.rules_file} line 3, rule 'star': pin: give it an end" in said
    assert "(and 2 more; `nightmarket rules` lists them); nothing is scored until it is mended" in said
    assert rows(settings, "select count(*) from scores.recommendations") == [(0,)]


def test_a_mistake_in_the_file_stops_no_replay(settings: Settings) -> None:
    write_rules(settings, "rules:\n  - {name: a, deny: {items: [i001]}}\n")
    run(settings)
    first = content(settings)
    write_rules(settings, "rules: [\n")
    run(settings)
    assert content(settings) == first


def test_a_setting_that_names_no_file_is_said(settings: Settings) -> None:
    missing = Settings(**{**vars(settings), "rules": "elsewhere.yaml"})
    with pytest.raises(NightmarketError, match=r"the setting rules names .*elsewhere\.yaml, which is not there"):
        run(missing)
    (settings.home / "elsewhere.yaml").write_text("rules:\n  - {name: a, deny: {items: [i001]}}\n")
    run(missing)
    assert list(effects(settings)) == ["a"]


def test_what_the_catalogue_does_not_know_is_skipped_counted_and_said(settings: Settings) -> None:
    write_rules(settings, """\
        margin: {cost: price_paid}
        rules:
          - {name: typo, deny: {categories: [gardn]}}
          - {name: half, deny: {items: [i001, i999]}}
          - {name: nobody, deny: {items: [i002]}, segment: {country: Frnce}}
          - {name: no such pin, pin: i099, until: 2024-12-31}
          - {name: no such stock, available: {attribute: stck, at_least: 1}}
          - {name: no such cost, min_margin: 0.2}
          - {name: nothing allowed, allow: {brands: [Acmee]}}
        """)  # fmt: skip
    result = run(settings)
    assert result["rules"] == {"digest": result["rules"]["digest"], "applied": 1, "skipped": 6}
    assert result["short_lists"] == 0
    notes = {name: row[4] for name, row in effects(settings).items()}
    assert notes["typo"] == "category 'gardn' is not in the catalogue; did you mean 'garden'?"
    assert notes["half"].startswith("item 'i999' is not in the catalogue")
    assert notes["nobody"] == "no customer has country 'Frnce'; did you mean 'France'?"
    assert notes["no such pin"].startswith("item 'i099' is not in the catalogue; did you mean 'i009'?")
    assert notes["no such stock"] == "no product has an attribute 'stck'; did you mean 'stock'?"
    assert notes["no such cost"].startswith("no product has an attribute 'price_paid'")
    assert sum("is skipped" in line for line in result["lines"]) == 6
    assert "rule 'half' (line 4) in part: item 'i999' is not in the catalogue" in result["lines"][1]
    assert set(broken_rules(settings, NIGHT).values()) == {0}


def test_a_night_without_anybody_is_scored_by_rules_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_rules(settings, random_rules(1))
    assert run(settings)["users"] == 0
