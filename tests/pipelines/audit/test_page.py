"""The page of an audit: failures first, in plain words, with nothing of the outside world in it."""

from pipelines.audit.page import page


def row(name: str, success: bool, severity: str = "critical", observed: str = "3 of 10 rows") -> dict:
    return {
        "expectation": name,
        "success": success,
        "severity": severity,
        "observed": observed,
    }


def test_failures_come_first_and_the_verdict_is_said() -> None:
    html = page("events", "2024-05-01", [row("a", True), row("b", False, "warning"), row("c", False)])
    assert html.index("<td>c<") < html.index("<td>b<") < html.index("<td>a<")
    assert "stopped the night: 1 failed, 1 warned, 1 passed" in html


def test_what_the_data_says_is_text_and_nothing_is_fetched() -> None:
    html = page("events", "2024-05-01", [row("a", False, observed="<script>alert(1)</script>")])
    assert "<script" not in html
    assert "http" not in html


def test_a_closed_day_is_said_to_have_nothing() -> None:
    assert "nothing to audit" in page("events", "2024-05-01", [])
