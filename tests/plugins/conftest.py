"""These tests run in Airflow's environment: `.venv-airflow/bin/python -m pytest tests/plugins` (`make test` does)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins"))
