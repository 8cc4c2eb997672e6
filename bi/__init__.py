"""The dashboards of BI as code: described in `dashboards.py`, written to `assets/`, served by Superset (`serve.py`)."""
