"""A short sound for some products: what one hears when it is set down or used.

The category says how high it is and whether it is struck, rubbed or hums, the material how it rings and how fast it
dies away. Pitch, length, loudness, sample rate and noise vary from item to item.
"""

import io
import wave

import numpy as np

from pipelines.sources._shop.lexicon import CATEGORIES, DEPARTMENT_OF
from pipelines.sources._shop.world import World

RATES = (16_000, 22_050, 44_100)
_BASE = (180, 140, 110, 420, 330, 620, 240, 510, 290, 90, 75, 125)
"""Hertz, by category."""
# How a material rings: how fast it dies away (per second), how far its overtones lie from whole multiples, how much
# noise is in it, how strong its overtones are.
_MATERIALS: dict[str, tuple[float, float, float, float]] = {
    "linen": (14, 0.0, 0.8, 0.2), "cotton": (16, 0.0, 0.7, 0.1), "silk": (10, 0.0, 0.9, 0.1),
    "wool": (20, 0.0, 0.5, 0.1), "denim": (13, 0.0, 0.7, 0.3), "nylon": (8, 0.1, 0.9, 0.3),
    "mesh": (11, 0.1, 0.6, 0.3), "knit": (18, 0.0, 0.6, 0.2), "leather": (12, 0.2, 0.4, 0.4),
    "steel": (2, 0.5, 0.05, 0.9), "glass": (3, 0.8, 0.02, 0.7), "enamel": (6, 0.6, 0.05, 0.6),
    "iron": (4, 0.3, 0.1, 0.8), "ceramic": (7, 0.7, 0.05, 0.5), "stoneware": (11, 0.4, 0.1, 0.5),
    "porcelain": (5, 0.9, 0.03, 0.6), "foam": (22, 0.0, 0.4, 0.1), "plastic": (13, 0.2, 0.2, 0.4),
    "metal": (3, 0.4, 0.08, 0.9), "braided": (15, 0.1, 0.7, 0.3), "wood": (9, 0.1, 0.15, 0.6),
    "fleece": (21, 0.0, 0.6, 0.1), "down": (24, 0.0, 0.5, 0.1), "latex": (10, 0.1, 0.3, 0.3),
    "memory foam": (26, 0.0, 0.3, 0.1), "canvas": (12, 0.0, 0.8, 0.3),
}  # fmt: skip
_STRUCK, _HUMMING = 1, 2
"""Departments: kitchen ware is struck once, electronics hum; all else is rubbed twice."""


def sound(world: World, number: int) -> bytes:
    """A WAV file of one channel or two, 16 bits."""
    draw = world.settings.stream("sound", number)
    items = world.items
    category = int(items.category[number])
    material = CATEGORIES[category].materials[items.material[number]][0]
    rate = RATES[draw.integers(len(RATES))]
    heard = _heard(draw, category, material, rate, draw.uniform(0.7, 1.6))
    heard *= draw.uniform(0.3, 0.9) / np.abs(heard).max()
    samples = (heard * 32_767).astype("<i2")
    channels = 1 + int(draw.random() < 0.3)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.repeat(samples[:, None], channels, 1).tobytes())
    return file.getvalue()


def _heard(draw: np.random.Generator, category: int, material: str, rate: int, seconds: float) -> np.ndarray:
    """float64 [n]: tones over the base and noise, under one envelope for each time the thing is touched."""
    decay, bent, noisy, bright = _MATERIALS[material]
    time = np.arange(int(seconds * rate)) / rate
    base = _BASE[category] * draw.uniform(0.9, 1.1)
    tones = np.zeros_like(time)
    for overtone in range(1, 7):
        frequency = base * overtone * (1 + bent * 0.12 * (overtone - 1))
        if frequency < rate / 2:
            phase = draw.uniform(0, 2 * np.pi)
            tones += bright ** (overtone - 1) * np.sin(2 * np.pi * frequency * time + phase)
    mixed = (1 - noisy) * tones + noisy * draw.normal(0, 1, len(time))
    kind = DEPARTMENT_OF[category]
    if kind == _HUMMING:
        envelope = (1 + 0.3 * np.sin(2 * np.pi * draw.uniform(3, 7) * time)) * np.minimum(1, 20 * time)
        envelope *= 0.3 + 0.7 * np.exp(-decay * time / 4)
    else:
        starts = (0.0,) if kind == _STRUCK else (0.0, seconds / 2)
        since = [np.where(time >= start, time - start, np.inf) for start in starts]
        envelope = np.sum([np.exp(-decay * s) * np.minimum(1, 400 * np.where(np.isinf(s), 0, s)) for s in since], 0)
    return mixed * envelope + draw.normal(0, 0.004, len(time))
