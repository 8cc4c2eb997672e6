"""Text to typed values, written so that Apache Spark and Sail give the same answer for the same text.

The engines' own casts differ on exponents, blanks and years; so the form is checked by a regular expression first and
only plain forms are cast. Expressions are NULL where the text is no such value.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.contracts import MONEY, Kind
from pipelines.preprocess.schema import LAKE_TYPES

BLANKS = " \t\r\n\f\v"
PLAIN = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"
NUMBER = r"^([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-2]?[0-9]))?$"
WHOLE = r"^[+-]?[0-9]{1,18}$"
TIMESTAMP = (
    r"^(199[0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?$"
)
ZONE = r"(Z|[+-][0-9]{2}:[0-9]{2})$"
DATE = r"^(19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}$"


def text(value: Column) -> Column:
    """Blanks at both ends carry no meaning and break joins; what is then empty is missing."""
    trimmed = F.btrim(value, F.lit(BLANKS))
    return F.when(F.octet_length(trimmed) > 0, trimmed)  # to compare with "" takes Sail three times as long


def parsed(value: Column, kind: Kind) -> Column:
    """The value of a trimmed text as the lake's type of `kind`, or NULL."""
    if kind == "int":
        return _whole(value)
    if kind == "decimal":
        return _plain_number(value).try_cast(LAKE_TYPES["decimal"])
    if kind == "timestamp":
        zoned = value.endswith("Z") | value.rlike(ZONE)
        utc = F.when(zoned, value).otherwise(F.concat(value, F.lit("Z")))
        return F.when(value.rlike(TIMESTAMP), utc).try_cast(LAKE_TYPES["timestamp"])
    if kind == "date":
        return F.when(value.rlike(DATE), value).try_cast(LAKE_TYPES["date"])
    return value


def _whole(value: Column) -> Column:
    # "3.0" is whole: tools that know only floating point write counts like that.
    digits = F.when(value.rlike(WHOLE), value).otherwise(F.regexp_replace(_plain_number(value), r"\.0*$", ""))
    return F.when(digits.rlike(WHOLE), digits).try_cast(LAKE_TYPES["int"])


def _plain_number(value: Column) -> Column:
    """The number without an exponent. Engines disagree when they print a JSON number (12345678.9 or 1.23456789E7)."""
    return F.when(value.rlike(PLAIN), value).when(value.rlike(NUMBER), _without_exponent(value))


def _without_exponent(value: Column) -> Column:
    def part(n: int) -> Column:
        return F.regexp_extract(value, NUMBER, n)

    whole, fraction = part(2), F.concat(part(3), part(4))
    digits = F.concat(whole, fraction)
    point = F.length(whole) + part(5).try_cast("int")
    zero = F.lit(0)
    left = F.concat(F.lit("0."), F.repeat(F.lit("0"), F.greatest(-point, zero)), digits)
    right = F.concat(digits, F.repeat(F.lit("0"), F.greatest(point - F.length(digits), zero)))
    inside = F.concat(
        F.substring(digits, F.lit(1), point), F.lit("."), F.substring(digits, point + 1, F.length(digits))
    )
    shifted = F.when(point <= 0, left).when(point >= F.length(digits), right).otherwise(inside)
    return F.concat(part(1), shifted)


NOT_A: dict[Kind, str] = {
    "int": "is not a whole number",
    "decimal": f"is not a number below 10^{MONEY.precision - MONEY.scale}",
    "timestamp": "is not a UTC timestamp",
    "date": "is not a date",
    "map": "is not an object",
}
