"""One vector for each content and tower, kept as Parquet beside the models: models/media/<tower>/<modality>/*.parquet.

A vector depends on bytes and tower alone, so a part is never changed and no night owns one. What an item has as of a
night is looked up through the lake's rows.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contracts import CONTENT_HASH
from pipelines.faults import fault_point
from pipelines.files import write_atomic
from pipelines.settings import Settings

VECTOR = "vector"
FOLDER = "media"
SMALL_PARTS = 32
"""So many parts of fewer rows than a full one are put together into full ones."""
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Vectors:
    """The vectors of one modality by one tower. Raises ValueError where `version` is no name for a folder."""

    def __init__(self, settings: Settings, version: str, modality: str) -> None:
        if not _SAFE.fullmatch(version):
            raise ValueError(f"the version of a tower names a folder; {version!r} cannot")
        self.folder = settings.models / FOLDER / version / modality

    def hashes(self) -> set[str]:
        """Contents that have a vector."""
        found: set[str] = set()
        for part in self._parts():
            found.update(pq.read_table(part, columns=[CONTENT_HASH])[CONTENT_HASH].to_pylist())
        return found

    def of(self, digests: Sequence[str]) -> pa.Table:
        """Rows (content_hash, vector: list of d float32) of those that have one, in the order of the hash."""
        wanted = pa.array(sorted(set(digests)), pa.string())
        parts = [table.filter(pc.is_in(table[CONTENT_HASH], wanted)) for table in map(pq.read_table, self._parts())]
        parts = [part for part in parts if part.num_rows]
        if not parts:
            return pa.table({CONTENT_HASH: pa.array([], pa.string()), VECTOR: pa.array([], pa.list_(pa.float32(), 0))})
        rows = pa.concat_tables(parts).sort_by(CONTENT_HASH)
        # A kill between writing parts together and dropping them leaves a row twice, with the same vector.
        names = rows[CONTENT_HASH].to_pylist()
        return rows.take(pa.array([n for n, name in enumerate(names) if n == 0 or names[n - 1] != name], pa.int64()))

    def add(self, digests: Sequence[str], vectors: np.ndarray) -> None:
        """Keep float32 [n, d] as one part; written again, it is the same file."""
        self._write(pa.table({CONTENT_HASH: pa.array(digests, pa.string()), VECTOR: fixed(vectors)}))

    def merge(self, full: int) -> None:
        """Put many small parts together, up to `full` rows each."""
        small = [part for part in self._parts() if pq.read_metadata(part).num_rows < full]
        if len(small) < SMALL_PARTS:
            return
        rows = pa.concat_tables(map(pq.read_table, small)).sort_by(CONTENT_HASH).combine_chunks()
        made = {self._write(rows.slice(start, full)) for start in range(0, rows.num_rows, full)}
        fault_point("media.merged")
        for part in small:
            if part not in made:
                part.unlink(missing_ok=True)

    def _write(self, rows: pa.Table) -> Path:
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd")
        names = "\n".join(rows[CONTENT_HASH].to_pylist())
        path = self.folder / f"part-{hashlib.sha256(names.encode()).hexdigest()[:16]}.parquet"
        write_atomic(path, sink.getvalue().to_pybytes())
        return path

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))


def fixed(vectors: np.ndarray) -> pa.FixedSizeListArray:
    """float32 [n, d] as n lists of d."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
