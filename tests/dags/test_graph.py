"""The whole graph as a golden file: a change of it is seen in the diff.

After a wanted change: `NIGHTMARKET_GOLDEN=write .venv/bin/python -m pytest tests/dags/test_graph.py`.
"""

import json
import os
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("graph.json")


def test_the_graph_is_the_one_that_was_agreed_on(dags: dict[str, dict[str, Any]]) -> None:
    graph = {
        name: {
            "schedule": dag["schedule"],
            "tasks": {
                task_id: {"then": task["then"], "pool": task["pool"], "outlets": task["outlets"]}
                for task_id, task in dag["tasks"].items()
            },
        }
        for name, dag in dags.items()
    }
    if os.environ.get("NIGHTMARKET_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(graph, indent=1, sort_keys=True) + "\n")
    assert graph == json.loads(GOLDEN.read_text())
