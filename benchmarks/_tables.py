"""Columns of a CSV or Parquet file under the names a benchmark uses."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def read_columns(path: Path, wanted: Mapping[str, str]) -> pa.Table:
    """`wanted`: each name and the column it stands for. Stops with a line that says which column is not there."""
    table = pyarrow.parquet.read_table(path) if path.suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    missing = set(wanted.values()) - set(table.column_names)
    if missing:
        raise SystemExit(f"{path.name} has no column {min(missing)}; it has {', '.join(table.column_names)}")
    return pa.table({name: table[column] for name, column in wanted.items()})


def _read_csv(path: Path) -> pa.Table:
    """UTF-8, or where it is not that, Latin-1, in which any byte is a letter."""
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    try:
        path.read_bytes().decode()
        encoding = "utf8"
    except UnicodeDecodeError:
        encoding = "latin-1"
    read = pyarrow.csv.ReadOptions(encoding=encoding)
    return pyarrow.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
