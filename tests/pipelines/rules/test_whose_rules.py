"""Which rules file a night goes by: replays, mistakes, what the catalogue does not know."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.audit.rules import broken_rules
from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from tests.pipelines.learning import fill_lake
from tests.pipelines.ruled_shop import (
    NIGHT,
    content,
    effects,
    lists,
    random_rules,
    rows,
    run,
    write_rules,
)


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
