"""A picture for each product, drawn from what the shop says of it.

The category is the outline, colour, pattern and material are what it is filled with, the brand is a small sign on it,
the size how much of the picture it takes. Outline, width of the pattern, light, place, angle, background and noise vary
from item to item, so that nothing can be read off a single pixel.
"""

import io

import numpy as np
from PIL import Image, ImageDraw

from pipelines.sources._shop.lexicon import BRANDS_PER_DEPARTMENT, CATEGORIES, COLOURS, PATTERNS
from pipelines.sources._shop.shapes import SHAPES, Pen, mark
from pipelines.sources._shop.world import World

SIDE = 128
_FINE = 2  # outlines are drawn so many times as large, and made smaller: their edges are smooth then
_RGB = {
    "red": (196, 38, 42), "blue": (36, 82, 184), "green": (44, 140, 66), "black": (34, 34, 38),
    "white": (238, 238, 234), "grey": (134, 136, 140), "yellow": (236, 196, 40), "pink": (236, 140, 176),
}  # fmt: skip
# How a material looks: the kind of its surface, the width of its pattern in pixels, how much it darkens, how it shines.
_MATERIALS: dict[str, tuple[str, float, float, float]] = {
    "linen": ("weave", 3, 0.22, 0.0), "cotton": ("weave", 2, 0.10, 0.0), "silk": ("folds", 18, 0.16, 0.5),
    "wool": ("noise", 2, 0.34, 0.0), "denim": ("twill", 4, 0.24, 0.0), "nylon": ("folds", 9, 0.10, 0.3),
    "mesh": ("dots", 5, 0.38, 0.0), "knit": ("ribs", 5, 0.30, 0.0), "leather": ("noise", 5, 0.18, 0.35),
    "steel": ("brushed", 2, 0.12, 0.8), "glass": ("folds", 40, 0.05, 1.0), "enamel": ("noise", 9, 0.05, 0.6),
    "iron": ("noise", 2, 0.22, 0.15), "ceramic": ("noise", 12, 0.06, 0.45), "stoneware": ("speckles", 3, 0.45, 0.1),
    "porcelain": ("noise", 20, 0.02, 0.7), "foam": ("dots", 4, 0.26, 0.0), "plastic": ("noise", 25, 0.03, 0.4),
    "metal": ("brushed", 3, 0.16, 0.9), "braided": ("twill", 6, 0.36, 0.0), "wood": ("grain", 7, 0.34, 0.1),
    "fleece": ("noise", 4, 0.26, 0.0), "down": ("folds", 14, 0.20, 0.0), "latex": ("dots", 8, 0.20, 0.1),
    "memory foam": ("noise", 14, 0.08, 0.0), "canvas": ("weave", 4, 0.28, 0.0),
}  # fmt: skip
_ROW, _COLUMN = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


def picture(world: World, number: int, position: int, version: int) -> Image.Image:
    """RGB, SIDE by SIDE. Another position or version shows the same item from another side."""
    draw = world.settings.stream("picture", number, position, version)
    own = world.settings.stream("appearance", number)  # what all pictures of an item share
    items = world.items
    category = int(items.category[number])
    body, detail, sign = _outlines(own, draw, category, int(items.brand[number]), float(items.size[number]))
    colour = np.array(_RGB[COLOURS[items.colour[number]][0]], np.float32) + own.normal(0, 9, 3)
    surface = _pattern(own, draw, colour, int(items.pattern[number]))
    surface *= _texture(draw, CATEGORIES[category].materials[items.material[number]][0])[..., None]
    surface += 255 * _shine(draw, CATEGORIES[category].materials[items.material[number]][0])[..., None]
    tone = 0.62 if colour.mean() > 90 else 1.9  # what is dark has lighter details
    surface *= 1 + (tone - 1) * 0.8 * detail[..., None]
    contrast = np.float32(30 if colour.mean() > 130 else 235)
    surface += (contrast - surface) * sign[..., None]
    shown = _background(draw, body)
    shown += (surface - shown) * body[..., None]
    shown += draw.normal(0, 3.5, shown.shape)
    return Image.fromarray(shown.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **({"quality": 88} if form != "PNG" else {"compress_level": 1}))
    return file.getvalue()


def _outlines(
    own: np.random.Generator, draw: np.random.Generator, category: int, brand: int, size: float
) -> list[np.ndarray]:
    """Body, details and brand sign, float32 [SIDE, SIDE] from 0 to 1: turned, moved and scaled together."""
    side = SIDE * _FINE
    layers = [Image.new("L", (side, side)) for _ in range(3)]
    pens = [Pen(ImageDraw.Draw(layer), side) for layer in layers]
    a, b = own.random(2)
    SHAPES[category](pens[0], pens[1], a, b)
    mark(pens[2], brand % BRANDS_PER_DEPARTMENT, 0.44 + 0.1 * own.random(), 0.56 + 0.1 * own.random(), 0.11)
    scale = (0.72 + 0.07 * size) * draw.uniform(0.94, 1.06)
    angle = np.radians(draw.normal(0, 7))
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    if draw.random() < 0.5:  # seen from the other side
        layers = [layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for layer in layers]
    centre = side / 2
    x, y = centre + side * draw.uniform(-0.06, 0.06, 2)
    inverse = (cosine, sine, centre - cosine * x - sine * y, -sine, cosine, centre + sine * x - cosine * y)
    placed = (layer.transform((side, side), Image.Transform.AFFINE, inverse) for layer in layers)
    return [np.asarray(layer.reduce(_FINE), np.float32) / 255 for layer in placed]


def _pattern(own: np.random.Generator, draw: np.random.Generator, colour: np.ndarray, pattern: int) -> np.ndarray:
    """float32 [SIDE, SIDE, 3]: the colour in the light of the day, with the stripes, checks or dots of the item."""
    light = 1 + draw.uniform(-0.12, 0.12) + (_COLUMN - SIDE / 2) / SIDE * draw.uniform(-0.3, 0.3)
    surface = colour * light[..., None]
    wide, kind = own.uniform(10, 22), PATTERNS[pattern][0]
    other = np.float32(235 if colour.mean() < 140 else 60)
    if kind == "striped":
        surface[(_ROW // wide % 3 == 0)] = other
    elif kind == "checked":
        surface[(_ROW // wide % 2 == 0) & (_COLUMN // wide % 2 == 0)] *= 0.6
    elif kind == "dotted":
        near = ((_ROW % wide) - wide / 2) ** 2 + ((_COLUMN % wide) - wide / 2) ** 2 < (wide / 5) ** 2
        surface[near] = other
    return surface.astype(np.float32)


def _texture(draw: np.random.Generator, material: str) -> np.ndarray:
    """float32 [SIDE, SIDE] around 1."""
    kind, wide, depth, _ = _MATERIALS[material]
    turn = 2 * np.pi / wide
    start = draw.uniform(0, wide)
    if kind == "weave":
        field = np.sin(turn * (_ROW + start)) * np.sin(turn * _COLUMN)
    elif kind == "twill":
        field = np.sin(turn * (_ROW + _COLUMN + start))
    elif kind == "ribs":
        field = np.sin(turn * (_COLUMN + start) + np.sin(turn * _ROW / 2))
    elif kind == "dots":
        field = np.cos(turn * (_ROW + start)) + np.cos(turn * _COLUMN) - 0.5
    elif kind == "brushed":
        field = _smooth(draw, wide, 40)
    elif kind == "grain":
        field = np.sin(turn * (_ROW + 3 * _smooth(draw, 30, 12) + start))
    elif kind == "folds":
        field = np.sin(turn * (_COLUMN + 0.5 * _ROW + 6 * _smooth(draw, 24, 24) + start))
    elif kind == "speckles":
        field = -(_smooth(draw, wide, wide) > 1.2).astype(np.float32)
    else:
        field = _smooth(draw, wide, wide)
    textured: np.ndarray = 1 + depth * np.clip(field, -1.5, 1.5).astype(np.float32)
    return textured


def _smooth(draw: np.random.Generator, high: float, wide: float) -> np.ndarray:
    """Noise without steps, of variance 1 at its grid points, `high` and `wide` pixels apart."""
    grid = draw.normal(0, 1, (int(SIDE / high) + 2, int(SIDE / wide) + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _shine(draw: np.random.Generator, material: str) -> np.ndarray:
    """What a smooth surface throws back: a band of light, float32 [SIDE, SIDE]."""
    strength = _MATERIALS[material][3]
    if not strength:
        return np.zeros((SIDE, SIDE), np.float32)
    place, wide = draw.uniform(0.25, 0.5) * SIDE, draw.uniform(5, 9)
    return (0.45 * strength * np.exp(-(((_COLUMN + 0.25 * _ROW - place) / wide) ** 2))).astype(np.float32)


def _background(draw: np.random.Generator, body: np.ndarray) -> np.ndarray:
    """Nearly white with a slope and a shadow; every sixth picture was taken somewhere else."""
    if draw.random() < 1 / 6:
        low, high = draw.uniform(90, 220, (2, 3)).astype(np.float32)
        shown = low + (high - low) * (_ROW / SIDE)[..., None]
    else:
        shown = draw.uniform(236, 255) - draw.uniform(0, 14) * (_ROW / SIDE)[..., None] * np.ones(3, np.float32)
    shadow = np.roll(body, (4, 3), (0, 1))
    shaded: np.ndarray = (shown * (1 - 0.18 * shadow[..., None])).astype(np.float32)
    return shaded
