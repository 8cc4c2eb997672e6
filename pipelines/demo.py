"""`nightmarket demo`: a whole shop from nothing: a year of history, training, three nights, a summary."""

import time
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import bi, night
from pipelines.query import query
from pipelines.settings import Settings
from pipelines.steps import Report
from pipelines.training import promote, train

SOURCE = "complete_journey"
HISTORY_UNTIL = date(2017, 12, 27)
NIGHTS = (date(2017, 12, 28), date(2017, 12, 29), date(2017, 12, 30))


def demo(settings: Settings, report: Report) -> dict[str, Any]:
    """Run it; every number in the summary is read back from what was written."""
    clock = time.monotonic()
    passes = [night.run_history(settings, None, HISTORY_UNTIL, SOURCE, None, None, report)]
    trained = train(settings, "recommender", HISTORY_UNTIL, report)
    promoted = promote(settings, "recommender", dry_run=False)
    report(promoted["verdict"])
    passes += [night.run_night(settings, day, SOURCE, None, None, report) for day in NIGHTS]
    seconds = round(time.monotonic() - clock, 1)
    console = Console()
    console.print(_steps(passes))
    console.print(_floors(settings))
    users, rows, short = _lists(settings)
    console.print(f"{rows:,} recommendations for {users:,} users; {short} lists are shorter than {settings.top_k}.")
    console.print(f"BI reads {settings.bi} (night {bi.current_night(settings)}); audits: {settings.reports / 'audit'}")
    console.print('Ask it: .venv/bin/nightmarket query "select * from marts.recommendations limit 5"')
    return {
        "seconds": seconds,
        "users": users,
        "recommendations": rows,
        "short_lists": short,
        "passes": passes,
        "trained": trained.get("seconds"),
        "champion": promoted["champion"],
    }


def _lists(settings: Settings) -> tuple[int, int, int]:
    _, rows, _ = query(
        settings,
        "select count(*), coalesce(sum(n), 0), count(*) filter (n < "
        f"{int(settings.top_k)}) from (select user_id, count(*) as n from marts.recommendations group by all)",
        limit=1,
    )
    users, total, short = rows[0]
    return int(users), int(total), int(short)


def _steps(passes: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(step for p in passes for step in p["steps"]))
    table = Table("step", *(f"{p['batch']}" for p in passes), title="Seconds (rows) by step")
    for name in names:
        cells = []
        for p in passes:
            step = p["steps"].get(name)
            cells.append("" if step is None else f"{step['seconds']:.1f} ({step['rows'] or 0:,})")
        table.add_row(name, *cells)
    table.add_row("all", *(f"{p['seconds']:.1f}" for p in passes))
    return table


def _floors(settings: Settings) -> Table:
    names, rows, _ = query(
        settings,
        "select model_name, slice, metric, value, low, high, users from marts.model_performance"
        " where metric in ('ndcg@10', 'recall@10') order by metric, slice, value desc",
        limit=100,
    )
    table = Table(*names, title="Floors on the held-out days (95 % intervals over users)")
    for row in rows:
        table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v if v is not None else "") for v in row))
    return table
