"""The bundle of dashboards held against the contracts of dbt, without Superset."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from sqlalchemy.engine import make_url

from bi.dashboards import DASHBOARDS, METRICS
from bi.write import ASSETS, CONTRACTS, texts

FILES: dict[str, Any] = {
    str(path.relative_to(ASSETS)): yaml.safe_load(path.read_text()) for path in sorted(ASSETS.rglob("*.yaml"))
}
MODELS = {model["name"]: model for model in yaml.safe_load(CONTRACTS.read_text())["models"]}


def of(kind: str) -> dict[str, Any]:
    """{uuid: content} of one kind of file."""
    return {content["uuid"]: content for path, content in FILES.items() if path.startswith(f"{kind}/")}


DATABASES, DATASETS, CHARTS, PAGES = of("databases"), of("datasets"), of("charts"), of("dashboards")


def test_the_files_are_what_the_description_says() -> None:
    assert {str(path.relative_to(ASSETS)): path.read_text() for path in ASSETS.rglob("*") if path.is_file()} == texts()


def test_every_uuid_is_there_and_there_once() -> None:
    kinds = (DATABASES, DATASETS, CHARTS, PAGES)
    assert len({uuid for kind in kinds for uuid in kind}) == len(FILES) - 1  # all but metadata.yaml
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == set(DATABASES)
    assert {chart["dataset_uuid"] for chart in CHARTS.values()} == set(DATASETS)  # none that nobody reads
    placed = [
        box["meta"]["uuid"] for page in PAGES.values() for box in page["position"].values()
        if isinstance(box, dict) and box["type"] == "CHART"
    ]  # fmt: skip
    assert sorted(placed) == sorted(CHARTS)


def test_people_can_tell_the_charts_of_a_page_apart() -> None:
    for dashboard in DASHBOARDS:
        titles = [chart.title for row in dashboard.rows for chart in row]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("slug", [dashboard.slug for dashboard in DASHBOARDS])
def test_the_boxes_of_a_page_hang_together_and_fill_its_width(slug: str) -> None:
    position = FILES[f"dashboards/{slug}.yaml"]["position"]
    boxes = {name: box for name, box in position.items() if isinstance(box, dict) and name != "HEADER_ID"}
    hung = [child for box in boxes.values() for child in box["children"]]
    assert sorted(["ROOT_ID", *hung]) == sorted(boxes)
    for row in boxes["GRID_ID"]["children"]:
        assert sum(boxes[chart]["meta"]["width"] for chart in boxes[row]["children"]) == 12
    ids = [box["meta"]["chartId"] for box in boxes.values() if box["type"] == "CHART"]
    assert len(set(ids)) == len(ids)


def table(connection: duckdb.DuckDBPyConnection, mart: str) -> None:
    """An empty table `mart` with the columns of its contract."""
    described = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in MODELS[mart]["columns"])
    connection.execute(f"create table mart ({described})")


@pytest.mark.parametrize("mart", sorted(METRICS))
def test_a_dataset_has_the_columns_of_its_contract_and_metrics_that_can_be_asked(mart: str) -> None:
    dataset = next(d for d in DATASETS.values() if d["table_name"] == mart)
    contract = {column["name"]: column["data_type"] for column in MODELS[mart]["columns"]}
    assert {column["column_name"]: column["type"].lower() for column in dataset["columns"]} == contract
    days = {column["column_name"] for column in dataset["columns"] if column["is_dttm"]} - {"as_of"}
    assert dataset["main_dttm_col"] in (days or {None})  # a chosen stretch of days is none of `as_of`
    names = [metric["metric_name"] for metric in dataset["metrics"]]
    assert len({*names, *contract}) == len(names) + len(contract), "a metric and a column of one name"
    with duckdb.connect() as connection:
        table(connection, mart)
        for metric in dataset["metrics"]:
            connection.execute(f"select {metric['expression']} from mart")


def named(params: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Columns and metrics that a chart asks for."""
    order = {yaml.safe_load(pair)[0] for pair in params.get("order_by_cols", [])}
    filters = {condition["subject"] for condition in params["adhoc_filters"] if "subject" in condition}
    columns = {*params.get("groupby", []), *params.get("all_columns", []), *order, *filters}
    columns |= {params["x_axis"]} if "x_axis" in params else set()
    metrics = {params[key] for key in ("metric", "timeseries_limit_metric", "x_axis_sort") if key in params}
    return columns, metrics | set(params.get("metrics", []))


@pytest.mark.parametrize("uuid", sorted(CHARTS), ids=lambda uuid: CHARTS[uuid]["slice_name"])
def test_a_chart_asks_for_what_its_mart_has(uuid: str) -> None:
    chart = CHARTS[uuid]
    dataset = DATASETS[chart["dataset_uuid"]]
    columns, metrics = named(chart["params"])
    contract = {column["name"] for column in MODELS[dataset["table_name"]]["columns"]}
    assert columns <= contract
    assert metrics <= {metric["metric_name"] for metric in dataset["metrics"]}
    assert columns or metrics
    assert set(chart["params"].get("column_config", {})) <= columns | metrics
    with duckdb.connect() as connection:
        table(connection, dataset["table_name"])
        for condition in chart["params"]["adhoc_filters"]:
            if condition["expressionType"] == "SQL":
                connection.execute(f"select * from mart where {condition['sqlExpression']}")


def test_a_choice_of_a_page_is_a_column_of_its_mart() -> None:
    for page in PAGES.values():
        for choice in page["metadata"]["native_filter_configuration"][1:]:
            (target,) = choice["targets"]
            columns = {column["column_name"] for column in DATASETS[target["datasetUuid"]]["columns"]}
            assert target["column"]["name"] in columns


def test_there_is_no_password_and_nothing_is_written_to_the_warehouse() -> None:
    (database,) = DATABASES.values()
    url = make_url(database["sqlalchemy_uri"])
    assert (url.username, url.password) == ("bi_reader", None)
    assert not any(database[right] for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_csv_upload"))
    for path in FILES:
        assert not re.search(r"(?i)password|secret|token", (ASSETS / path).read_text()), path
    assert {dataset["schema"] for dataset in DATASETS.values()} == {"marts"}


def test_the_exposures_of_dbt_name_the_three_pages_and_what_they_read() -> None:
    exposures = yaml.safe_load((Path(CONTRACTS).parent / "_exposures.yml").read_text())["exposures"]
    told = {e["url"].rstrip("/").rpartition("/")[2]: e for e in exposures if "/superset/dashboard/" in e.get("url", "")}
    assert set(told) == {dashboard.slug for dashboard in DASHBOARDS}
    for dashboard in DASHBOARDS:
        read = {chart.mart for row in dashboard.rows for chart in row}
        assert {re.sub(r"ref\('(\w+)'\)", r"\1", ref) for ref in told[dashboard.slug]["depends_on"]} == read
        assert told[dashboard.slug]["label"] == dashboard.title
