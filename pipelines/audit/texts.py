"""What must hold of the free texts of a batch: reviews and support messages, as Great Expectations suites."""

from typing import TYPE_CHECKING, Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from pyspark.sql import functions as F

from pipelines.audit.suites import named
from pipelines.contracts import REVIEWS, SUPPORT_MESSAGES, Entity
from pipelines.preprocess.masking import FORMS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TEXTS = (REVIEWS, SUPPORT_MESSAGES)
LONG = 5_000
"""Characters above which a text deserves a look; above 10,000 preprocess refuses the row."""
MARKUP = r"<[A-Za-z/!][^<>]*>"
CONTROLS = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"
SAID_OTHERWISE = "language_is_another"
"""Added for the audit: 1 where the declared language does not fit the script of the text."""


def with_language(rows: "DataFrame") -> "DataFrame":
    """Only Chinese and English are told apart here, by script: half of the letters decide."""
    body = F.coalesce("body", F.lit(""))
    chinese = F.length(F.regexp_replace(body, "[^一-龥]", ""))
    latin = F.length(F.regexp_replace(body, "[^A-Za-z]", ""))
    declared = F.lower(F.substring(F.coalesce("language", F.lit("")), 1, 2))
    # A Chinese character says about as much as three Latin letters.
    wrong = ((declared == "en") & (3 * chinese > latin)) | ((declared == "zh") & (3 * chinese < latin))
    return rows.withColumn(SAID_OTHERWISE, F.when(wrong, 1).otherwise(0))


def suite(entity: Entity) -> list[Expectation]:
    name = entity.name
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"{name}.body is given", "warning", column="body")]
    for column in (c.name for c in entity.columns if c.masked):
        warnings: dict[str, Any] = {"holds no markup": MARKUP, "holds no control characters": CONTROLS}
        for title, regex in warnings.items():
            arguments: dict[str, Any] = {"column": column, "regex": regex}
            found.append(
                named(gxe.ExpectColumnValuesToNotMatchRegex, f"{name}.{column} {title}", "warning", **arguments)
            )
        length: dict[str, Any] = {"column": column, "max_value": LONG}
        found.append(
            named(gxe.ExpectColumnValueLengthsToBeBetween, f"{name}.{column} is not very long", "warning", **length)
        )
        email: dict[str, Any] = {"column": column, "regex": FORMS[0].pattern}
        found.append(named(gxe.ExpectColumnValuesToNotMatchRegex, f"{name}.{column} holds no e-mail address", **email))
    found.append(
        named(
            gxe.ExpectColumnValuesToBeBetween, f"{name}.language fits the text", "warning", column=SAID_OTHERWISE,
            max_value=0,
        )
    )  # fmt: skip
    return found
