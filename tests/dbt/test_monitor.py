"""Monitoring of a night whose tables dbt made, on each warehouse."""

import shutil
from collections.abc import Callable

import pytest

from pipelines.features import build
from pipelines.fence import take
from pipelines.monitoring import monitor
from pipelines.settings import Settings
from tests.dbt.warehouse_rows import query
from tests.pipelines.monitoring.shop import NIGHT, USERS, fill

pytestmark = pytest.mark.slow


def test_what_training_reads_equals_what_dbt_made(new_home: Callable[[], Settings]) -> None:
    settings = new_home()
    try:
        fill(settings)
        build(settings, NIGHT, "features", take(settings, "features", "warehouse"))
        for _ in range(2):
            result = monitor(settings, NIGHT, take(settings, "monitor", str(NIGHT)))
    finally:
        shutil.rmtree(settings.lake, ignore_errors=True)  # the home is every other test's, too
    assert result["alarms"] == []
    assert query(settings, "select count(*) from ops.monitor") == [(result["rows"],)]
    equal = "select value, n from ops.monitor where name = 'unequal in training and warehouse'"
    assert query(settings, equal) == [(0.0, USERS)]
    assert query(settings, "select min(night), count(distinct table_name) from ops.monitor_profiles") == [(NIGHT, 2)]
