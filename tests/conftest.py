"""Shared by all tests: quiet telemetry, and the names of what a missing program kept from running."""

import importlib.util
import os

import pytest

# Airflow has an environment of its own: what imports it is tested there (`tests/plugins`), all else in `.venv`.
collect_ignore = ["plugins"] if importlib.util.find_spec("airflow") is None else []

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run one worker a core; their models are tiny
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from pipelines.doctor import java

    needs = [item for item in items if item.get_closest_marker("java")]
    if needs and not java().ok:
        for item in needs:
            item.add_marker(pytest.mark.skip(reason=java().message))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run on this machine")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            terminalreporter.line(f"{report.nodeid}: {reason}")
