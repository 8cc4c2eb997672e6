"""The dashboards in a real browser: Superset, started as `make bi` does, over a real PostgreSQL with a night's marts.

`NIGHTMARKET_SCREENSHOTS=docs/images` keeps the README's pictures, of the home in `NIGHTMARKET_SCREENSHOTS_HOME`; marts
that it leaves empty show rows that are made up.
"""

import http.client
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Response, expect

from bi.dashboards import DASHBOARDS, Dashboard
from pipelines import bi
from pipelines.serve import dashboards, processes, superset
from pipelines.serve.stack import mark_of
from pipelines.settings import Settings
from tests.e2e.browser import NEEDS_CHROMIUM, browser_page, picture
from tests.e2e.conftest import NIGHTS
from tests.e2e.made_up import made_up
from tests.e2e.published import publish_marts
from tests.postgres import Server, free_port

pytestmark = [
    pytest.mark.slow,
    NEEDS_CHROMIUM,
    # For who calls pytest by hand: `make test-rest`, and so CI, makes the environment first, or fails.
    pytest.mark.skipif(not superset.PROGRAM.exists(), reason="no .venv-superset: make .venv-superset/.ready"),
    pytest.mark.xdist_group("superset"),  # one server for all of them
]

LEFT, MADE = "left the bundle", "made by a person"


@dataclass(frozen=True)
class Opened:
    settings: Settings
    server: Server
    first: dict[str, Any]  # what Superset held after its first start

    def add_chart(self, name: str, managed: bool) -> None:
        """As an older bundle left it, or as a person made it."""
        with closing(sqlite3.connect(superset.home(self.settings) / "superset.db")) as connection, connection:
            connection.execute(
                "insert into slices (created_on, changed_on, uuid, slice_name, viz_type, params, datasource_type,"
                " datasource_id, is_managed_externally) select created_on, changed_on, ?, ?, viz_type, params,"
                " datasource_type, datasource_id, ? from slices limit 1",
                [uuid4().bytes, name, managed],
            )

    def held(self) -> dict[str, Any]:
        """Names and ids of everything that the bundle makes."""
        with closing(sqlite3.connect(superset.home(self.settings) / "superset.db")) as connection:
            asked = {
                "dbs": "database_name", "tables": "table_name", "slices": "slice_name", "dashboards": "slug",
                "table_columns": "column_name", "sql_metrics": "metric_name",
            }  # fmt: skip
            found = {
                table: sorted(connection.execute(f"select uuid, id, {name} from {table}"))
                for table, name in asked.items()
            }
            pairs = sorted(connection.execute("select dashboard_id, slice_id from dashboard_slices"))
            return {**found, "dashboard_slices": pairs}


@pytest.fixture(scope="module")
def opened(
    postgres: Server, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    """Superset, started twice: the second time over what the first one made."""
    kept = os.environ.get("NIGHTMARKET_SCREENSHOTS_HOME")
    settings = Settings(
        tmp_path_factory.mktemp("superset"), postgres=postgres.new_warehouse("dashboards"), superset_port=free_port()
    )
    home = Path(kept) if kept else request.getfixturevalue("clean")
    night = bi.current_night(Settings(home))
    assert night is not None and (kept or night == NIGHTS[-1])
    publish_marts(home, settings, made_up(night), only_where_empty=bool(kept))
    try:
        dashboards.up(settings, print)
        found = Opened(settings, postgres, {})
        found.add_chart(LEFT, managed=True)
        found.add_chart(MADE, managed=False)
        found = replace(found, first=found.held())
        dashboards.up(settings, print)
        yield found
    finally:
        processes.stop(mark_of(settings))
        postgres.drop("dashboards")


def test_importing_again_takes_away_what_left_the_bundle_and_changes_nothing_else(opened: Opened) -> None:
    kept = [chart for chart in opened.first["slices"] if chart[2] != LEFT]
    assert len(kept) == len(opened.first["slices"]) - 1
    assert opened.held() == {**opened.first, "slices": kept}
    assert MADE in {name for _, _, name in kept}
    counts = {table: len(rows) for table, rows in opened.first.items()} | {"slices": len(kept) - 1}
    charts = sum(len(row) for dashboard in DASHBOARDS for row in dashboard.rows)
    assert (counts["dbs"], counts["dashboards"], counts["slices"], counts["dashboard_slices"]) == (1, 3, charts, charts)


def test_it_listens_here_only_wants_a_login_and_keeps_no_password_of_the_warehouse(opened: Opened) -> None:
    mark, port = mark_of(opened.settings), opened.settings.superset_port
    assert {(address, found) for _, address, found in processes.listeners(mark)} == {("127.0.0.1", port)}
    for path in ("/superset/welcome/", "/superset/dashboard/shop-health/", "/api/v1/dashboard/", "/api/v1/sqllab/",
                 "/sqllab/", "/swagger/v1", "/api/v1/_openapi"):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("GET", path)
        answer = connection.getresponse()
        asked_to_log_in = answer.status in (301, 302) and "login" in (answer.getheader("Location") or "")
        assert asked_to_log_in or answer.status in (401, 403, 404), (path, answer.status)
    password = opened.server.password("bi_reader")
    words = [word for process in processes.marked(mark) for word in process.cmdline()]
    written = [path.read_bytes() for path in superset.home(opened.settings).rglob("*") if path.is_file()]
    written.append((opened.settings.home / "logs" / "superset.log").read_bytes())
    assert not any(password in word for word in words)
    assert not any(password.encode() in text for text in written)
    for name in ("admin-password", "secret-key"):
        assert (superset.home(opened.settings) / name).stat().st_mode & 0o777 == 0o600


DRAWN = {
    "big_number": ".header-line", "big_number_total": ".header-line", "table": "tbody tr td",
    "echarts_timeseries_line": "canvas", "echarts_timeseries_bar": "canvas", "pie": "canvas",
}  # fmt: skip
"""What a kind of chart consists of once it has data."""

COLOURS = """canvas => {
  const {width, height} = canvas;
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
  return new Set(pixels).size;
}"""


def log_in(page: Page, settings: Settings) -> None:
    page.goto(f"{superset.url(settings)}/login/")
    page.locator("#username").fill(superset.USER)
    page.locator("#password").fill(superset.admin_password(settings))
    page.locator("#password").press("Enter")
    page.wait_for_url(re.compile(r"/superset/welcome/"))


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.slug)
def test_every_chart_of_a_dashboard_draws_its_data(opened: Opened, dashboard: Dashboard, tmp_path: Path) -> None:
    charts = [chart for row in dashboard.rows for chart in row]
    height = 200 + sum(8 * max(chart.height for chart in row) + 16 for row in dashboard.rows)
    answers: list[Response] = []
    strange: list[str] = []

    def heard(answer: Response) -> None:
        parts = urlsplit(answer.url)
        if parts.path == "/api/v1/chart/data":
            answers.append(answer)
        if parts.scheme in ("http", "https") and parts.port != opened.settings.superset_port:
            strange.append(answer.url)

    with browser_page(tmp_path) as page:
        page.set_viewport_size({"width": 1440, "height": height})
        log_in(page, opened.settings)
        page.on("response", heard)
        page.goto(f"{superset.url(opened.settings)}/superset/dashboard/{dashboard.slug}/")
        boxes = page.locator("[data-test=chart-grid-component]")
        expect(boxes).to_have_count(len(charts))
        for chart in charts:
            box = page.locator(f'[data-test-chart-name="{chart.title}"]')
            expect(box.locator(DRAWN[chart.kind]).first).to_be_visible()
        picture(page, f"dashboard-{dashboard.slug}")
        for said in ("No results were returned", "Data error", "Unexpected error", "An error occurred"):
            expect(page.get_by_text(said, exact=False)).to_have_count(0)
        expect(page.locator(".ant-alert-error, .ant-alert-warning")).to_have_count(0)
        for canvas in boxes.locator("canvas").element_handles():
            assert canvas.evaluate(COLOURS) > 2
        assert len(answers) >= len(charts)
        for answer in answers:
            assert answer.status == 200, answer.text()[:500]
            assert all(result["rowcount"] > 0 for result in answer.json()["result"]), answer.request.post_data
    assert strange == []
