"""A small shop with a catalogue that rules can speak of, and the lists that a night makes of it."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from pipelines.fence import take
from pipelines.scoring import score
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products, fill_users

NIGHT = MONDAY + timedelta(29)
CATEGORIES = ("garden", "home > kitchen", "home > bath", None)
BRANDS = ("Acme", "Bolt", None)


def catalogue(items: int = 15) -> list[dict[str, Any]]:
    """Item n: category and brand in turn, price n + 1, cost half of it, stock n % 4. The last three never sold."""
    return [
        {
            "item_id": f"i{n:03d}", "title": f"Thing {n}", "category_path": CATEGORIES[n % 4], "brand": BRANDS[n % 3],
            "price": Decimal(n + 1),
            "attributes": [("stock", str(n % 4)), ("cost", str((n + 1) / 2)), ("season", "summer" if n % 2 else "all")],
        }
        for n in range(items)
    ]  # fmt: skip


def open_shop(home: Path, **changes: Any) -> Settings:
    """Forty customers who bought twelve of fifteen things in thirty days; half of them live in France."""
    settings = Settings(home=home, **{"training_days": 30, "test_days": 10, "top_k": 5, **changes})
    fill_lake(settings, seasonal_rows(users=40, items=12, days=30))
    fill_products(settings, catalogue())
    fill_users(settings, {f"u{n:03d}": {"country": "France" if n % 2 else "Malta"} for n in range(40)})
    return settings


def write_rules(settings: Settings, text: str) -> None:
    settings.rules_file.write_text(dedent(text))


def run(settings: Settings, night: date = NIGHT, new_rules: bool = False) -> dict[str, Any]:
    return score(settings, night, take(settings, "score", str(night)), new_rules)


def rows(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def lists(settings: Settings, table: str = "recommendations", night: date = NIGHT) -> dict[str, list[str]]:
    """Items by owner, in their order."""
    owner, item = {
        "recommendations": ("user_id", "item_id"),
        "visitor_recommendations": ("segment", "item_id"),
        "similar_items": ("item_id", "similar_item_id"),
    }[table]
    found: dict[str, list[str]] = defaultdict(list)
    for name, listed in rows(
        settings, f"select {owner}, {item} from scores.{table} where scored_for = '{night}' order by {owner}, rank"
    ):
        found[name].append(listed)
    return dict(found)


def brand_of(item: str) -> str | None:
    return BRANDS[int(item[1:]) % 3]


def category_of(item: str) -> str | None:
    return CATEGORIES[int(item[1:]) % 4]


def random_rules(seed: int) -> str:
    """A rules file with some of every kind, now and then more than a list can bear."""
    draw = np.random.default_rng(seed)
    items = [f"i{n:03d}" for n in draw.permutation(15)]
    lines = ["margin: {cost: cost}", "rules:"]

    def add(text: str) -> None:
        lines.append(f"  - {{name: rule {len(lines)}, {text}}}")

    choices = [
        f"deny: {{items: [{items[0]}, {items[1]}]}}",
        f"deny: {{categories: ['{draw.choice(['garden', 'home', 'home > bath'])}']}}, segment: {{country: France}}",
        f"deny: {{brands: [{draw.choice(['Acme', 'Bolt'])}]}}, lists: [similar]",
        "allow: {categories: [home, garden], brands: [Acme, Bolt]}",
        f"available: {{attribute: stock, at_least: {draw.integers(1, 3)}}}",
        f"min_price: {draw.integers(2, 7)}",
        f"min_margin: {draw.choice([0.2, 0.5])}, where: {{brands: [Acme]}}",
        f"repurchase: {draw.integers(1, 20)}",
        f"repurchase: {draw.integers(1, 9)}, of_each: {draw.choice(['category', 'top_category', 'brand'])}",
        "repurchase: usual, where: {categories: [home]}",
        f"pin: {items[2]}, place: {draw.integers(1, 6)}, until: 2030-01-01, segment: {{country: Malta}}",
        f"pin: {items[3]}, place: {draw.integers(1, 6)}, until: 2030-01-01, segment: {{country: [France]}}",
        f"boost: {draw.choice([0.5, 3])}, where: {{categories: [home]}}, until: 2030-01-01",
        f"at_most: {draw.integers(1, 3)}, of_each: {draw.choice(['category', 'top_category', 'brand'])}",
        f"at_most: {draw.integers(1, 3)}, where: {{attributes: {{season: summer}}}}, lists: [customers, similar]",
        f"in_a_row: {draw.integers(1, 3)}, of_each: {draw.choice(['category', 'brand'])}",
        "diversity: 0.5, of_each: brand, segment: {country: Malta}",
    ]
    for choice in draw.permutation(len(choices))[: draw.integers(1, 8)]:
        add(choices[choice])
    return "\n".join(lines) + "\n"


TABLES = ("recommendations", "visitor_recommendations", "similar_items")


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
