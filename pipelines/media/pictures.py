"""A picture file to a small square of pixels. What bytes claim is checked before anything is decoded.

Only the decoders of three formats are ever called. Whatever they raise on hostile bytes becomes a reason.
"""

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipelines.media.faulty import CORRUPT, MEGABYTE, TRUNCATED, MediaError, check_bytes, check_extension

MAX_BYTES = 20 * MEGABYTE
MAX_PIXELS = 40_000_000
"""A decoded picture takes four bytes a pixel, so two at once stay below half a gigabyte."""
MIN_SIDE, MAX_RATIO, MAX_SCANS = 8, 20, 100
NO_PICTURE = "not a JPEG, PNG or WebP picture"
BOMB = f"more than {MAX_PIXELS // 1_000_000} megapixels"
TINY = f"a side is under {MIN_SIDE} pixels"
LONG = f"one side is over {MAX_RATIO} times the other"
SCANS = f"more than {MAX_SCANS} scans"
ANIMATED, CMYK, MODE = "animated", "CMYK colours", "colour mode is not supported"

_WHITE = (255, 255, 255)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
# Pillow warns of large pictures at another limit than ours, and of broken notes in good pictures.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class _Format:
    name: str
    extensions: frozenset[str]


_JPEG = _Format("JPEG", frozenset({"jpg", "jpeg", "jpe", "jfif"}))
_PNG = _Format("PNG", frozenset({"png"}))
_WEBP = _Format("WEBP", frozenset({"webp"}))


def picture(content: bytes, size: int, name: str | None = None) -> np.ndarray:
    """uint8 [size, size, 3]: RGB, upright, fitted into the square with a white margin, transparent parts white.

    `name`: what the file was delivered as; its extension, if any, must fit. Raises MediaError.
    """
    check_bytes(content, MAX_BYTES)
    form = _format(content)
    check_extension(name, form.extensions)
    if form is _WEBP:  # its decoder takes memory for the whole canvas when it is opened
        _check_size(*_webp_size(content))
    if form is _JPEG and content.count(b"\xff\xda") > MAX_SCANS:  # each is decoded over all pixels
        raise MediaError(SCANS)
    try:
        return _decoded(content, form, size)
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError(BOMB) from error
    except Exception as error:
        # Decoders raise whatever they like on hostile bytes (struct.error, SyntaxError, MemoryError …), and one file
        # must not stop the rest. Nothing is hidden: the file is quarantined with its reason, counted and shown.
        raise MediaError(TRUNCATED if "truncated" in str(error).lower() else CORRUPT) from error


def _format(content: bytes) -> _Format:
    if content.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _PNG
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _WEBP
    raise MediaError(NO_PICTURE)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height by the header (RFC 9649)."""
    kind, head = content[12:16], content[20:30]
    if len(head) < 10:
        raise MediaError(TRUNCATED)
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise MediaError(CORRUPT)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise MediaError(BOMB)
    if min(width, height) < MIN_SIDE:
        raise MediaError(TINY)
    if max(width, height) > MAX_RATIO * min(width, height):
        raise MediaError(LONG)


def _decoded(content: bytes, form: _Format, size: int) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=[form.name]) as image:
        _check_size(*image.size)
        # A JPEG may hold more pictures behind the first one, as phones' cameras do: that is no animation.
        if form is not _JPEG and getattr(image, "is_animated", False):
            raise MediaError(ANIMATED)
        if image.mode == "CMYK":
            raise MediaError(CMYK)
        turn = _TURNS.get(_orientation(image))
        fitted = _fitted(image.size, size)
        image.draft(None, fitted)  # a JPEG is decoded at an eighth to the whole of its size, whatever is enough
        small = _plain(image).resize(fitted, Image.Resampling.BILINEAR, reducing_gap=2.0)
        if turn is not None:
            small = small.transpose(turn)
        return _on_white(small, size)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF parsers have no error of their own; a good picture with a broken note stays as it lies
        return 1


def _fitted(given: tuple[int, int], size: int) -> tuple[int, int]:
    longest = max(given)
    width, height = (max(1, round(side * size / longest)) for side in given)
    return width, height


def _plain(image: Image.Image) -> Image.Image:
    """RGB, RGBA or L, by loading all of it. 16 bits of grey keep their upper eight."""
    if image.mode in ("RGB", "L", "RGBA"):
        image.load()
        return image
    if image.mode in ("I;16", "I;16B", "I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("P", "PA", "LA", "1", "RGBX", "La", "RGBa"):
        transparent = image.mode in ("PA", "LA", "La", "RGBa") or "transparency" in image.info
        return image.convert("RGBA" if transparent else "RGB")
    raise MediaError(MODE)


def _on_white(small: Image.Image, size: int) -> np.ndarray:
    square = Image.new("RGB", (size, size), _WHITE)
    corner = ((size - small.width) // 2, (size - small.height) // 2)
    mask = small.getchannel("A") if small.mode == "RGBA" else None
    square.paste(small.convert("RGB"), corner, mask)
    return np.asarray(square)
