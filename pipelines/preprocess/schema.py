"""Contracts as Spark types: what is read (text only) and what is written (the lake's types)."""

from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from pipelines.contracts import MONEY, UNREADABLE, UNREADABLE_REASON, Entity, Kind

LAKE_TYPES: dict[Kind, DataType] = {
    "string": StringType(),
    "int": LongType(),
    "decimal": DecimalType(MONEY.precision, MONEY.scale),
    "timestamp": TimestampType(),
    "date": DateType(),
    "map": MapType(StringType(), StringType()),
}

END = "nightmarket_end"
"""The marker behind a JSON line; see `transforms.parse_lines`."""


def wrapped_schema(entity: Entity) -> StructType:
    """What `from_json` looks for in a wrapped JSON line: every column as text, maps as text to text."""
    columns = [StructField(c.name, LAKE_TYPES["map"] if c.kind == "map" else StringType()) for c in entity.columns]
    columns += [StructField(name, StringType()) for name in (UNREADABLE, UNREADABLE_REASON)]
    return StructType([StructField("row", StructType(columns)), StructField(END, StringType())])
