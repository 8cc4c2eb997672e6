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
OPS_EXPERIMENTS = Table(  # the read-out of a running experiment as of each night; see docs/feedback.md
    "ops.experiments",
    ("night", "experiment", "metric"),
    (
        ("night", "date"),
        ("experiment", "text"),
        ("metric", "text"),  # ctr, conversion, revenue_per_user
        ("began", "date"),
        ("control_users", "bigint"),  # assigned, shown or not
        ("variant_users", "bigint"),
        ("control_shown", "bigint"),  # of these, with an impression: the split is held against halves
        ("variant_shown", "bigint"),
        ("control", "double precision"),
        ("variant", "double precision"),
        ("difference", "double precision"),  # variant less control; low and high of 95 %
        ("difference_low", "double precision"),
        ("difference_high", "double precision"),
        ("ratio", "double precision"),
        ("ratio_low", "double precision"),
        ("ratio_high", "double precision"),
        ("detectable", "double precision"),  # the least difference seen with a power of 80 %
        ("split_p", "double precision"),
        ("split_sound", "boolean"),
    ),
)
MONITOR_TABLES = (OPS_MONITOR, OPS_MONITOR_PROFILES, OPS_EXPERIMENTS)
