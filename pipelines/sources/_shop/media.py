"""Which pictures and sounds are delivered on a day, under which names, and which of them are spoiled."""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipelines.contracts import PRODUCT_AUDIO, PRODUCT_IMAGES
from pipelines.media.faulty import MediaError
from pipelines.sources._shop import pictures, sounds
from pipelines.sources._shop.catalogue import Row
from pipelines.sources._shop.world import ANNOUNCED, World, item_id

RETAKEN_AFTER = 10
"""Days after which an item that gets a new picture gets it."""
_NAME = re.compile(r"p(\d{6})-(\d)(?:-v(\d))?\.(\w+)")


@dataclass(frozen=True)
class File:
    """A delivered file. `hostile`: how it is spoiled, None where it is not."""

    entity: str
    number: int  # of the item
    position: int
    version: int
    hostile: str | None
    form: str

    @property
    def uri(self) -> str:
        version = f"-v{self.version}" if self.version else ""
        return f"{item_id(self.number)}-{self.position}{version}.{self.form}"


def files_of(world: World, day: int) -> Iterator[File]:
    """What comes on a day: all files of items that are announced, or of which a picture was taken again.

    Of three items one has a second picture, of five one a sound. Of 25 items one gets another first picture later.
    """
    announced = np.maximum(world.items.first - ANNOUNCED, 0)
    for number in np.flatnonzero(announced == day).tolist():
        yield from _images(number, 0)
        if number % 5 == 3:
            yield File(PRODUCT_AUDIO.name, number, 1, 0, _spoiled(number, 800, 38, SOUNDS), "wav")
    for number in np.flatnonzero(announced == day - RETAKEN_AFTER).tolist():
        if number % 25 == 7:
            yield from _images(number, 1)


def _images(number: int, version: int) -> Iterator[File]:
    for position in (1, 2) if number % 3 == 0 else (1,):
        hostile = _spoiled(number, 160, 37, IMAGES) if position == 1 else None
        form = (
            "png" if hostile == "bomb" else "jpg" if hostile else ("jpg", "jpg", "png", "webp")[(number + position) % 4]
        )
        yield File(PRODUCT_IMAGES.name, number, position, version if position == 1 else 0, hostile, form)


def _spoiled(number: int, every: int, at: int, kinds: dict[str, Callable[[bytes], bytes]]) -> str | None:
    """Rare enough that no night is stopped for it."""
    return list(kinds)[number // every % len(kinds)] if number % every == at else None


def rows_of(files: list[File], entity: str) -> Iterator[Row]:
    for file in files:
        if file.entity == entity:
            yield {"item_id": item_id(file.number), "position": str(file.position), "uri": file.uri}


def content(world: World, uri: str) -> bytes:
    """The bytes of a file by the name that its row gives. Raises MediaError for a name that is none of ours."""
    found = _NAME.fullmatch(uri)
    if not found:
        raise MediaError("no such file")
    number, position, version, form = int(found[1]), int(found[2]), int(found[3] or 0), found[4]
    if form == "wav":
        kind = _spoiled(number, 800, 38, SOUNDS)
        made = sounds.sound(world, number)
        return SOUNDS[kind](made) if kind else made
    image = pictures.picture(world, number, position, version)
    hostile = _spoiled(number, 160, 37, IMAGES) if position == 1 else None
    made = pictures.encoded(image, {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[form])
    return IMAGES[hostile](made) if hostile else made


def _half(made: bytes) -> bytes:
    return made[: len(made) // 2]


def _again(made: bytes, form: str, mode: str = "RGB", frames: int = 1) -> bytes:
    """The picture in another form."""
    image = Image.open(io.BytesIO(made)).convert(mode)
    file = io.BytesIO()
    moving = {"save_all": True, "append_images": [image.rotate(90)]} if frames > 1 else {}
    image.save(file, form, **moving)
    return file.getvalue()


def _bomb(made: bytes) -> bytes:
    """The PNG with a head that claims 2.5 gigapixels."""
    head = made[12:16] + (50_000).to_bytes(4, "big") * 2 + made[24:29]
    return made[:12] + head + zlib.crc32(head).to_bytes(4, "big") + made[33:]


IMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": _half,
    "empty": lambda made: b"",
    "page": lambda made: b"<!doctype html><title>404</title>",
    "png_named_jpg": lambda made: _again(made, "PNG"),
    "animated": lambda made: _again(made, "GIF", frames=2),
    "cmyk": lambda made: _again(made, "JPEG", "CMYK"),
    "bomb": _bomb,
    "noise": lambda made: made[:3] + bytes(reversed(made)),
}
SOUNDS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": _half,
    "empty": lambda made: b"",
    "silence": lambda made: made[:44] + bytes(len(made) - 44),
    "huge_rate": lambda made: made[:24] + (1_000_000).to_bytes(4, "little") + made[28:],
    "text": lambda made: b"no sound",
}
