"""The lake: Delta tables on delta-rs. One commit replaces the partitions a batch touches; nothing else is moved.

`events` is partitioned by event_date; every other entity, and quarantine, by landing_date.
A version number identifies training data until `vacuum`. The tables lie in a folder of the home, or where `lake_url`
says (docs/decisions/0007-lake-on-s3.md).
"""

from pipelines.lake.commits import Change, apply, commit, plan
from pipelines.lake.reads import (
    FIRST_DELIVERED,
    copy_partitions,
    dates_of_landing,
    interactions,
    known_users,
    landed_days,
    media,
    newest_day,
    products,
    recount,
    searches,
    sequences,
    summarise,
    user_days,
    users,
)
from pipelines.lake.tables import (
    active_files,
    dataset,
    digests,
    partition_column,
    schema_of,
    table,
    vacuum,
    version,
)

__all__ = [
    "FIRST_DELIVERED",
    "Change",
    "active_files",
    "apply",
    "commit",
    "copy_partitions",
    "dataset",
    "dates_of_landing",
    "digests",
    "interactions",
    "known_users",
    "landed_days",
    "media",
    "newest_day",
    "partition_column",
    "plan",
    "products",
    "recount",
    "schema_of",
    "searches",
    "sequences",
    "summarise",
    "table",
    "user_days",
    "users",
    "vacuum",
    "version",
]
