"""Tables of what is read out of texts, as of the newest night.

The rows of a delivery stay until its files or the model change.
"""

from pipelines.contracts.entities import LANDING_DATE
from pipelines.contracts.table import STAMP, Table

SCORES_REVIEW_TEXTS = Table(
    "scores.review_texts",
    (LANDING_DATE, "review_id"),
    (
        (LANDING_DATE, "date"),
        ("review_id", "text"),
        ("item_id", "text"),
        ("created_at", "timestamp with time zone"),
        ("rating", "decimal(18,6)"),
        ("language", "text"),  # as detected: en, zh, other
        ("positive_probability", "double precision"),  # null where there is no text in a known language
        ("sentiment", "text"),  # positive, negative; null as above
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_REVIEW_ASPECTS = Table(
    "scores.review_aspects",
    (LANDING_DATE, "review_id", "aspect"),
    (
        (LANDING_DATE, "date"),
        ("review_id", "text"),
        ("item_id", "text"),
        ("aspect", "text"),
        ("mentions", "integer"),
        ("sentiment", "double precision"),  # -1 (bad) to 1 (good), the mean over the mentions
        ("sentence", "text"),  # of the review, as it stands there: the first that speaks of it
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_ITEM_SUMMARIES = Table(
    "scores.item_summaries",
    ("item_id",),
    (
        ("item_id", "text"),
        ("reviews", "bigint"),
        ("reviews_digest", "text"),  # of which reviews, as they were delivered: equal, and the row stays as it is
        ("summary", "text"),  # sentences of reviews, word by word; null where none says anything
        ("key_phrases", "text"),  # the best first, separated by ", "
        *STAMP,
    ),
    volatile=("reviews_digest", "run_id", "scored_at"),
)
SCORES_REPLY_SUGGESTIONS = Table(  # of every open message: an answer that was given before, or why there is none
    "scores.reply_suggestions",
    ("message_id",),
    (
        ("message_id", "text"),
        ("intent", "text"),  # null: not known
        ("intent_confidence", "double precision"),
        ("answered_message_id", "text"),  # the question that the reply once answered
        ("suggested_reply", "text"),
        ("confidence", "double precision"),  # that a person would have answered alike
        ("hand_over", "text"),  # why nothing is suggested
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_QUERY_PRODUCTS = Table(  # for the queries that most sessions looked for
    "scores.query_products",
    ("query", "rank"),
    (
        ("query", "text"),
        ("rank", "integer"),
        ("item_id", "text"),
        ("score", "double precision"),
        ("matched", "text"),  # in words: what the query names that the item is
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
SCORES_ITEM_VECTORS = Table(  # of products on sale, to be compared with each other, and with the vector of any query
    "scores.item_vectors",
    ("item_id", "space"),
    (
        ("item_id", "text"),
        ("space", "text"),  # text, products: vectors of one space and one version can be compared
        ("content_digest", "text"),  # of what was read: equal, and the row stays as it is
        ("dimension", "integer"),
        ("vector", "real[]"),  # as many as `dimension`, of length 1
        *STAMP,
    ),
    volatile=("run_id", "scored_at"),
)
TEXT_TABLES = (
    SCORES_REVIEW_TEXTS, SCORES_REVIEW_ASPECTS, SCORES_ITEM_SUMMARIES, SCORES_REPLY_SUGGESTIONS, SCORES_QUERY_PRODUCTS,
    SCORES_ITEM_VECTORS,
)  # fmt: skip
