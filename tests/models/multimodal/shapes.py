"""Made-up products: a shape in a colour, its name, and a tone that is as high as the shape has corners."""

from dataclasses import replace

import numpy as np

from models.multimodal.configs import BASE, Config, Pictures, Sounds, Training, Words
from models.multimodal.learning import Products
from models.multimodal.media import Media

SIZE = 24
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 40),
    "blue": (40, 60, 220),
    "yellow": (230, 210, 40),
    "black": (20, 20, 20),
}
SHAPES = ("square", "circle", "cross", "frame", "bar")
TONES = {shape: 300 * 2**n for n, shape in enumerate(SHAPES)}
SMALL = replace(
    BASE,
    dimension=32,
    heads=2,
    pictures=Pictures(size=SIZE, widths=(16, 32, 64)),
    words=Words(bits=11, width=16, hidden=32, sentences="none", drop=0.0),
    sounds=Sounds(mels=16, seconds=0.25, widths=(8, 16)),
    training=Training(epochs=25, rows=32, titles=16, pairs=16, learning_rate=5e-3, warmup=5, average=0.9, held_out=0.0),
)


def epochs(n: int, config: Config = SMALL) -> Config:
    return replace(config, training=replace(config.training, epochs=n))


def drawn(colour: str, shape: str, draw: np.random.Generator) -> np.ndarray:
    """uint8 [SIZE, SIZE, 3]: somewhere on white, not always of one size, the colour not always the same."""
    side = int(draw.integers(10, 16))
    y, x = draw.integers(1, SIZE - side - 1, 2)
    across = np.abs(np.linspace(-1, 1, side))
    a, b = np.meshgrid(across, across, indexing="ij")
    inside = {
        "square": np.ones_like(a, dtype=bool), "circle": a**2 + b**2 <= 1, "cross": (a < 0.3) | (b < 0.3),
        "frame": (a > 0.6) | (b > 0.6), "bar": a < 0.35,
    }[shape]  # fmt: skip
    found = np.full((SIZE, SIZE, 3), 255, np.int64)
    found[y : y + side, x : x + side][inside] = np.array(COLOURS[colour]) + draw.integers(-20, 21, 3)
    return np.clip(found, 0, 255).astype(np.uint8)


def tone(shape: str, draw: np.random.Generator) -> np.ndarray:
    """float32 [4000] at 16 kHz."""
    at = np.arange(4000) / 16_000
    return (np.sin(2 * np.pi * TONES[shape] * at + draw.random()) + 0.1 * draw.standard_normal(4000)).astype(np.float32)


def made(names: list[tuple[str, str]], seed: int, sounds: bool = False) -> Products:
    """Products of these (colour, shape); the attributes not in the order of their names, as in a shop."""
    draw = np.random.default_rng(seed)
    rows = np.arange(len(names))
    media = Media(
        [f"{colour} {shape}" for colour, shape in names], np.stack([drawn(*name, draw) for name in names]), rows,
        [tone(shape, draw) for _, shape in names] if sounds else [], rows if sounds else rows[:0],
    )  # fmt: skip
    return Products(media, {"shape": [shape for _, shape in names], "colour": [colour for colour, _ in names]})


def pairs_of(kept: bool) -> list[tuple[str, str]]:
    """Combinations that are trained on, or those that are not: one shape of each colour."""
    return [(colour, shape) for n, colour in enumerate(COLOURS) for m, shape in enumerate(SHAPES) if (n == m) != kept]
