"""A real browser for the pages that people use. `NIGHTMARKET_SCREENSHOTS=docs/images` keeps the README's pictures."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# `.ci/run` installs it, so that CI skips nothing; a newcomer without it is told so in the last lines of the run.
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
MINUTES = 60_000.0
expect.set_options(timeout=5 * MINUTES)  # its own limit is five seconds: too little on a busy machine


@contextmanager
def browser_page(failed: Path, **context: Any) -> Iterator[Page]:
    """A fresh page; what it showed when something went wrong is kept in the folder `failed`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        )
        opened = browser.new_page(viewport={"width": 1440, "height": 900}, **context)
        opened.set_default_timeout(5 * MINUTES)
        try:
            yield opened
        except BaseException:
            opened.screenshot(path=str(failed / "failed.png"))
            raise
        finally:
            browser.close()


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("NIGHTMARKET_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1500)  # let charts and fonts settle; nothing is asserted on it
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
