"""Registers what Airflow has to know of: the links from tasks to reports, the pages it leads to, what is closed."""

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin
from nightmarket_airflow.closed import ClosedDescriptions
from nightmarket_airflow.links import REPORTS_PREFIX, NightReportLink, ReportsLink
from nightmarket_airflow.timetable import NightTimetable


def _apps() -> list[dict]:
    """Only the API server has FastAPI at hand and needs them."""
    try:
        from nightmarket_airflow.reports import app
    except ImportError:
        return []
    return [{"app": app, "url_prefix": REPORTS_PREFIX, "name": "Reports of the night"}]


class NightmarketPlugin(AirflowPlugin):
    name = "nightmarket"
    operator_extra_links: ClassVar = [NightReportLink(), ReportsLink()]
    timetables: ClassVar = [NightTimetable]
    fastapi_apps: ClassVar = _apps()
    fastapi_root_middlewares: ClassVar = [
        {"middleware": ClosedDescriptions, "args": [], "kwargs": {}, "name": "closed descriptions"}
    ]
