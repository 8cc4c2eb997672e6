"""Pictures and sounds: good ones, and such as come by mistake or on purpose, with why they are refused.

All are made here, byte by byte where no library would write them.
"""

import io
import struct
import zlib

import numpy as np
import soundfile
from PIL import Image

from pipelines.media import faulty, pictures, sounds

Files = dict[str, tuple[bytes, str | None]]
"""By name: the bytes, and the reason why they are refused or None."""

RNG = np.random.default_rng(20_180_101)
PIXELS = RNG.integers(0, 255, (60, 90, 3), dtype=np.uint8)
RED = Image.new("RGB", (64, 48), (200, 30, 30))
SCENE = Image.fromarray(PIXELS)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that claims to be so large, whatever is in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """20 KB of which 400 megapixels begin."""
    return png(20_000, 20_000, bytes(20_000 * 1_000))


def many_scans(jpeg: bytes) -> bytes:
    """The JPEG with its last scan repeated: each would be decoded over all pixels."""
    start = jpeg.rindex(b"\xff\xda")
    return jpeg[:start] + jpeg[start:-2] * 200 + jpeg[-2:]


def wave(seconds: float = 0.5, rate: int = 16_000, channels: int = 1, loud: float = 0.5) -> np.ndarray:
    """float64 [n, channels]: 440 Hz, in every channel alike."""
    time = np.arange(int(seconds * rate)) / rate
    return np.repeat(loud * np.sin(2 * np.pi * 440 * time)[:, None], channels, 1)


def recorded(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


def _rate(content: bytes, rate: int) -> bytes:
    return content[:24] + struct.pack("<I", rate) + content[28:]


JPEG, PNG, WEBP = (encoded(SCENE, form) for form in ("JPEG", "PNG", "WEBP"))
_TURNED = [SCENE.rotate(180)]
PICTURES: Files = {
    "good.jpg": (JPEG, None),
    "good.JPEG": (JPEG, None),
    "good.png": (PNG, None),
    "good.webp": (WEBP, None),
    "without_extension": (PNG, None),
    "progressive.jpg": (encoded(SCENE, "JPEG", progressive=True), None),
    "grey.jpg": (encoded(SCENE.convert("L"), "JPEG"), None),
    "palette.png": (encoded(SCENE.convert("P"), "PNG"), None),
    "alpha.png": (encoded(SCENE.convert("RGBA"), "PNG"), None),
    "grey_alpha.png": (encoded(SCENE.convert("LA"), "PNG"), None),
    "bits.png": (encoded(SCENE.convert("1"), "PNG"), None),
    "deep.png": (encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG"), None),
    "two_in_one.jpg": (encoded(SCENE, "MPO", save_all=True, append_images=_TURNED), None),  # of a phone
    "png_named.jpg": (PNG, faulty.WRONG_EXTENSION),
    "jpeg_named.txt": (JPEG, faulty.WRONG_EXTENSION),
    "empty.jpg": (b"", faulty.EMPTY),
    "text.jpg": (b"<html>not found</html>", pictures.NO_PICTURE),
    "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", pictures.NO_PICTURE),
    "moving.gif": (encoded(SCENE, "GIF", save_all=True, append_images=_TURNED), pictures.NO_PICTURE),
    "moving.png": (encoded(SCENE, "PNG", save_all=True, append_images=_TURNED), pictures.ANIMATED),
    "moving.webp": (encoded(SCENE, "WEBP", save_all=True, append_images=_TURNED), pictures.ANIMATED),
    "print.jpg": (encoded(SCENE.convert("CMYK"), "JPEG"), pictures.CMYK),
    "cut.jpg": (JPEG[: len(JPEG) // 2], faulty.TRUNCATED),
    "cut.png": (PNG[: len(PNG) // 2], faulty.TRUNCATED),
    "cut.webp": (WEBP[: len(WEBP) // 2], faulty.CORRUPT),
    "head_only.webp": (WEBP[:25], faulty.TRUNCATED),
    "few_pixels.png": (png(500, 500, b"\0" * 1000), faulty.TRUNCATED),
    "broken.png": (PNG[:40] + bytes(200) + PNG[240:], faulty.CORRUPT),
    "pixel.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), pictures.TINY),
    "thread.png": (encoded(Image.new("RGB", (1, 30_000)), "PNG"), pictures.TINY),
    "ribbon.png": (encoded(Image.new("RGB", (10, 3_000)), "PNG"), pictures.LONG),
    "bomb.png": (bomb(), pictures.BOMB),
    "claims.png": (png(2_000_000_000, 2_000_000_000), pictures.BOMB),
    "canvas.webp": (WEBP[:12] + b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0" * 2 + bytes(20),
                    pictures.BOMB),
    "scans.jpg": (many_scans(encoded(SCENE, "JPEG", progressive=True)), pictures.SCANS),
    "noise.jpg": (b"\xff\xd8\xff" + RNG.bytes(3_000), faulty.CORRUPT),
}  # fmt: skip

_WAV = recorded(wave())
_FLAC = recorded(wave(), form="FLAC")
SOUNDS: Files = {
    "good.wav": (_WAV, None),
    "good.flac": (_FLAC, None),
    "bytes.wav": (recorded(wave(), subtype="PCM_U8"), None),
    "deep.wav": (recorded(wave(), subtype="PCM_24"), None),
    "floats.wav": (recorded(wave(), subtype="FLOAT"), None),
    "stereo.wav": (recorded(wave(channels=2)), None),
    "disc.wav": (recorded(wave(rate=44_100), 44_100), None),
    "long.wav": (recorded(wave(seconds=70, rate=8_000), 8_000), None),
    "endless.wav": (_WAV[:40] + b"\xff\xff\xff\xff" + _WAV[44:], None),  # of a recorder that cannot go back
    "empty.wav": (b"", faulty.EMPTY),
    "flac_named.wav": (_FLAC, faulty.WRONG_EXTENSION),
    "song.mp3": (b"ID3\x04\0\0\0\0\0\0" + RNG.bytes(500), sounds.NO_SOUND),
    "silence.wav": (recorded(np.zeros(8_000)), sounds.SILENCE),
    "click.wav": (recorded(wave(seconds=0.01)), sounds.SHORT),
    "fast.wav": (_rate(_WAV, 500_000), sounds.ODD_RATE),
    "absurd.wav": (_rate(_WAV, 4_000_000_000), faulty.CORRUPT),
    "slow.wav": (_rate(_WAV, 1), sounds.ODD_RATE),
    "crowd.wav": (recorded(wave(channels=9)), sounds.CHANNELS),
    "cut.wav": (_WAV[: len(_WAV) // 2], faulty.TRUNCATED),
    "no_data.wav": (_WAV[:36], faulty.CORRUPT),
    "header.wav": (_WAV[:12] + b"fmt " + b"\xff\xff\xff\xff" + _WAV[20:], faulty.CORRUPT),
    "odd_form.wav": (_WAV[:20] + b"\x99\x99" + _WAV[22:], faulty.CORRUPT),
    "cut.flac": (_FLAC[: len(_FLAC) // 2], faulty.CORRUPT),
    "infinite.wav": (recorded(np.full(8_000, np.inf), subtype="FLOAT"), sounds.NOT_FINITE),
}
