"""Media files by the SHA-256 of their bytes: landing/<shop>/_media/ab/cdef…. Written once, like all that lands.

The leading underscore keeps the folder from being taken for an entity.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from pipelines.files import fsync_folder
from pipelines.landing import shop_of
from pipelines.media.faulty import MediaError, too_large
from pipelines.settings import Settings

FOLDER = "_media"
MISSING, CHANGED = "content is missing", "content differs from its hash"
_HASH = re.compile(r"[0-9a-f]{64}")


def folder_of(settings: Settings) -> Path:
    return settings.landing / shop_of(settings) / FOLDER


def is_hash(text: str | None) -> bool:
    return bool(text) and _HASH.fullmatch(text or "") is not None


def put(folder: Path, content: bytes) -> str:
    """Keep the content and return its hash; several threads may. What is there already is not written again.

    A reader sees the whole file or none. It is durable after `settle`.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = _path(folder, digest)
    if path.is_file() and path.stat().st_size == len(content):
        return digest
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest


def settle(folder: Path) -> None:
    """Make the names of all that was put durable, before a row that needs it can be seen."""
    for place in (*folder.glob("??"), folder):
        if place.is_dir():
            fsync_folder(place)


def holds(folder: Path, digest: str) -> bool:
    return _path(folder, digest).is_file()


def get(folder: Path, digest: str, most: int) -> bytes:
    """The content of a hash. Raises MediaError where it is missing, is above `most` bytes, or is another content."""
    try:
        with _path(folder, digest).open("rb") as file:
            content = file.read(most + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MediaError(MISSING) from error
    if len(content) > most:
        raise MediaError(too_large(most))
    if hashlib.sha256(content).hexdigest() != digest:
        raise MediaError(CHANGED)
    return content


def _path(folder: Path, digest: str) -> Path:
    if not is_hash(digest):
        raise ValueError(f"no hash: {digest!r}")
    return folder / digest[:2] / digest[2:]
