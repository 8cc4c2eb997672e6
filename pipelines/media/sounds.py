"""A sound file to a wave of one channel at 16 kHz. What bytes claim is checked before anything is decoded."""

import io
import math

import numpy as np

from pipelines.media.faulty import CORRUPT, MEGABYTE, TRUNCATED, MediaError, check_bytes, check_extension

RATE = 16_000
MAX_BYTES = 50 * MEGABYTE
LEAST_RATE, MOST_RATE = 4_000, 192_000
MOST_CHANNELS = 8
BLOCK = 1 << 16
SHORTEST_SECONDS = 0.05
QUIET = 1e-4
"""A wave whose peak is below this (-80 dB of full scale) says nothing: all such sounds would seem alike."""
NO_SOUND = "not a WAV or FLAC sound"
ODD_RATE = f"sample rate is not between {LEAST_RATE:,} and {MOST_RATE:,} Hz"
CHANNELS = f"more than {MOST_CHANNELS} channels"
SHORT = f"shorter than {SHORTEST_SECONDS} s"
SILENCE, NOT_FINITE = "silence", "samples are not finite"

_UNKNOWN_LENGTH = (0, 0xFFFFFFFF)
"""What recorders that cannot go back leave in a WAV header: as much as comes."""


def sound(content: bytes, seconds: float, name: str | None = None) -> np.ndarray:
    """float32 [n] between -1 and 1 at 16 kHz: the mean of the channels, cut after `seconds`.

    `name`: what the file was delivered as; its extension, if any, must fit. Raises MediaError.
    """
    check_bytes(content, MAX_BYTES)
    if content.startswith(b"RIFF") and content[8:12] == b"WAVE":
        check_extension(name, frozenset({"wav", "wave"}))
        _check_wav(content)
    elif content.startswith(b"fLaC"):
        check_extension(name, frozenset({"flac"}))
    else:
        raise MediaError(NO_SOUND)
    try:
        wave, rate = _decoded(content, seconds)
    except MediaError:
        raise
    except Exception as error:
        # Decoders raise whatever they like on hostile bytes (struct.error, SyntaxError, MemoryError …), and one file
        # must not stop the rest. Nothing is hidden: the file is quarantined with its reason, counted and shown.
        raise MediaError(CORRUPT) from error
    if not np.isfinite(wave).all():
        raise MediaError(NOT_FINITE)
    if len(wave) < SHORTEST_SECONDS * rate:
        raise MediaError(SHORT)
    if np.abs(wave).max() < QUIET:
        raise MediaError(SILENCE)
    return _resampled(wave, rate).clip(-1, 1)


def _check_wav(content: bytes) -> None:
    """The decoder takes what is there for the whole: a file that promises more was cut on its way."""
    place = 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] == b"data":
            if length not in _UNKNOWN_LENGTH and place + 8 + length > len(content):
                raise MediaError(TRUNCATED)
            return
        place += 8 + length + length % 2
    raise MediaError(CORRUPT)


def _decoded(content: bytes, seconds: float) -> tuple[np.ndarray, int]:
    import soundfile

    with soundfile.SoundFile(io.BytesIO(content)) as file:
        if not LEAST_RATE <= file.samplerate <= MOST_RATE:
            raise MediaError(ODD_RATE)
        if file.channels > MOST_CHANNELS:
            raise MediaError(CHANNELS)
        wanted = min(file.frames, math.ceil(seconds * file.samplerate))
        # In blocks: of eight channels only the mean is ever in memory.
        blocks = file.blocks(BLOCK, frames=wanted, dtype="float32", always_2d=True)
        wave = np.concatenate([np.zeros(0, np.float32), *(block.mean(axis=1) for block in blocks)])
        if len(wave) < wanted:
            raise MediaError(TRUNCATED)
        return wave, file.samplerate


def _resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """By a polyphase filter that lets nothing above the new half rate pass."""
    if rate == RATE:
        return wave
    from scipy.signal import resample_poly

    shared = math.gcd(RATE, rate)
    made: np.ndarray = resample_poly(wave, RATE // shared, rate // shared).astype(np.float32)
    return made
