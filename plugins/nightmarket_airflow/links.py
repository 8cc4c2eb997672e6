"""From a task to the pages of its night."""

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

REPORTS_PREFIX = "/nightmarket/reports"


class ReportsLink(BaseOperatorLink):
    """Data Docs and reports of the task's night, served by the API server to whoever is logged in."""

    name = "Reports of the night"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The page that lists them; the list of all nights for a task that is not about one."""
        night = getattr(operator, "night", "")
        return f"{REPORTS_PREFIX}/audit/{quote(night)}/" if night else f"{REPORTS_PREFIX}/audit/"


class NightReportLink(BaseOperatorLink):
    """The page that says how the task's night went."""

    name = "Report of the night"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The night's page; the list of all for a task that is not about one."""
        night = getattr(operator, "night", "")
        return f"{REPORTS_PREFIX}/night/{quote(f'{night}.html' if night else 'index.html')}"
