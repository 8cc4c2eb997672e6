"""From a task to the pages of its night."""

from types import SimpleNamespace

from nightmarket_airflow.command import Command
from nightmarket_airflow.links import NightReportLink, ReportsLink


def test_a_task_leads_to_the_pages_of_its_night() -> None:
    task = SimpleNamespace(night="2024-05-08")
    assert NightReportLink().get_link(task, ti_key=None) == "/nightmarket/reports/night/2024-05-08.html"
    assert ReportsLink().get_link(task, ti_key=None) == "/nightmarket/reports/audit/2024-05-08/"


def test_a_task_of_no_night_leads_to_the_list_of_all() -> None:
    task = SimpleNamespace(night="")
    assert NightReportLink().get_link(task, ti_key=None) == "/nightmarket/reports/night/index.html"


def test_every_command_has_both_links() -> None:
    assert {type(link) for link in Command.operator_extra_links} == {NightReportLink, ReportsLink}
