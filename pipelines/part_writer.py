"""Rows that come in blocks of any size into Parquet files of a like size."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.contracts import FILE

ROW_GROUP = 128 << 10
ROWS_PER_PART = 1 << 20


class PartWriter:
    """Parquet parts of at most ROWS_PER_PART rows, in row groups of ROW_GROUP, whatever sizes come in.

    A row group is written in a thread while the next one is read; an error shows with the next one, or in `close`.
    `prepare`: what is done to every block of rows before it is written.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, prepare: Callable[[pa.Table], pa.Table] = lambda rows: rows
    ) -> None:
        self.folder, self.schema, self._prepare = folder, schema, prepare
        self.paths: list[Path] = []
        self.rows = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._open: pq.ParquetWriter | None = None
        self._open_rows = 0
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def add(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self._waiting.append(self._prepare(rows))
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._written()
        if self._waiting_rows:
            self._writing = self._thread.submit(self._write, self._waiting)
        self._waiting, self._waiting_rows = [], 0

    def _written(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, rows: list[pa.Table]) -> None:
        if self._open is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.paths.append(self.folder / f"part-{len(self.paths):05d}.parquet")
            # Dictionaries and statistics do not pay for text that hardly repeats and is read once; the file name does.
            self._open = pq.ParquetWriter(
                self.paths[-1], self.schema, compression="snappy", use_dictionary=[FILE], write_statistics=False
            )
        table = pa.concat_tables(rows)
        self._open.write_table(table, row_group_size=ROW_GROUP)
        self._open_rows += table.num_rows
        if self._open_rows >= ROWS_PER_PART:
            self._open.close()
            self._open, self._open_rows = None, 0

    def close(self) -> None:
        try:
            self._flush()
            self._written()
            if self._open is not None:
                self._open.close()
        finally:
            self._thread.shutdown()
