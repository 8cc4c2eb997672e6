"""The kinds of charts that the dashboards use, as Superset's form data."""

from dataclasses import dataclass
from typing import Any

WHOLE, MONEY, SHARE, DECIMAL, SMALL = ",d", ",.2f", ".1%", ".2f", ".4f"
"""How numbers are written (d3-format)."""

Params = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """A number that charts show: SQL over one mart, named once, so that people find it when they make charts."""

    name: str
    title: str
    sql: str
    form: str = WHOLE


@dataclass(frozen=True)
class Chart:
    """One chart of a dashboard. `key` makes its UUID and its file's name: it stays when the title changes."""

    key: str
    title: str
    mart: str
    kind: str  # Superset's viz_type
    params: Params
    width: int  # of 12 columns
    height: int = 50  # in units of 8 pixels
    about: str = ""


def when(*conditions: Params, day: str = "") -> list[Params]:
    """Filters of a chart; `day` is the column that the dashboard's choice of days narrows."""
    return [*([_days(day)] if day else []), *conditions]


def _days(column: str) -> Params:
    return {
        "clause": "WHERE", "expressionType": "SIMPLE", "subject": column, "operator": "TEMPORAL_RANGE",
        "comparator": "No filter",
    }  # fmt: skip


def equals(column: str, value: str | bool) -> Params:
    return {
        "clause": "WHERE", "expressionType": "SIMPLE", "subject": column, "operator": "==", "operatorId": "EQUALS",
        "comparator": value,
    }  # fmt: skip


def where(sql: str) -> Params:
    return {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": sql}


def one_of(column: str, *values: str) -> Params:
    return {
        "clause": "WHERE", "expressionType": "SIMPLE", "subject": column, "operator": "IN", "operatorId": "IN",
        "comparator": list(values),
    }  # fmt: skip


def trend(key: str, title: str, mart: str, metric: Metric, day: str, width: int = 3) -> Chart:
    """The newest day's number, its change against seven days before, and the line of all days."""
    params = {
        "x_axis": day, "time_grain_sqla": "P1D", "metric": metric.name, "adhoc_filters": when(day=day),
        "aggregation": "LAST_VALUE", "compare_lag": 7, "compare_suffix": "against 7 days before",
        "resample_rule": "1D", "resample_method": "asfreq",  # a closed day has no row, and counts as one all the same
        "show_trend_line": True, "start_y_axis_at_zero": True, "y_axis_format": metric.form, "time_format": "%Y-%m-%d",
        "header_font_size": 0.3, "subheader_font_size": 0.125,
    }  # fmt: skip
    return Chart(key, title, mart, "big_number", params, width, 27)


def number(
    key: str, title: str, mart: str, metric: Metric, *conditions: Params, says: str = "", width: int = 3
) -> Chart:
    params = {
        "metric": metric.name, "subheader": says, "adhoc_filters": when(*conditions), "y_axis_format": metric.form,
        "header_font_size": 0.3, "subheader_font_size": 0.125,
    }  # fmt: skip
    return Chart(key, title, mart, "big_number_total", params, width, 20)


def lines(
    key: str, title: str, mart: str, day: str, metrics: list[Metric], *conditions: Params, by: str = "", width: int = 6
) -> Chart:
    """Numbers over days; `by` draws a line for each value of a column."""
    params = _over(day, metrics, when(*conditions, day=day), by) | _DAILY | {"markerEnabled": True, "markerSize": 4}
    return Chart(key, title, mart, "echarts_timeseries_line", params, width)


def bars_by_day(
    key: str, title: str, mart: str, day: str, metrics: list[Metric], *conditions: Params, by: str = "", width: int = 6
) -> Chart:
    """Numbers over days, stacked."""
    params = (
        _over(day, metrics, when(*conditions, day=day), by) | _DAILY | {"stack": "Stack", "orientation": "vertical"}
    )
    return Chart(key, title, mart, "echarts_timeseries_bar", params, width)


def bars(
    key: str, title: str, mart: str, column: str, metric: Metric, *conditions: Params, by: str = "", width: int = 6,
    most: int = 20, by_value: bool = True,
) -> Chart:  # fmt: skip
    """A bar for each value of a column: the largest first, or in the order of the column."""
    params = _over(column, [metric], when(*conditions), by) | {
        "orientation": "horizontal" if by_value else "vertical", "xAxisForceCategorical": True, "row_limit": most,
        "show_legend": bool(by), "timeseries_limit_metric": metric.name,
    }  # fmt: skip
    if by_value:
        params |= {"x_axis_sort": metric.name, "x_axis_sort_asc": True}
    return Chart(key, title, mart, "echarts_timeseries_bar", params, width)


_DAILY: Params = {"time_grain_sqla": "P1D", "x_axis_time_format": "%m-%d", "tooltipTimeFormat": "%Y-%m-%d"}


def _over(x: str, metrics: list[Metric], filters: list[Params], by: str) -> Params:
    return {
        "x_axis": x, "metrics": [metric.name for metric in metrics], "groupby": [by] if by else [],
        "adhoc_filters": filters, "row_limit": 10_000, "order_desc": True,
        "truncate_metric": True, "show_legend": True, "legendType": "scroll", "legendOrientation": "top",
        "rich_tooltip": True, "y_axis_format": metrics[0].form, "only_total": True,
    }  # fmt: skip


def pie(key: str, title: str, mart: str, column: str, metric: Metric, *conditions: Params, width: int = 4) -> Chart:
    params = {
        "groupby": [column], "metric": metric.name, "adhoc_filters": when(*conditions), "row_limit": 12,
        "sort_by_metric": True, "donut": True, "innerRadius": 35, "outerRadius": 65, "show_legend": True,
        "legendType": "scroll", "legendOrientation": "bottom", "show_labels": True, "labels_outside": True,
        "label_type": "percent", "number_format": metric.form,
    }  # fmt: skip
    return Chart(key, title, mart, "pie", params, width)


def table(
    key: str, title: str, mart: str, columns: list[str], order: dict[str, bool], *conditions: Params,
    forms: dict[str, str] | None = None, day: str = "", most: int = 50, width: int = 12, height: int = 50,
) -> Chart:  # fmt: skip
    """Rows as they are; `order` says of each column to sort by whether it rises."""
    params = {
        "query_mode": "raw", "all_columns": columns, "adhoc_filters": when(*conditions, day=day), "row_limit": most,
        "order_by_cols": [f'["{column}", {str(rises).lower()}]' for column, rises in order.items()],
        "server_page_length": 10, "table_timestamp_format": "%Y-%m-%d", "show_cell_bars": False,
        "column_config": {column: {"d3NumberFormat": form} for column, form in (forms or {}).items()},
    }  # fmt: skip
    return Chart(key, title, mart, "table", params, width, height)


def totals(
    key: str, title: str, mart: str, columns: list[str], metrics: list[Metric], *conditions: Params, width: int = 6,
    most: int = 50,
) -> Chart:  # fmt: skip
    """Metrics for each value of the columns, by the first metric."""
    params = {
        "query_mode": "aggregate", "groupby": columns, "metrics": [metric.name for metric in metrics],
        "adhoc_filters": when(*conditions), "row_limit": most, "order_desc": True, "show_cell_bars": False,
        "timeseries_limit_metric": metrics[0].name, "table_timestamp_format": "%Y-%m-%d",
        "column_config": {metric.name: {"d3NumberFormat": metric.form} for metric in metrics},
    }  # fmt: skip
    return Chart(key, title, mart, "table", params, width)
