"""The report of a night in a real browser: every link, no request, a phone, the dark. The tiny shop has pictures.

`NIGHTMARKET_SCREENSHOTS=docs/images` keeps the README's pictures, of the newest report in
`NIGHTMARKET_SCREENSHOTS_HOME` where that names a home.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipelines.report import write_report
from pipelines.report.kept import folder, nights
from tests.e2e.browser import NEEDS_CHROMIUM, browser_page, picture
from tests.e2e.conftest import NIGHTS, settings_of
from tests.pipelines.report.told import contrast

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def reports(request: pytest.FixtureRequest, copy_of: Callable[[Path], Path]) -> Path:
    """The folder of two nights' reports."""
    kept = os.environ.get("NIGHTMARKET_SCREENSHOTS_HOME")
    if kept:
        return folder(settings_of(Path(kept)))
    settings = settings_of(copy_of(request.getfixturevalue("clean")))
    for night in NIGHTS:
        write_report(settings, night)
    return folder(settings)


def watched(page: Page) -> list[str]:
    """What a page asks for beyond its own file, and what the console says of it, as it goes on."""
    heard: list[str] = []
    page.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    page.on("requestfailed", lambda asked: heard.append(f"failed: {asked.url}"))
    page.on("console", lambda line: heard.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    return heard


def test_every_link_leads_somewhere_and_nothing_is_asked_of_anybody(reports: Path, tmp_path: Path) -> None:
    newest = (reports / f"{nights(reports)[-1]}.html").as_uri()
    with browser_page(tmp_path) as page:
        heard = watched(page)
        page.goto(newest)
        widths = page.eval_on_selector_all("img", "found => found.map(i => i.naturalWidth)")
        assert widths and min(widths) > 0
        hrefs = page.eval_on_selector_all("a[href]", "found => found.map(a => a.getAttribute('href'))")
        anchors = [href for href in hrefs if href.startswith("#")]
        assert len(set(anchors)) >= 12
        for href in dict.fromkeys(anchors):
            page.locator(f"a[href='{href}']").first.evaluate("a => a.click()")
            expect(page.locator(f"[id='{href[1:]}']")).to_be_in_viewport()
        pages = [href for href in hrefs if not href.startswith("#")]
        assert len(pages) >= 3  # the night before, the list, an audit
        for href in dict.fromkeys(pages):
            page.goto(newest)
            page.locator(f"a[href='{href}']").first.click()
            page.wait_for_url(lambda url, href=href: url.endswith(href.removeprefix("..")))
            expect(page.locator("h1").first).to_be_visible()
        page.goto((reports / "index.html").as_uri())
        page.get_by_role("link").last.click()
        expect(page.get_by_role("link", name="Later:", exact=False)).to_be_visible()
        assert heard == []


def test_it_reads_on_a_phone_in_the_light_and_in_the_dark(reports: Path, tmp_path: Path) -> None:
    with browser_page(tmp_path) as page:
        colours = {}
        page.set_viewport_size(PHONE)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for path in sorted(reports.glob("*.html")):
                page.goto(path.as_uri())
                page.eval_on_selector_all("details", "found => found.forEach(d => d.open = true)")
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width == PHONE["width"], f"{path.name} is {width} wide"
            colours[scheme] = page.evaluate(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
            )
        light, dark = colours["light"], colours["dark"]
        assert light[0] == "rgb(255, 255, 255)" and light != dark
        assert all(contrast(*pair) > 7 for pair in (light, dark))
        page.goto((reports / f"{nights(reports)[-1]}.html").as_uri())
        picture(page, "report-phone")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 2000})
        picture(page, "report")
