"""Tables of who and what is alike, as of the newest night."""

from pipelines.contracts.table import STAMP, Table

SCORES_USER_VECTORS = Table(  # of users with an event in the window; vectors of one version can be compared
    "scores.user_vectors",
    ("user_id",),
    (("user_id", "text"), ("dimension", "integer"), ("vector", "real[]"), *STAMP),
    volatile=("run_id", "scored_at"),
)
SCORES_USER_PERSONAS = Table(
    "scores.user_personas",
    ("user_id",),
    (
        ("user_id", "text"),
        ("persona", "text"),
        ("similarity", "double precision"),  # cosine with the persona's centre
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_PERSONAS = Table(
    "scores.personas",
    ("persona",),
    (
        ("persona", "text"),
        ("users", "bigint"),
        ("share", "double precision"),  # of the users who have a persona
        ("purchases_per_user", "double precision"),  # in the window
        ("days_between_visits", "double precision"),  # median over members who came twice; null where nobody did
        ("median_price", "double precision"),  # null where no price is known
        ("price_level", "double precision"),  # the same / that of the shop
        ("description", "text"),
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_PERSONA_TRAITS = Table(
    "scores.persona_traits",
    ("persona", "kind", "rank"),
    (
        ("persona", "text"),
        ("kind", "text"),  # category, word, item
        ("rank", "integer"),
        ("value", "text"),  # of an item its id
        ("members", "double precision"),  # share of the members who bought it
        ("lift", "double precision"),  # that share / the share of all
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_LOOKALIKE_PRODUCTS = Table(  # by what is said, shown and heard of products, whoever bought them
    "scores.lookalike_products",
    ("item_id", "rank"),
    (
        ("item_id", "text"),
        ("rank", "integer"),
        ("lookalike_item_id", "text"),
        ("similarity", "double precision"),  # cosine
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_DUPLICATE_PRODUCTS = Table(  # pairs that the catalogue probably holds twice, for a person to look through
    "scores.duplicate_products",
    ("item_id", "duplicate_item_id"),
    (
        ("item_id", "text"),  # the smaller id
        ("duplicate_item_id", "text"),
        ("similarity", "double precision"),  # cosine
        ("title_overlap", "double precision"),  # words of both titles / words of either
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
VECTOR_TABLES = (
    SCORES_USER_VECTORS, SCORES_USER_PERSONAS, SCORES_PERSONAS, SCORES_PERSONA_TRAITS, SCORES_LOOKALIKE_PRODUCTS,
    SCORES_DUPLICATE_PRODUCTS,
)  # fmt: skip
