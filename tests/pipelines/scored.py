"""A small shop in a lake, and what a night's scores of it hold."""

from datetime import date, timedelta
from pathlib import Path

from pipelines.contracts import SCORE_TABLES
from pipelines.fence import take
from pipelines.scoring import score
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake

NIGHT = MONDAY + timedelta(29)


def open_shop(home: Path) -> Settings:
    """Forty users and twelve items in thirty days, in the lake."""
    chosen = Settings(home=home, training_days=30, test_days=10, top_k=5)
    fill_lake(chosen, seasonal_rows(users=40, items=12, days=30))
    return chosen


def run(settings: Settings, night: date = NIGHT) -> dict:
    return score(settings, night, take(settings, "score", str(night)))


def rows(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(settings: Settings, night: date = NIGHT) -> dict[str, list[tuple]]:
    """All score tables of a night without the columns a table hash leaves out."""
    with open_warehouse(settings, read_only=True) as connection:
        found = {}
        for table in SCORE_TABLES:
            names = ", ".join(n for n in table.names if n not in table.volatile)
            sql = f"select {names} from {table.name} where scored_for = ? order by all"
            found[table.name] = connection.execute(sql, [night]).fetchall()
    return found
