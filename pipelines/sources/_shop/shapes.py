"""Outlines of the twelve categories, in a square whose sides are 1; y points down.

`body` is what takes the item's colour and material, `detail` what is drawn over it in a darker or lighter tone. `a` and
`b`, from 0 to 1, are how items of one category differ: how wide a skirt is, how long a handle.
"""

from collections.abc import Callable, Sequence

from PIL import ImageDraw

Point = tuple[float, float]


class Pen:
    """Draws in units of the square."""

    def __init__(self, draw: ImageDraw.ImageDraw, side: int) -> None:
        self._draw, self._side = draw, side

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._side, y * self._side) for x, y in points]

    def polygon(self, *points: Point) -> None:
        self._draw.polygon(self._at(points), fill=255)

    def line(self, *points: Point, width: float) -> None:
        self._draw.line(self._at(points), fill=255, width=max(1, round(width * self._side)), joint="curve")

    def ellipse(self, x: float, y: float, wide: float, high: float, fill: int = 255) -> None:
        """By its centre and half axes; 0 takes away what was drawn."""
        self._draw.ellipse(self._at([(x - wide, y - high), (x + wide, y + high)]), fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> None:
        corners = self._at([(left, top), (right, bottom)])
        self._draw.rounded_rectangle(corners, radius * self._side, fill=255)

    def arc(self, x: float, y: float, wide: float, high: float, start: float, end: float, width: float) -> None:
        """Part of an ellipse in degrees, clockwise from the right."""
        box = self._at([(x - wide, y - high), (x + wide, y + high)])
        self._draw.arc([*box[0], *box[1]], start, end, fill=255, width=max(1, round(width * self._side)))


def _dress(body: Pen, detail: Pen, a: float, b: float) -> None:
    hem, waist = 0.26 + 0.18 * a, 0.12 + 0.05 * b
    body.polygon(
        (0.38, 0.06), (0.45, 0.16), (0.55, 0.16), (0.62, 0.06), (0.66, 0.22), (0.5 + waist, 0.42),
        (0.5 + hem, 0.95), (0.5 - hem, 0.95), (0.5 - waist, 0.42), (0.34, 0.22),
    )  # fmt: skip
    detail.line((0.5 - waist, 0.42), (0.5 + waist, 0.42), width=0.03)


def _jacket(body: Pen, detail: Pen, a: float, b: float) -> None:
    cuff = 0.55 + 0.25 * a
    body.polygon((0.36, 0.1), (0.64, 0.1), (0.74, 0.2), (0.72, 0.9), (0.28, 0.9), (0.26, 0.2))
    body.polygon((0.7, 0.16), (0.92, cuff - 0.06), (0.82, cuff), (0.68, 0.42))
    body.polygon((0.3, 0.16), (0.08, cuff - 0.06), (0.18, cuff), (0.32, 0.42))
    detail.line((0.5, 0.12), (0.5, 0.9), width=0.025)
    detail.polygon((0.42, 0.1), (0.58, 0.1), (0.5, 0.26 + 0.1 * b))


def _shoes(body: Pen, detail: Pen, a: float, b: float) -> None:
    collar = 0.34 - 0.12 * a
    body.polygon(
        (0.08, collar), (0.3, collar), (0.42, 0.44), (0.7, 0.54), (0.94, 0.64), (0.95, 0.76), (0.05, 0.76),
    )  # fmt: skip
    detail.box(0.04, 0.74, 0.96, 0.8 + 0.05 * b, 0.03)
    for place in (0.4, 0.48, 0.56):
        detail.line((place, 0.44 + 0.25 * (place - 0.4)), (place - 0.08, 0.6), width=0.018)


def _kettle(body: Pen, detail: Pen, a: float, b: float) -> None:
    body.polygon((0.32, 0.3), (0.66, 0.3), (0.74 + 0.05 * a, 0.88), (0.24 - 0.05 * a, 0.88))
    body.polygon((0.3, 0.42), (0.08, 0.28), (0.12, 0.24), (0.34, 0.34))
    body.arc(0.7, 0.5, 0.2, 0.24 + 0.06 * b, -80, 80, 0.05)
    detail.ellipse(0.49, 0.26, 0.05, 0.04)
    detail.box(0.22, 0.86, 0.76, 0.92, 0.02)


def _pan(body: Pen, detail: Pen, a: float, b: float) -> None:
    radius = 0.26 + 0.06 * a
    body.ellipse(0.36, 0.5, radius, radius)
    body.box(0.36 + radius - 0.03, 0.46, 0.82 + 0.14 * b, 0.54, 0.04)
    detail.arc(0.36, 0.5, radius - 0.05, radius - 0.05, 0, 360, 0.02)


def _mug(body: Pen, detail: Pen, a: float, b: float) -> None:
    top = 0.3 - 0.14 * a
    body.box(0.22, top, 0.66, 0.86, 0.06)
    body.arc(0.68, 0.56, 0.17, 0.12 + 0.08 * b, -95, 95, 0.06)
    detail.ellipse(0.44, top + 0.04, 0.22, 0.045)


def _headphones(body: Pen, detail: Pen, a: float, b: float) -> None:
    cup = 0.1 + 0.05 * a
    body.arc(0.5, 0.52, 0.34, 0.4, 180, 360, 0.05 + 0.03 * b)
    body.ellipse(0.19, 0.62, cup, cup * 1.5)
    body.ellipse(0.81, 0.62, cup, cup * 1.5)
    detail.ellipse(0.22, 0.62, cup * 0.5, cup)
    detail.ellipse(0.78, 0.62, cup * 0.5, cup)


def _charger(body: Pen, detail: Pen, a: float, b: float) -> None:
    right = 0.46 + 0.16 * a
    body.box(0.16, 0.34, right, 0.66, 0.05)
    body.line((right, 0.5), (0.75, 0.5), (0.86, 0.62 + 0.2 * b), (0.7, 0.9), width=0.035)
    detail.box(0.06, 0.4, 0.16, 0.44)
    detail.box(0.06, 0.56, 0.16, 0.6)


def _lamp(body: Pen, detail: Pen, a: float, b: float) -> None:
    knee = (0.28 + 0.12 * a, 0.46)
    body.box(0.3, 0.86, 0.72, 0.94, 0.04)
    body.line((0.51, 0.88), knee, (0.56, 0.18), width=0.035)
    body.polygon((0.5, 0.1), (0.62, 0.14), (0.82 + 0.1 * b, 0.4), (0.46, 0.36))
    detail.polygon((0.46, 0.36), (0.82 + 0.1 * b, 0.4), (0.8 + 0.1 * b, 0.44), (0.48, 0.4))


def _blanket(body: Pen, detail: Pen, a: float, b: float) -> None:
    top = 0.26 + 0.12 * a
    body.box(0.1, top, 0.9, 0.82, 0.08)
    for place in (0.3, 0.55, 0.8):
        high = top + place * (0.82 - top)
        detail.line((0.1, high), (0.9, high + 0.03 * b), width=0.02)
    for n in range(12):
        detail.line((0.13 + n * 0.067, 0.82), (0.13 + n * 0.067, 0.9), width=0.012)


def _pillow(body: Pen, detail: Pen, a: float, b: float) -> None:
    dent = 0.06 + 0.05 * a
    body.polygon(
        (0.06, 0.22), (0.5, 0.22 + dent), (0.94, 0.22), (0.94 - dent, 0.5), (0.94, 0.78), (0.5, 0.78 - dent),
        (0.06, 0.78), (0.06 + dent, 0.5),
    )  # fmt: skip
    detail.line((0.5, 0.3 + dent), (0.5 - 0.05 * b, 0.44), width=0.015)


def _backpack(body: Pen, detail: Pen, a: float, b: float) -> None:
    body.box(0.24, 0.16, 0.76, 0.92, 0.14)
    body.arc(0.5, 0.15, 0.1, 0.08 + 0.04 * b, 180, 360, 0.035)
    body.box(0.16, 0.5, 0.26, 0.86, 0.04)
    body.box(0.74, 0.5, 0.84, 0.86, 0.04)
    detail.arc(0.5, 0.72, 0.18, 0.14 + 0.06 * a, 0, 360, 0.02)
    detail.line((0.28, 0.4), (0.72, 0.4), width=0.02)


SHAPES: tuple[Callable[[Pen, Pen, float, float], None], ...] = (
    _dress, _jacket, _shoes, _kettle, _pan, _mug, _headphones, _charger, _lamp, _blanket, _pillow, _backpack,
)  # fmt: skip
"""In the order of the categories."""


def mark(pen: Pen, brand: int, x: float, y: float, size: float) -> None:
    """The sign of one of six brands of a department."""
    wide = size / 2
    if brand == 0:
        pen.ellipse(x, y, wide, wide)
    elif brand == 1:
        pen.box(x - wide, y - wide, x + wide, y + wide)
    elif brand == 2:
        pen.polygon((x, y - wide), (x + wide, y + wide), (x - wide, y + wide))
    elif brand == 3:
        for place in (-0.8, 0.0, 0.8):
            pen.box(x + place * wide - wide / 5, y - wide, x + place * wide + wide / 5, y + wide)
    elif brand == 4:
        pen.box(x - wide, y - wide / 4, x + wide, y + wide / 4)
        pen.box(x - wide / 4, y - wide, x + wide / 4, y + wide)
    else:
        pen.arc(x, y, wide, wide, 0, 360, size / 5)
