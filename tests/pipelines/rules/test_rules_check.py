"""`nightmarket rules`: every rule in words, every doubt with its line, and a dry run that writes nothing."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import NightmarketError
from pipelines.rules.check import check
from pipelines.rules.file import parse
from pipelines.rules.words import words
from pipelines.settings import Settings
from tests.pipelines.ruled_shop import NIGHT, lists, open_shop, rows, run, write_rules


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return open_shop(tmp_path_factory.mktemp("shop") / "home")


def said(settings: Settings, text: str, night: date | None = NIGHT, try_it: bool = False) -> tuple[dict, list[str]]:
    write_rules(settings, text)
    lines: list[str] = []
    return check(settings, night, None, try_it, lines.append), lines


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("deny: {categories: [garden], items: [a, b]}", "never shows items a, b or category garden"),
        ("allow: {brands: [A, B, C, D, E, F]}", "shows nothing but brands A, B, C, D and 2 more"),
        ("available: {attribute: stock, at_least: 1}", "shows items only where the attribute stock is at least 1"),
        ("min_price: 5.00, where: {brands: [Acme]}", "shows brand Acme only from a price of 5.00 on"),
        ("min_margin: 0.2", "shows items only with a margin of at least 20 % of the price (cost from the attribute c)"),
        ("repurchase: 28", "does not show items again before 28 days have passed, in lists of customers"),
        (
            "repurchase: 365, of_each: category",
            "does not show items again before 365 days have passed, nor anything else of the same category,"
            " in lists of customers",
        ),
        (
            "repurchase: usual",
            "does not show items again before the usual time between two purchases has passed, in lists of customers",
        ),
        (
            "pin: K, place: 2, until: 2024-08-31, segment: {country: [France, Malta]}",
            "puts item K at place 2, for customers with country France, Malta, in lists of customers and visitors,"
            " until 2024-08-31",
        ),
        (
            "boost: 1.5, where: {attributes: {season: summer}}, from: 2024-06-01, until: 2024-08-31, lists: similar",
            "multiplies the scores of items with season summer by 1.5, in lists of similar items, from 2024-06-01,"
            " until 2024-08-31",
        ),
        (
            "at_most: 3, of_each: brand",
            "lets at most 3 of items of one brand into a list, in lists of customers and visitors",
        ),
        (
            "in_a_row: 2, of_each: top_category, lists: customers",
            "lets at most 2 of items of one main category follow each other, in lists of customers",
        ),
        (
            "diversity: 0.7, of_each: brand, lists: customers",
            "mixes items: the next of a brand counts 70 % of the one before, in lists of customers",
        ),
    ],
)
def test_a_rule_in_plain_words(rule: str, expected: str) -> None:
    file, problems = parse(f"margin: {{cost: c}}\nrules:\n  - {{name: x, {rule}}}\n", 20)
    assert problems == []
    assert words(file.rules[0], file.margin) == expected


def test_each_rule_is_explained_with_what_it_does_tonight(settings: Settings) -> None:
    result, lines = said(settings, """\
        rules:
          - {name: no garden, deny: {categories: [garden]}}
          - {name: french, pin: i014, until: 2024-12-31, segment: {country: France}}
          - {name: half, deny: {items: [i001, i999]}}
          - {name: past, min_price: 2, until: 2024-06-01}
        """)  # fmt: skip
    assert lines[0] == (
        "warning  line 5, rule 'past': ended on 2024-06-01 and does nothing; take it out, or give a later until"
    )
    assert lines[1] == "night 2024-06-04: 15 items on sale, 40 customers"
    assert lines[2:4] == ["line 2    no garden: never shows category garden", "          hides 4 items"]
    assert lines[5] == "          pins 1 item, for 20 customers"
    assert lines[7] == "          note: item 'i999' is not in the catalogue"
    assert lines[-1] == "          note: ended, on 2024-06-01"
    assert [row["state"] for row in result["rules"]] == ["applied", "applied", "applied", "ended"]
    assert result["warnings"] == [lines[0].removeprefix("warning  ")]


def test_every_error_is_a_line_and_the_command_fails(settings: Settings) -> None:
    lines: list[str] = []
    write_rules(settings, "rules:\n  - {name: a, pin: x}\n  - {name: b, boots: 2}\n")
    with pytest.raises(
        NightmarketError, match=r"rules\.yaml: 3 errors; the first: line 2, rule 'a': pin: give it an end"
    ):
        check(settings, NIGHT, None, False, lines.append)
    assert [line[:9] for line in lines] == ["error    "] * 3


def test_a_name_that_looks_misspelt_fails_the_check_though_no_night(settings: Settings) -> None:
    text = "rules:\n  - {name: a, deny: {categories: [gardn]}}\n"
    with pytest.raises(NightmarketError, match="1 rule with unknown names; the first: line 2, rule 'a': ") as failure:
        said(settings, text)
    assert "category 'gardn' is not in the catalogue; did you mean 'garden'?" in str(failure.value)
    assert run(settings)["rules"]["skipped"] == 1


def test_without_a_file_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NightmarketError, match=r"there is no .*rules\.yaml, so no rules hold"):
        check(Settings(home=tmp_path), None, None, False, print)


def test_another_file_is_checked_before_it_is_in_use(settings: Settings, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text("rules:\n  - {name: draft, deny: {items: [i001]}}\n")
    assert [row["rule"] for row in check(settings, NIGHT, draft, False, lambda _: None)["rules"]] == ["draft"]
    with pytest.raises(NightmarketError, match="cannot be read"):
        check(settings, NIGHT, tmp_path / "none.yaml", False, print)


def test_an_empty_home_checks_the_file_alone(tmp_path: Path) -> None:
    settings, lines = Settings(home=tmp_path), []
    write_rules(settings, "rules:\n  - {name: a, deny: {items: [i001]}}\n")
    check(settings, None, None, True, lines.append)
    assert lines == ["the lake is empty: nothing could be held against the catalogue"]


def test_a_dry_run_tells_the_nights_lists_before_and_after_and_leaves_them(tmp_path: Path) -> None:
    settings = open_shop(tmp_path / "home")
    run(settings)
    before = lists(settings)
    kept = sorted(settings.models.rglob("*"))
    result, lines = said(settings, "rules:\n  - {name: no garden, deny: {categories: [garden]}}\n", None, try_it=True)
    assert lists(settings) == before
    assert sorted(settings.models.rglob("*")) == kept
    assert rows(settings, "select * from ops.night_rules") == []
    garden = sum(int(item[1:]) % 4 == 0 for items in before.values() for item in items)
    customers = result["lists"]["customers"]
    assert (customers["lists"], customers["before"], customers["after"]) == (40, 200, 200)
    assert customers["gone"] == customers["come"] == garden > 0
    assert 0 < customers["changed"] <= 40
    assert "lists of 2024-06-04 as they are, and by this file:" in lines
    assert result["effects"] == [{"rule": "no garden", "items": 4, "lists": 40 + 3 + 12, "places": 0}]
    run(settings, new_rules=True)
    after = lists(settings)
    moved = sum(before[user] != after[user] for user in before)
    assert moved == customers["changed"]


def test_a_dry_run_of_a_night_without_scores_compares_with_no_rules(settings: Settings, tmp_path: Path) -> None:
    fresh = open_shop(tmp_path / "home")
    result, lines = said(fresh, "rules: []\n", None, try_it=True)
    assert "lists of 2024-06-04 as they would be without rules (it has no scores), and by this file:" in lines
    assert all(change["changed"] == 0 for change in result["lists"].values())
