"""The data team's morning in a real browser: log in, trigger a night by its form, see it succeed, read a log, follow a
link. `NIGHTMARKET_SCREENSHOTS=docs/images` keeps the pictures that the README shows.
"""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipelines.serve import airflow
from tests.e2e.airflow.conftest import Stack
from tests.e2e.browser import NEEDS_CHROMIUM, browser_page, picture
from tests.e2e.conftest import NIGHTS

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser_page(tmp_path) as opened:
        yield opened


def test_a_night_is_triggered_by_its_form_seen_to_succeed_and_read(a_stack: Stack, page: Page) -> None:
    address = airflow.url(a_stack.settings)
    page.goto(f"{address}/")
    page.fill("input[name=username]", airflow.USER)
    page.fill("input[name=password]", airflow.admin_password(a_stack.settings))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"{address}/(?!auth).*"))

    page.goto(f"{address}/dags")
    expect(page.get_by_text("The night").first).to_be_visible()
    picture(page, "airflow-dags")

    page.goto(f"{address}/dags/nightly")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("#element_date").fill(str(NIGHTS[0]))
    picture(page, "airflow-form")
    page.locator("[role=dialog]").get_by_role("button", name="Trigger").last.click()

    def newest() -> str:
        runs = a_stack.airflow.call("GET", "dags/nightly/dagRuns?limit=10")["dag_runs"]
        return next((r["dag_run_id"] for r in runs if r["conf"].get("date") == str(NIGHTS[0])), "")

    run = a_stack.until(newest, "the run of the form")
    page.goto("about:blank")  # the grid asks all the time, and the night needs the processor
    assert a_stack.wait(run) == "success"
    page.goto(f"{address}/dags/nightly/runs/{run}")
    expect(page.get_by_text("success", exact=False).first).to_be_visible()
    picture(page, "airflow-run")

    page.goto(f"{address}/dags/nightly/runs/{run}/tasks/preprocess")
    expect(page.get_by_text(f"nightmarket preprocess --date {NIGHTS[0]}", exact=False).first).to_be_visible()
    picture(page, "airflow-log")

    page.goto(f"{address}/dags/nightly/runs/{run}/tasks/audit_events/details")
    page.get_by_role("link", name="Reports of the night").click()
    page.wait_for_url(f"{address}/nightmarket/reports/audit/{NIGHTS[0]}/")
    page.get_by_role("link", name="events").click()
    expect(page.get_by_role("heading", name=f"Audit of events, night {NIGHTS[0]}")).to_be_visible()
    expect(page.get_by_text("passed: 0 failed", exact=False)).to_be_visible()
    picture(page, "audit-page")

    page.goto(f"{address}/dags/nightly/runs/{run}/tasks/publish/details")
    page.get_by_role("link", name="Report of the night").click()
    page.wait_for_url(f"{address}/nightmarket/reports/night/{NIGHTS[0]}.html")
    expect(page.get_by_role("heading", name=f"Night {NIGHTS[0]}")).to_be_visible()
    page.get_by_role("navigation", name="Other nights").get_by_role("link", name="All nights").click()
    expect(page.get_by_role("heading", name="Night reports")).to_be_visible()


def test_reports_are_for_those_who_are_logged_in_and_lead_nowhere_else(a_stack: Stack) -> None:
    def get(path: str, token: str = "") -> tuple[int, dict[str, str], str]:
        """As the words stand: a browser would tidy the path first."""
        connection = http.client.HTTPConnection("127.0.0.1", a_stack.settings.airflow_port, timeout=60)
        connection.request("GET", f"/nightmarket/reports/{path}", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode(errors="replace")

    assert get("audit/", "stranger")[0] in (401, 403)
    token = a_stack.airflow.token
    status, headers, body = get("audit/", token)
    assert status == 200
    assert "sandbox" in headers["content-security-policy"]
    assert "2024-05-01..2024-05-06" in body
    secret = airflow.admin_password(a_stack.settings)
    for outside in ("../airflow/admin-password", "..%2fairflow%2fadmin-password", "%2e%2e/airflow/admin-password"):
        status, _, body = get(outside, token)
        assert (status, secret in body) == (404, False), outside
    assert get("%2fetc%2fpasswd", token)[0] == 404
