"""Writes the bundle that Superset imports, `bi/assets/`: `python -m bi.write`.

Each file is what Superset 6.1 exports of one thing: a database, a dataset, a chart or a dashboard. A UUID is made of
the thing's name here, so that every import finds what an earlier one made.
"""

import shutil
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import yaml

from bi.charts import Chart, Metric
from bi.dashboards import DASHBOARDS, METRICS, Choice, Dashboard

HERE = Path(__file__).resolve().parent
ASSETS = HERE / "assets"
CONTRACTS = HERE.parent / "dbt_project" / "models" / "marts" / "_marts.yml"
DATABASE = "Nightmarket"
WAREHOUSE = "postgresql+psycopg2://bi_reader@127.0.0.1:5432/warehouse"
"""Where a warehouse is by default. libpq takes the password from the file that PGPASSFILE names."""

_NAMES = UUID("6f3ad4a6-37d0-5c0b-8f0e-5f2f4b2c9a11")
_VERSION = "1.0.0"
_OURS = {"version": _VERSION, "is_managed_externally": True}
"""Superset lets nobody edit it in place: the next import would undo that. A copy may be changed."""
_DAYS = ("date", "timestamp with time zone")


def bundle() -> dict[str, Any]:
    """{path: content} of the whole bundle."""
    files: dict[str, Any] = {
        "metadata.yaml": {"version": _VERSION, "timestamp": "2026-01-01T00:00:00+00:00"},
        f"databases/{DATABASE}.yaml": _database(),
    }
    contracts = {model["name"]: model for model in yaml.safe_load(CONTRACTS.read_text())["models"]}
    for mart, metrics in METRICS.items():
        files[f"datasets/{DATABASE}/{mart}.yaml"] = _dataset(contracts[mart], metrics)
    for dashboard in DASHBOARDS:
        files[f"dashboards/{dashboard.slug}.yaml"] = _dashboard(dashboard)
        for chart in (chart for row in dashboard.rows for chart in row):
            files[f"charts/{dashboard.slug}/{chart.key}.yaml"] = _chart(dashboard, chart)
    return files


def texts() -> dict[str, str]:
    """{path: YAML} of the whole bundle."""
    return {
        path: yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        for path, content in bundle().items()
    }


def _uuid(*words: str) -> str:
    return str(uuid5(_NAMES, "/".join(words)))


def _database() -> dict[str, Any]:
    return {
        "database_name": DATABASE, "sqlalchemy_uri": WAREHOUSE, "expose_in_sqllab": True,
        "allow_run_async": False, "allow_ctas": False, "allow_cvas": False, "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"allows_virtual_table_explore": True, "schemas_allowed_for_csv_upload": []},
        "uuid": _uuid("database"), **_OURS,
    }  # fmt: skip


def _dataset(contract: dict[str, Any], metrics: list[Metric]) -> dict[str, Any]:
    columns = [
        {
            "column_name": column["name"], "is_dttm": column["data_type"] in _DAYS, "is_active": True,
            "type": column["data_type"].upper(), "groupby": True, "filterable": True, "expression": None,
            "description": column["description"],
        }
        for column in contract["columns"]
    ]  # fmt: skip
    first_day = next((c["column_name"] for c in columns if c["is_dttm"] and c["column_name"] != "as_of"), None)
    return {
        "table_name": contract["name"], "main_dttm_col": first_day, "description": contract["description"],
        "schema": "marts", "sql": None, "filter_select_enabled": True,
        "uuid": _uuid("dataset", contract["name"]),
        "metrics": [
            {"metric_name": m.name, "verbose_name": m.title, "expression": m.sql, "d3format": m.form} for m in metrics
        ],
        "columns": columns, **_OURS, "database_uuid": _uuid("database"),
    }  # fmt: skip


def _chart(dashboard: Dashboard, chart: Chart) -> dict[str, Any]:
    return {
        "slice_name": chart.title, "description": chart.about or None, "viz_type": chart.kind,
        "params": {"viz_type": chart.kind, **chart.params}, "cache_timeout": None,
        "uuid": _uuid("chart", dashboard.slug, chart.key), **_OURS,
        "dataset_uuid": _uuid("dataset", chart.mart),
    }  # fmt: skip


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "dashboard_title": dashboard.title, "description": dashboard.about, "css": "", "slug": dashboard.slug,
        "uuid": _uuid("dashboard", dashboard.slug), "position": _position(dashboard),
        "metadata": {
            "color_scheme": "supersetColors", "refresh_frequency": 0, "cross_filters_enabled": True,
            "filter_bar_orientation": "HORIZONTAL",
            "native_filter_configuration": [_days_filter(), *(_filter(choice) for choice in dashboard.choices)],
        },
        "published": True, **_OURS,
    }  # fmt: skip


def _position(dashboard: Dashboard) -> dict[str, Any]:
    """The grid: each row is twelve columns wide."""
    within, number, rows = ["ROOT_ID", "GRID_ID"], 0, {}
    placed: dict[str, Any] = {}
    for place, charts in enumerate(dashboard.rows, start=1):
        row = f"ROW-{place}"
        rows[row] = [f"CHART-{chart.key}" for chart in charts]
        for chart in charts:
            number += 1  # of this file alone: the import puts its own one in its place
            placed[f"CHART-{chart.key}"] = {
                "type": "CHART", "id": f"CHART-{chart.key}", "children": [], "parents": [*within, row],
                "meta": {
                    "chartId": number, "width": chart.width, "height": chart.height, "sliceName": chart.title,
                    "uuid": _uuid("chart", dashboard.slug, chart.key),
                },
            }  # fmt: skip
    return {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": list(rows), "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": dashboard.title}},
        **{
            row: {
                "type": "ROW", "id": row, "children": charts, "parents": within,
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }
            for row, charts in rows.items()
        },
        **placed,
    }  # fmt: skip


_EVERYWHERE = {"rootPath": ["ROOT_ID"], "excluded": []}


def _days_filter() -> dict[str, Any]:
    return {
        "id": "NATIVE_FILTER-days", "type": "NATIVE_FILTER", "filterType": "filter_time", "name": "Days",
        "description": "", "targets": [{}], "scope": _EVERYWHERE, "cascadeParentIds": [], "controlValues": {},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    }  # fmt: skip


def _filter(choice: Choice) -> dict[str, Any]:
    return {
        "id": f"NATIVE_FILTER-{choice.column}", "type": "NATIVE_FILTER", "filterType": "filter_select",
        "name": choice.title, "description": "", "scope": _EVERYWHERE, "cascadeParentIds": [],
        "targets": [{"column": {"name": choice.column}, "datasetUuid": _uuid("dataset", choice.mart)}],
        "controlValues": {"multiSelect": True, "enableEmptyFilter": False, "searchAllOptions": False},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    }  # fmt: skip


def main() -> None:
    shutil.rmtree(ASSETS, ignore_errors=True)
    for path, text in texts().items():
        (ASSETS / path).parent.mkdir(parents=True, exist_ok=True)
        (ASSETS / path).write_text(text)


if __name__ == "__main__":
    main()
