"""The audit of scores holds every business rule of the night against the lists, with the warehouse on either side."""

from pathlib import Path

import pytest

from pipelines.audit.run import audit
from pipelines.errors import AuditFailed
from pipelines.fence import take
from pipelines.load import load
from pipelines.settings import Settings, night
from pipelines.warehouse import open_warehouse
from tests.pipelines.ruled_shop import NIGHT, open_shop, run, write_rules

RULES = """\
    margin: {cost: cost}
    rules:
      - {name: no baths, deny: {categories: [home > bath]}}
      - {name: pays, min_margin: 0.4, where: {attributes: {season: summer}}}
      - {name: in stock, available: {attribute: stock, at_least: 1}}
      - {name: wait, repurchase: usual}
      - {name: french, at_most: 2, of_each: top_category, segment: {country: France}}
      - {name: star, pin: i013, place: 2, until: 2024-12-31}
      - {name: soon, deny: {items: [i005]}, from: 2024-07-01}
    """


@pytest.fixture
def ruled(either: Settings) -> Settings:
    settings = open_shop(either.home, shop="shop", postgres=either.postgres)
    load(settings, night(NIGHT), take(settings, "load", "warehouse"))
    write_rules(settings, RULES)
    run(settings)
    return settings


def audited(settings: Settings) -> dict:
    return audit(settings, "scores", night(NIGHT), take(settings, "audit-scores", str(NIGHT)))


def change(settings: Settings, sql: str) -> None:
    with open_warehouse(settings) as connection:
        connection.execute(sql)


def test_lists_under_rules_pass_and_a_broken_rule_stops_the_night_by_name(ruled: Settings) -> None:
    assert audited(ruled)["warnings"] == []
    change(
        ruled,
        "update scores.recommendations as mine set item_id = (select other.item_id from scores.recommendations as other"
        " where other.user_id = mine.user_id and other.rank = 3 - mine.rank) where user_id = 'u001' and rank <= 2",
    )
    verdict = audited(ruled)  # what is not at its place is told, and no reason to keep yesterday's lists
    assert verdict["warnings"] == ["rule 'star' (pin) holds in every list"]
    change(ruled, "update scores.similar_items set similar_item_id = 'i006' where item_id = 'i001' and rank = 1")
    with pytest.raises(AuditFailed, match=r"rule 'no baths' \(deny\) holds in every list.* failed \(found 1\);"):
        audited(ruled)


def test_a_night_without_rules_is_asked_nothing_about_them(tmp_path: Path) -> None:
    settings = open_shop(tmp_path)
    load(settings, night(NIGHT), take(settings, "load", "warehouse"))
    run(settings)
    before = audited(settings)["results"]
    write_rules(settings, RULES)
    run(settings, new_rules=True)
    assert audited(settings)["results"] == before + 6
