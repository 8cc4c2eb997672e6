"""Pictures out of a tar file or a folder, by the name of the file, for benchmarks."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_pictures(place: Path, size: int, wanted: Callable[[str], str | None]) -> tuple[dict[str, int], np.ndarray]:
    """Row of each name, and pixels uint8 [n, size, size, 3], in the order of the names.

    `wanted` says under which name the picture of a path is kept, None for not at all. What cannot be decoded is left
    out. A picture keeps its proportions, on white.
    """
    found = {}
    for path, content in _files(place, SUFFIXES):
        name = wanted(path)
        pixels = decoded(content, size) if name is not None else None
        if name is not None and pixels is not None:
            found[name] = pixels
    names = sorted(found)
    shown = np.stack([found[name] for name in names]) if names else np.zeros((0, size, size, 3), np.uint8)
    return {name: row for row, name in enumerate(names)}, shown


def decoded(content: bytes, size: int) -> np.ndarray | None:
    """uint8 [size, size, 3], or None where these bytes are no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft("RGB", (size, size))
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for broken files
        return None
    scale = size / max(picture.size)
    fitted = [max(1, round(side * scale)) for side in picture.size]
    small = picture.resize((fitted[0], fitted[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    room = Image.new("RGB", (size, size), "white")
    room.paste(small, ((size - fitted[0]) // 2, (size - fitted[1]) // 2))
    return np.asarray(room)


def read_texts(place: Path, wanted: Callable[[str], str | None]) -> dict[str, str]:
    """Texts by the name that `wanted` gives them, likewise."""
    found = {wanted(path): content.decode(errors="replace") for path, content in _files(place, {".txt", ".csv"})}
    return {name: text for name, text in found.items() if name is not None}


def _files(place: Path, suffixes: set[str]) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file that ends so."""
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.suffix.lower() in suffixes and path.is_file():
                yield path.relative_to(place).as_posix(), path.read_bytes()
        return
    with tarfile.open(place) as archive:
        for member in archive:
            if member.isfile() and Path(member.name).suffix.lower() in suffixes:
                opened = archive.extractfile(member)
                assert opened is not None
                yield member.name, opened.read()
