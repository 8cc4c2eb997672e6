"""Columns of a CSV or Parquet file under the names a benchmark uses."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def read_columns(path: Path, wanted: Mapping[str, str]) -> pa.Table:
    """`wanted`: each name and the column it stands for. Stops with a line that says which column is not there."""
    if path.suffix.lower() in (".parquet", ".pq"):
        table = pyarrow.parquet.read_table(path)
    else:
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
        convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
        table = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
    missing = set(wanted.values()) - set(table.column_names)
    if missing:
        raise SystemExit(f"{path.name} has no column {min(missing)}; it has {', '.join(table.column_names)}")
    return pa.table({name: table[column] for name, column in wanted.items()})
