"""Media files on their way into landing: read from a delivered folder and from nowhere else, kept under their hash."""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pipelines.contracts import CONTENT_HASH, LINE, UNREADABLE, UNREADABLE_REASON, URI
from pipelines.faults import fault_point
from pipelines.media import store
from pipelines.media.faulty import MediaError, too_large
from pipelines.media.stream import in_order

if TYPE_CHECKING:
    import pyarrow as pa

WRITERS = 4
"""Threads that read and keep files: most of the time is the disk's."""
NO_URI = "uri is missing"
NOT_LOCAL = "uri is neither a path nor a file: URI"
OUTSIDE = "uri leads out of the media folder"
NO_FILE, NOT_REGULAR = "no such file", "not a regular file, or behind a symbolic link"


def with_content(
    shop: Path, batches: "Iterable[pa.RecordBatch]", media: Callable[[str], bytes]
) -> "Iterator[pa.RecordBatch]":
    """The rows with the hash of what their `uri` names, which is kept below `shop`; a few files are in memory at once.

    A row without content lands too, as unreadable with its reason: preprocess quarantines it.
    """
    import pyarrow as pa

    for batch in batches:
        rows = list(in_order(partial(_completed, shop, media), batch.to_pylist(), WRITERS))
        names = dict.fromkeys((*batch.schema.names, CONTENT_HASH, UNREADABLE, UNREADABLE_REASON))
        fields = [batch.schema.field(n) if n in batch.schema.names else pa.field(n, pa.string()) for n in names]
        yield pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))
    store.settle(shop / store.FOLDER)
    fault_point("land.media")


def _completed(shop: Path, media: Callable[[str], bytes], row: dict[str, str | None]) -> dict[str, str | None]:
    if row.get(UNREADABLE) is not None or row.get(UNREADABLE_REASON) is not None:
        return row
    try:
        uri = (row.get(URI) or "").strip()
        if not uri:
            raise MediaError(NO_URI)
        return {**row, CONTENT_HASH: store.put(shop / store.FOLDER, media(uri))}
    except MediaError as error:
        values = {name: value for name, value in row.items() if value is not None and name != LINE}
        return {**row, UNREADABLE: json.dumps(values, ensure_ascii=False), UNREADABLE_REASON: error.reason}


def read_inside(folder: Path, uri: str, most: int) -> bytes:
    """The file that `uri` names: a path or a file: URI, relative to `folder` or below it.

    Every part of the way is opened without following a symbolic link, so that nothing outside is reached, even where
    somebody exchanges a folder meanwhile. Raises MediaError; nothing is ever fetched from another machine.
    """
    parts = _parts(folder.absolute(), uri)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in parts[:-1]:
            handle = _step(handle, name, os.O_RDONLY | os.O_DIRECTORY)
        # A pipe would block for ever: it is opened without waiting, and then refused.
        handle = _step(handle, parts[-1], os.O_RDONLY | os.O_NONBLOCK)
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(NOT_REGULAR)
        if status.st_size > most:
            raise MediaError(too_large(most))
        with os.fdopen(os.dup(handle), "rb") as file:
            content = file.read(most + 1)
        if len(content) > most:  # it has grown since
            raise MediaError(too_large(most))
        return content
    finally:
        os.close(handle)


def _step(handle: int, name: str, flags: int) -> int:
    """Open `name` in the folder behind `handle`, which is closed when this worked; else the caller closes it."""
    try:
        inner = os.open(name, flags | os.O_NOFOLLOW, dir_fd=handle)
    except FileNotFoundError as error:
        raise MediaError(NO_FILE) from error
    except OSError as error:  # a link, a file where a folder should be, no right to read, a name too long
        raise MediaError(NOT_REGULAR) from error
    os.close(handle)
    return inner


def _parts(folder: Path, uri: str) -> tuple[str, ...]:
    path = uri
    if ":" in uri.split("/", 1)[0]:
        given = urlsplit(uri)
        if given.scheme != "file" or given.netloc not in ("", "localhost"):
            raise MediaError(NOT_LOCAL)
        path = unquote(given.path)
    if "\0" in path:
        raise MediaError(NO_FILE)
    pure = PurePosixPath(path)
    if ".." in pure.parts:
        raise MediaError(OUTSIDE)
    if pure.is_absolute():
        try:
            pure = pure.relative_to(folder)
        except ValueError as error:
            raise MediaError(OUTSIDE) from error
    if not pure.parts:
        raise MediaError(NO_FILE)
    return pure.parts
