"""What monitoring keeps of each night; see docs/monitoring.md."""

from pipelines.contracts.table import Table

OPS_MONITOR = Table(  # one row for each number of a night
    "ops.monitor",
    ("night", "area", "name", "part"),
    (
        ("night", "date"),
        ("area", "text"),  # inputs, features, scores, lists, model, speed
        ("name", "text"),
        ("part", "text"),  # the event type, table, step … that it is of; may be empty
        ("value", "double precision"),
        ("reference", "double precision"),  # what it was before, where that is one number
        ("threshold", "double precision"),  # null where the number is only kept
        ("alarm", "boolean"),
        ("n", "bigint"),  # rows, users or nights behind it
        ("message", "text"),
    ),
)
OPS_MONITOR_PROFILES = Table(  # cells of equal frequency of each numeric feature, for the nights after
    "ops.monitor_profiles",
    ("night", "table_name", "column_name"),
    (
        ("night", "date"),
        ("table_name", "text"),
        ("column_name", "text"),
        ("edges", "text"),  # JSON: upper edges, rising
        ("counts", "text"),  # JSON: rows of each cell, and of those without a value
    ),
)
MONITOR_TABLES = (OPS_MONITOR, OPS_MONITOR_PROFILES)
