"""Warehouse tables that Python writes (dbt owns the rest), and what a table hash leaves out."""

from pipelines.contracts.entities import ENTITIES, EVENT_DATE, FILE, LANDING_DATE, LINE, Entity, Kind
from pipelines.contracts.monitor import MONITOR_TABLES
from pipelines.contracts.table import STAMP, Table
from pipelines.contracts.texts import TEXT_TABLES
from pipelines.contracts.vectors import VECTOR_TABLES

# DDL types both DuckDB and PostgreSQL accept. Maps are JSON text: the one form both databases read alike.
_SQL: dict[Kind, str] = {
    "string": "text",
    "int": "bigint",
    "decimal": "decimal(18,6)",
    "timestamp": "timestamp with time zone",
    "date": "date",
    "map": "text",
}


def _raw(entity: Entity) -> Table:
    extra = [(LANDING_DATE, "date"), (FILE, "text"), (LINE, "bigint")]
    if entity.partition == EVENT_DATE:
        extra.insert(0, (EVENT_DATE, "date"))
    columns = tuple((c.name, _SQL[c.kind]) for c in entity.columns) + tuple(extra)
    return Table(f"raw.{entity.name}", (entity.partition, *entity.key), columns)


RAW_TABLES: dict[str, Table] = {name: _raw(entity) for name, entity in ENTITIES.items()}

_REASON = (
    ("score", "double precision"), ("reason_type", "text"), ("reason_item_id", "text"), ("reason", "text"),
    ("rule", "text"),  # business rules because of which the item stands there, by name; null where none
)  # fmt: skip

SCORES_RECOMMENDATIONS = Table(
    "scores.recommendations",
    ("scored_for", "user_id", "rank"),
    (
        ("scored_for", "date"), ("user_id", "text"), ("rank", "integer"), ("item_id", "text"), *_REASON, *STAMP,
        ("propensity", "double precision"),  # with which this item was shown at this place, given those above it
        ("is_explored", "boolean"),  # drawn, not ranked there; see docs/feedback.md
    ),  # fmt: skip
    volatile=("run_id", "scored_at"),
)
SCORES_VISITORS = Table(
    "scores.visitor_recommendations",
    ("scored_for", "segment", "rank"),
    # segment 'all' for everybody, else 'attribute=value' ('country=France')
    (("scored_for", "date"), ("segment", "text"), ("rank", "integer"), ("item_id", "text"), *_REASON, *STAMP),
    volatile=("run_id", "scored_at"),
)
SCORES_SIMILAR = Table(
    "scores.similar_items",
    ("scored_for", "item_id", "rank"),
    (("scored_for", "date"), ("item_id", "text"), ("rank", "integer"), ("similar_item_id", "text"), *_REASON, *STAMP),
    volatile=("run_id", "scored_at"),
)
SCORES_SHORT_LISTS = Table(  # why a user's list is shorter than asked: counted, never silent
    "scores.short_lists",
    ("scored_for", "reason"),
    (("scored_for", "date"), ("reason", "text"), ("users", "bigint"), ("missing_rows", "bigint")),
)
SCORES_RULE_EFFECTS = Table(  # every business rule of the night's file, and what it did; see docs/rules.md
    "scores.rule_effects",
    ("scored_for", "rule"),
    (
        ("scored_for", "date"),
        ("rule", "text"),
        ("line", "integer"),
        ("kind", "text"),
        ("state", "text"),  # applied, not begun, ended, skipped
        ("note", "text"),
        ("valid_from", "date"),
        ("valid_until", "date"),
        ("items", "bigint"),  # items on sale that it hides, moves, counts or pins
        ("lists", "bigint"),  # lists it holds for, where it hides; else lists in which it touched a place
        ("places", "bigint"),
        ("rules_digest", "text"),  # of the file; ops.night_rules keeps its text
    ),
)
SCORES_PROPENSITY = Table(  # of every active user: the two chances of a horizon sum to 1
    "scores.propensity",
    ("scored_for", "user_id", "horizon_days"),
    (
        ("scored_for", "date"),
        ("user_id", "text"),
        ("horizon_days", "integer"),  # counted from the day after the night
        ("buy_probability", "double precision"),
        ("lapse_probability", "double precision"),
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_NEXT_BASKET = Table(
    "scores.next_basket",
    ("scored_for", "user_id", "rank"),
    (
        ("scored_for", "date"),
        ("user_id", "text"),
        ("rank", "integer"),
        ("item_id", "text"),
        ("probability", "double precision"),  # to be in the next basket, given that there is one within 28 days
        ("is_repeat", "boolean"),
        ("expected_basket_size", "double precision"),  # distinct items; the same on every row of a user
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORE_TABLES = (
    SCORES_RECOMMENDATIONS, SCORES_VISITORS, SCORES_SIMILAR, SCORES_SHORT_LISTS, SCORES_RULE_EFFECTS, SCORES_PROPENSITY,
    SCORES_NEXT_BASKET,
)  # fmt: skip

OPS_RUNS = Table(  # one row per night and step: the latest attempt
    "ops.runs",
    ("night", "step"),
    (
        ("night", "text"),  # a date, or "first..last" for a history pass
        ("step", "text"),
        ("status", "text"),  # done, failed
        ("rows", "bigint"),
        ("detail", "text"),  # JSON
        ("error", "text"),
        ("attempt", "text"),
        ("lake_version", "bigint"),
        ("started_at", "timestamp with time zone"),
        ("finished_at", "timestamp with time zone"),
        ("seconds", "double precision"),
    ),
    volatile=("detail", "attempt", "lake_version", "started_at", "finished_at", "seconds"),
)
OPS_LANDING_FILES = Table(  # law 3, per file: rows_in = rows_published + rows_deduplicated + rows_quarantined
    "ops.landing_files",
    ("landing_date", "entity", "file"),
    (
        (LANDING_DATE, "date"),
        ("entity", "text"),
        (FILE, "text"),
        ("rows_in", "bigint"),
        ("rows_published", "bigint"),
        ("rows_deduplicated", "bigint"),
        ("rows_quarantined", "bigint"),
        ("bytes", "bigint"),
        ("note", "text"),  # e.g. "gzip is truncated"
    ),
)
OPS_QUARANTINE = Table(
    "ops.quarantine_counts",
    ("landing_date", "entity", "reason"),
    ((LANDING_DATE, "date"), ("entity", "text"), ("reason", "text"), ("rows", "bigint")),
)
OPS_MASKED = Table(  # personal data found in free text and masked before the lake; see preprocess/masking.py
    "ops.masked_counts",
    ("landing_date", "entity", "kind"),
    (
        (LANDING_DATE, "date"),
        ("entity", "text"),
        ("kind", "text"),  # email, card, phone, address
        ("rows", "bigint"),
        ("places", "bigint"),
    ),
)
OPS_OVERRIDES = Table(
    "ops.overrides",
    ("night", "entity"),
    (("night", "text"), ("entity", "text"), ("reason", "text"), ("rows_quarantined", "bigint"), ("rows_in", "bigint"),
     ("recorded_at", "timestamp with time zone")),
    volatile=("recorded_at",),
)  # fmt: skip
OPS_AUDIT_RESULTS = Table(
    "ops.audit_results",
    ("night", "suite", "expectation"),
    (
        ("night", "text"),
        ("suite", "text"),  # landing, events, features, scores
        ("expectation", "text"),  # a stable, readable id: "events.event_type is one of the contract's"
        ("column_name", "text"),
        ("severity", "text"),  # critical, warning
        ("success", "boolean"),
        ("observed", "text"),
        ("unexpected_count", "bigint"),
        ("rows", "bigint"),
        ("attempt", "text"),
        ("audited_at", "timestamp with time zone"),
    ),
    volatile=("attempt", "audited_at", "observed"),
)
OPS_MODEL_METRICS = Table(
    "ops.model_metrics",
    ("family", "model_name", "cutoff", "slice", "metric"),
    (
        ("family", "text"),
        ("model_name", "text"),
        ("model_version", "text"),
        ("cutoff", "date"),  # training data ends here; the test days follow
        ("test_days", "integer"),
        ("slice", "text"),  # all, new_users, tail_items
        ("metric", "text"),  # recall@10, ndcg@10, coverage@10, popularity_lift@10
        ("value", "double precision"),
        ("low", "double precision"),  # 95 % bootstrap interval over users; null for metrics that are no mean
        ("high", "double precision"),
        ("users", "bigint"),
        ("trained_at", "timestamp with time zone"),
    ),
    volatile=("trained_at",),
)
OPS_GATE = Table(  # one row per comparison the gate made; see models/gate.py
    "ops.gate",
    ("family", "model_version", "cutoff", "slice", "against"),
    (
        ("family", "text"),
        ("model_name", "text"),
        ("model_version", "text"),
        ("cutoff", "date"),
        ("slice", "text"),
        ("against", "text"),
        ("rule", "text"),
        ("users", "bigint"),
        ("challenger", "double precision"),  # mean NDCG@10, as are reference, low and high of the difference
        ("reference", "double precision"),
        ("low", "double precision"),
        ("high", "double precision"),
        ("passed", "boolean"),
        ("verdict", "text"),
        ("promoted", "boolean"),
        ("judged_at", "timestamp with time zone"),
    ),
    volatile=("judged_at",),
)
OPS_READ_TEXTS = Table(  # which deliveries of texts were read, and by which model
    "ops.read_texts",
    ("entity", LANDING_DATE),
    (
        ("entity", "text"),
        (LANDING_DATE, "date"),
        ("files_digest", "text"),
        ("model_version", "text"),
        ("rows", "bigint"),
    ),
    volatile=("files_digest",),
)
OPS_LOADED_DAYS = Table(  # which committed lake files the warehouse holds, by partition
    "ops.loaded_days",
    ("entity", "partition_date"),
    (("entity", "text"), ("partition_date", "date"), ("files_digest", "text"), ("rows", "bigint")),
    volatile=("files_digest",),
)
OPS_PENDING_DAYS = Table(  # event dates loaded since dbt last built its day facts; `features` empties it
    "ops.pending_days",
    ("event_date",),
    ((EVENT_DATE, "date"), ("files_digest", "text")),  # the digest tells a day that was loaded again meanwhile
    volatile=("files_digest",),
)
OPS_NIGHTS = Table(  # one row per night that was built; the newest is what BI sees
    "ops.nights",
    ("night",),
    (
        ("night", "date"),
        ("is_closed", "boolean"),  # the source declares this day closed: an empty night is right
        ("published_at", "timestamp with time zone"),
    ),
    volatile=("published_at",),
)
OPS_BUILT_SQL = Table(  # by which SQL the tables that dbt only adds to were made; see features.build
    "ops.built_sql",
    ("half",),
    (("half", "text"), ("digest", "text")),
)
OPS_NIGHT_RULES = Table(  # the rules file that a night was scored by; a night without a row had none
    "ops.night_rules",
    ("night",),
    (("night", "date"), ("digest", "text"), ("content", "text"), ("kept_at", "timestamp with time zone")),
    volatile=("kept_at",),
)
OPS_TABLES = (
    OPS_RUNS, OPS_LANDING_FILES, OPS_QUARANTINE, OPS_MASKED, OPS_OVERRIDES, OPS_AUDIT_RESULTS, OPS_MODEL_METRICS,
    OPS_GATE, OPS_READ_TEXTS, OPS_LOADED_DAYS, OPS_PENDING_DAYS, OPS_NIGHTS, OPS_BUILT_SQL,
    OPS_NIGHT_RULES, *MONITOR_TABLES,
)  # fmt: skip

TABLES: dict[str, Table] = {
    t.name: t for t in (*RAW_TABLES.values(), *SCORE_TABLES, *TEXT_TABLES, *VECTOR_TABLES, *OPS_TABLES)
}
SCHEMAS = ("raw", "staging", "features", "scores", "marts", "ops")

# On PostgreSQL only (law 2): every publication is an edition, and one row says which of them BI sees.
OPS_EDITIONS = Table(
    "ops.editions",
    ("edition",),
    (
        ("edition", "bigint"),
        ("night", "date"),
        ("published_at", "timestamp with time zone"),
        ("superseded_at", "timestamp with time zone"),  # null while BI sees it
    ),
)
OPS_CURRENT_NIGHT = Table(
    "ops.current_night",
    ("pointer",),
    (("pointer", "integer"), ("edition", "bigint"), ("night", "date")),  # pointer is 1: there is just one row
)
SERVED_TABLES: dict[str, Table] = {t.name: t for t in (OPS_EDITIONS, OPS_CURRENT_NIGHT)}

# What a table hash leaves out: run ids, times we wrote ourselves, durations, and paths or names made from them.
# dbt's tables carry columns of these names through to the marts.
VOLATILE_COLUMNS = frozenset(name for table in TABLES.values() for name in table.volatile)
