"""What BI sees in Superset, said once: metrics of the marts, and three dashboards of charts over them.

After a change: `.venv/bin/python -m bi.write`, and `make bi` (or a restart of the service `superset`) shows it. Columns
and their descriptions come from the contracts of dbt: a new column of a mart needs `python -m bi.write`, no line here.
"""

from dataclasses import dataclass

from bi.charts import (
    DECIMAL,
    MONEY,
    SHARE,
    SMALL,
    Chart,
    Metric,
    bars,
    bars_by_day,
    equals,
    lines,
    number,
    one_of,
    pie,
    table,
    totals,
    trend,
    where,
)


@dataclass(frozen=True)
class Choice:
    """A filter that the dashboard offers: values of a column, for every chart whose mart has it."""

    title: str
    mart: str
    column: str


@dataclass(frozen=True)
class Dashboard:
    slug: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    rows: tuple[tuple[Chart, ...], ...]


def _ratio(above: str, below: str) -> str:
    """Of sums: the mean of daily shares would count a quiet day as much as a busy one."""
    return f"1.0 * sum({above}) / nullif(sum({below}), 0)"


# ---- metrics, by mart --------------------------------------------------------------------------------------------

REVENUE = Metric("revenue_total", "Revenue", "sum(revenue)", MONEY)
ORDERS = Metric("orders_total", "Orders", "sum(orders)")
CUSTOMERS = Metric("customers_total", "Customers", "sum(customers)")
NEW_CUSTOMERS = Metric("new_customers_total", "New customers", "sum(new_customers)")
ORDER_VALUE = Metric(
    "order_value", "Average order value", "sum(average_order_value * orders) / nullif(sum(orders), 0)", MONEY
)
RETURNED_SHARE = Metric("returned_share", "Returned units", _ratio("returned_units", "units"), SHARE)

SESSIONS = Metric("sessions_total", "Sessions", "sum(sessions)")
VIEWING = Metric("viewing", "Viewed an item", "sum(sessions_with_view)")
CARTING = Metric("carting", "Put one into the cart", "sum(sessions_with_cart)")
BUYING = Metric("buying", "Bought", "sum(sessions_with_purchase)")
BUYING_SHARE = Metric("buying_share", "Sessions that buy", _ratio("sessions_with_purchase", "sessions"), SHARE)

SEGMENT_CUSTOMERS = Metric("customers", "Customers", "count(*)")
SEGMENT_REVENUE = Metric("revenue_365d_sum", "Revenue in 365 days", "sum(revenue_365d)", MONEY)
ITEM_REVENUE = Metric("revenue_28d_sum", "Revenue in 28 days", "sum(revenue_28d)", MONEY)

LISTED_USERS = Metric("users", "Users with a list", "count(distinct user_id)")
LISTED_ITEMS = Metric("items", "Products in lists", "count(distinct item_id)")
PLACES = Metric("places", "Places in lists", "count(*)")

CLICK_RATE = Metric("click_rate", "Clicks per impression", _ratio("clicks", "impressions"), SHARE)
BUY_RATE = Metric("buy_rate", "Purchases per impression", _ratio("purchases", "impressions"), ".2%")
RETURN_RATE = Metric("returns_per_purchase", "Returns per purchase", _ratio("returns", "purchases"), SHARE)
IMPRESSIONS = Metric("impressions_sum", "Impressions", "sum(impressions)")
LIST_REVENUE = Metric("revenue_sum", "Revenue", "sum(revenue)", MONEY)

QUALITY = Metric("value_mean", "Value", "avg(value)", SMALL)
LOW = Metric("low_mean", "95 % from", "avg(low)", SMALL)
HIGH = Metric("high_mean", "to", "avg(high)", SMALL)

CHECKS = Metric("checks", "Checks", "count(*)")
FAILED = Metric("failed", "Checks that do not hold", "count(*) filter (where not is_passed)")
FAILED_NOW = Metric(
    "failed_now", "Checks of the newest night that do not hold",
    "count(*) filter (where not is_passed and check_date = as_of)",
)  # fmt: skip
REFUSED = Metric("refused", "Refused", "coalesce(sum(rows_failed) filter (where check_kind = 'conservation'), 0)")
ACCEPTED = Metric("accepted", "Accepted", "coalesce(sum(rows_published), 0)")
REPEATED = Metric("repeated", "Delivered before", "coalesce(sum(rows_deduplicated), 0)")

SECONDS = Metric("seconds_sum", "Seconds", "sum(seconds)", ",.0f")
FAILED_STEPS = Metric("failed_steps", "Steps that failed", "count(*) filter (where status = 'failed')")
NIGHT_MINUTES = Metric(
    "newest_minutes", "Minutes of the newest night", "sum(seconds) filter (where last_date = as_of) / 60", ",.1f"
)
ALARMS = Metric("alarms", "Alarms", "count(*) filter (where is_alarm)")
MEASURED = Metric("measured", "Value", "avg(value)", SMALL)

METRICS: dict[str, list[Metric]] = {
    "daily_kpis": [REVENUE, ORDERS, CUSTOMERS, NEW_CUSTOMERS, ORDER_VALUE, RETURNED_SHARE],
    "funnel": [SESSIONS, VIEWING, CARTING, BUYING, BUYING_SHARE],
    "customer_segments": [SEGMENT_CUSTOMERS, SEGMENT_REVENUE],
    "item_performance": [ITEM_REVENUE],
    "recommendations": [LISTED_USERS, LISTED_ITEMS, PLACES],
    "recommendation_history": [LISTED_USERS, LISTED_ITEMS, PLACES],
    "recommendation_performance": [CLICK_RATE, BUY_RATE, RETURN_RATE, IMPRESSIONS, LIST_REVENUE],
    "model_performance": [QUALITY, LOW, HIGH],
    "rule_effects": [],
    "data_quality": [CHECKS, FAILED, FAILED_NOW, REFUSED, ACCEPTED, REPEATED],
    "night_runs": [SECONDS, FAILED_STEPS, NIGHT_MINUTES],
    "night_monitor": [ALARMS, MEASURED],
}
"""Every mart that a chart reads, with what it offers."""

# ---- dashboards ---------------------------------------------------------------------------------------------------

SHOP = Dashboard(
    "shop-health", "Shop health", "How the shop does: money, customers, the way to a purchase, products.",
    (),
    (
        (
            trend("revenue", "Revenue", "daily_kpis", REVENUE, "event_date"),
            trend("orders", "Orders", "daily_kpis", ORDERS, "event_date"),
            trend("customers", "Customers", "daily_kpis", CUSTOMERS, "event_date"),
            trend("order-value", "Average order value", "daily_kpis", ORDER_VALUE, "event_date"),
        ),
        (
            lines("revenue-by-day", "Revenue by day", "daily_kpis", "event_date", [REVENUE]),
            lines("customers-by-day", "Customers by day", "daily_kpis", "event_date", [CUSTOMERS, NEW_CUSTOMERS]),
        ),
        (
            lines("funnel", "The way to a purchase, in sessions", "funnel", "event_date",
                  [SESSIONS, VIEWING, CARTING, BUYING]),
            lines("buying-share", "Sessions that buy", "funnel", "event_date", [BUYING_SHARE], width=3),
            lines("returned-share", "Returned units", "daily_kpis", "event_date", [RETURNED_SHARE], width=3),
        ),
        (
            pie("segments", "Customers by segment", "customer_segments", "segment", SEGMENT_CUSTOMERS),
            bars("segment-revenue", "Revenue of 365 days by segment", "customer_segments", "segment",
                 SEGMENT_REVENUE, width=4),
            bars("categories", "Revenue of 28 days by category", "item_performance", "category", ITEM_REVENUE,
                 width=4, most=10),
        ),
        (
            table("items", "Products by revenue of 28 days", "item_performance",
                  ["revenue_rank", "title", "category", "revenue_28d", "orders_28d", "trend_7d", "views_28d",
                   "orders_per_view_28d", "repeat_rate_365d", "return_share_365d", "last_sold_on"],
                  {"revenue_rank": True},
                  forms={"revenue_28d": MONEY, "trend_7d": DECIMAL, "orders_per_view_28d": SHARE,
                         "repeat_rate_365d": SHARE, "return_share_365d": SHARE}),
        ),
    ),
)  # fmt: skip

_EVERYBODY = equals("segment", "all")
_SEGMENTS = {**_EVERYBODY, "operator": "!=", "operatorId": "NOT_EQUALS"}
_JUDGED = (equals("family", "recommender"), equals("slice", "all"), equals("is_latest", True))

RECOMMENDATIONS = Dashboard(
    "recommendation-performance", "Recommendation performance",
    "What is recommended, what shoppers do with it, and how good the models are.",
    (Choice("Model", "recommendation_history", "model_name"),),
    (
        (
            number("listed-users", "Users with a list", "recommendations", LISTED_USERS, says="newest night"),
            number("listed-items", "Products in lists", "recommendations", LISTED_ITEMS, says="newest night"),
            number("click-rate", "Clicks per impression", "recommendation_performance", CLICK_RATE, _EVERYBODY,
                   says="28 nights"),
            number("list-revenue", "Revenue from lists", "recommendation_performance", LIST_REVENUE, _EVERYBODY,
                   says="28 nights"),
        ),
        (
            bars("click-rate-by-position", "Clicks per impression by position", "recommendation_performance",
                 "position", CLICK_RATE, _EVERYBODY, width=4, by_value=False),
            lines("click-rate-by-night", "Clicks per impression by model", "recommendation_performance", "scored_for",
                  [CLICK_RATE], _EVERYBODY, by="model_name", width=4),
            lines("list-revenue-by-night", "Revenue from lists by model", "recommendation_performance", "scored_for",
                  [LIST_REVENUE], _EVERYBODY, by="model_name", width=4),
        ),
        (
            totals("performance-by-segment", "By customer segment, 28 nights", "recommendation_performance",
                   ["segment"], [IMPRESSIONS, CLICK_RATE, BUY_RATE, RETURN_RATE, LIST_REVENUE], _SEGMENTS),
            totals("performance-by-model", "By model version, 28 nights", "recommendation_performance",
                   ["model_name", "model_version"], [IMPRESSIONS, CLICK_RATE, BUY_RATE, RETURN_RATE, LIST_REVENUE],
                   _EVERYBODY),
        ),
        (
            pie("reasons", "Why it is recommended", "recommendations", "reason_type", PLACES),
            bars_by_day("listed-items-by-night", "Products in lists, by night and model", "recommendation_history",
                        "scored_for", [LISTED_ITEMS], by="model_name", width=4),
            bars_by_day("listed-users-by-night", "Users with a list, by night and model", "recommendation_history",
                        "scored_for", [LISTED_USERS], by="model_name", width=4),
        ),
        (
            totals("judged", "Models on held-out days: NDCG@10", "model_performance", ["model_name", "cutoff"],
                   [QUALITY, LOW, HIGH], *_JUDGED, equals("metric", "ndcg@10")),
            bars("coverage", "Models on held-out days: share of the catalogue in lists", "model_performance",
                 "model_name", QUALITY, *_JUDGED, equals("metric", "coverage@10")),
        ),
        (
            table("rules", "Business rules of the newest night", "rule_effects",
                  ["line", "rule", "kind", "state", "items", "lists", "places", "valid_until", "note"],
                  {"line": True}, height=30),
        ),
    ),
)  # fmt: skip

_LISTS = where("area = 'lists' and (name like 'coverage@%' or name in ('Gini of exposure', 'APLT'))")

HEALTH = Dashboard(
    "data-and-model-health", "Data and model health",
    "Whether the nights ran, what was refused, what does not hold, what drifts, and how good forecasts are.",
    (Choice("Kind of check", "data_quality", "check_kind"), Choice("Step", "night_runs", "step")),
    (
        (
            number("failed-now", "Checks that do not hold now", "data_quality", FAILED_NOW, says="newest night"),
            number("failed-steps", "Steps that failed", "night_runs", FAILED_STEPS, says="last try, all nights"),
            number("alarms", "Alarms of monitoring", "night_monitor", ALARMS, says="all nights"),
            number("minutes", "Minutes of the night", "night_runs", NIGHT_MINUTES, says="newest, as far as it is kept"),
        ),
        (
            bars_by_day("delivered", "Rows by delivery day", "data_quality", "check_date",
                        [ACCEPTED, REPEATED, REFUSED], equals("check_kind", "conservation")),
            bars_by_day("checks", "Checks by kind", "data_quality", "check_date", [CHECKS], by="check_kind", width=3),
            bars_by_day("failed", "Checks that do not hold", "data_quality", "check_date", [FAILED], by="check_kind",
                        width=3),
        ),
        (
            table("checks-listed", "Checks, those that do not hold first", "data_quality",
                  ["check_date", "check_kind", "subject", "check_name", "is_passed", "rows_checked", "rows_failed",
                   "detail"],
                  {"is_passed": True, "check_date": False, "rows_failed": False}, day="check_date"),
        ),
        (
            bars_by_day("step-seconds", "Seconds by step", "night_runs", "last_date", [SECONDS], by="step"),
            table("steps", "Steps, failed ones first", "night_runs",
                  ["last_date", "step", "status", "rows", "seconds", "error"],
                  {"status": False, "last_date": False, "seconds": False}, forms={"seconds": ",.1f"},
                  day="last_date", width=6),
        ),
        (
            lines("lists-by-night", "Lists: coverage, concentration, popularity", "night_monitor", "night",
                  [MEASURED], _LISTS, by="name", width=4),
            lines("alarms-by-night", "Alarms by area", "night_monitor", "night", [ALARMS], by="area", width=4),
            bars("calibration", "Error of forecast chances, newest judgement", "model_performance", "metric", QUALITY,
                 equals("family", "propensity"), equals("is_latest", True),
                 one_of("metric", "calibration_error_7d", "calibration_error_28d"), by="model_name", width=4),
        ),
        (
            table("measured", "What monitoring measured, alarms first", "night_monitor",
                  ["night", "area", "name", "part", "value", "reference", "threshold", "is_alarm", "n", "message"],
                  {"is_alarm": False, "night": False, "area": True, "name": True},
                  forms={"value": ".4~g", "reference": ".4~g", "threshold": ".4~g"}, day="night"),
        ),
        (
            lines("forecasts", "Forecasts of purchases: log loss saved against the floor", "model_performance",
                  "cutoff", [QUALITY], equals("family", "propensity"), one_of("metric", "log_loss_saved_28d"),
                  by="model_name"),
            lines("baskets", "Next basket: F1@10 by model", "model_performance", "cutoff", [QUALITY],
                  equals("family", "next_basket"), equals("metric", "f1@10"), by="model_name"),
        ),
    ),
)  # fmt: skip

DASHBOARDS = (SHOP, RECOMMENDATIONS, HEALTH)
