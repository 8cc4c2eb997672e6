"""A newer contract has a column more: it arrives on top of what is there, and nobody rewrites anything."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import lake
from pipelines.warehouse import open_warehouse
from tests.e2e.conftest import NIGHTS, hashes, settings_of

Copy = Callable[[Path], Path]

# The next release, in a process of its own: the same code with a column more in the contract of events.
NEWER = """
import sys
from pipelines import contracts
events = contracts.EVENTS
object.__setattr__(events, "columns", (*events.columns, contracts.Column("device")))
contracts.RAW_TABLES["events"] = contracts.TABLES["raw.events"] = contracts.tables._raw(events)
from pipelines.cli import main
sys.argv = ["nightmarket", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("after_history", "clean_first", id="embedded"),
        pytest.param("served_after_history", "clean_first", id="served", marks=pytest.mark.slow),
    ],
)
def test_a_new_column_of_events_arrives_on_top_of_old_rows(
    request: pytest.FixtureRequest, copy_of: Copy, start: str, end: str
) -> None:
    home = copy_of(request.getfixturevalue(start))
    delivered = home / "landing" / "tiny" / "events" / f"date={NIGHTS[0]}" / "events.jsonl"
    lines = delivered.read_text().splitlines()
    delivered.write_text("\n".join(with_device(line) for line in lines) + "\n")

    result = subprocess.run(
        [sys.executable, "-c", NEWER, "night", "--date", str(NIGHTS[0])],
        env={**os.environ, "NIGHTMARKET_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-800:]

    settings = settings_of(home)
    with open_warehouse(settings, read_only=True) as connection:
        found = connection.execute(
            "select landing_date = ? as is_new, device, count(*) from raw.events group by 1, 2", [NIGHTS[0]]
        ).fetchall()
    assert {row[:2] for row in found} == {(False, None), (True, "phone"), (True, None)}  # a late file has none
    committed = lake.table(settings, "events")
    assert committed is not None
    assert "device" in [field.name for field in committed.schema().fields]
    changed = ("raw.events", "lake.events")
    expected = hashes(request.getfixturevalue(end), changed)
    assert hashes(home, changed) == expected
    shutil.rmtree(home)


def with_device(line: str) -> str:
    try:
        return json.dumps({**json.loads(line), "device": "phone"})
    except ValueError:
        return line  # the torn one
