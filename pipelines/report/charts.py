"""Charts as inline SVG: no script, colours from the page's style, a title and a description for who cannot see them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup, escape

from pipelines.report.words import number, said

WIDTH, LEFT, RIGHT, TOP = 400.0, 46.0, 10.0, 12.0
ROW = 24.0
"""Height of one line of bars or intervals."""


def _svg(key: str, title: str, description: str, height: float, marks: Sequence[str]) -> Markup:
    body = Markup("").join(map(Markup, marks))  # each mark escapes what it holds
    return Markup(
        '<svg viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-labelledby="{key}-t {key}-d">'
        '<title id="{key}-t">{title}</title><desc id="{key}-d">{desc}</desc>{body}</svg>'
    ).format(w=WIDTH, h=height, key=key, title=said(title), desc=said(description, 600), body=body)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attribute}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def course(
    key: str, title: str, days: Sequence[date], series: Mapping[str, Sequence[Any]], kind: str, bold: str = ""
) -> Markup:
    """Values over days; None is a gap, and a value with gaps around it a dot. `bold`: the series to look at."""
    height, bottom = 180.0, 150.0
    known = [float(value) for values in series.values() for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = 0.0 if kind != "metric" and low >= 0 else low  # a count is seen against zero
    span = (high - low) or abs(high) or 1.0
    high = low + span
    first, reach = days[0], max((days[-1] - days[0]).days, 1)

    def place(day: date, value: Any) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (day - first).days / reach
        return x, bottom - (bottom - TOP) * (float(value) - low) / span

    marks = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - (bottom - TOP) * share
        marks.append(_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        marks.append(_text(LEFT - 5, y + 4, _short(low + span * share, kind), anchor="end"))
    marks.append(_text(LEFT, bottom + 18, str(days[0])))
    marks.append(_text(WIDTH - RIGHT, bottom + 18, str(days[-1]), anchor="end"))
    styles = _styles(list(series), bold)
    for name in sorted(series, key=lambda name: (name == bold, name)):  # what is to be seen is drawn last
        points = [(day, value) for day, value in zip(days, series[name], strict=True)]
        style = f"course {styles[name]}"
        for run in _stretches(points):
            at = [place(*point) for point in run]
            if len(at) == 1:
                marks.append(f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="3" class="{style}"/>')
            else:
                joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
                marks.append(f'<polyline points="{joined}" class="{style}"/>')
    told = "; ".join(_told(name, values, kind) for name, values in series.items())
    return _svg(key, title, f"{days[0]} to {days[-1]}. {told}", height, marks)


def _styles(names: Sequence[str], bold: str) -> dict[str, str]:
    """Six colours, then the same ones dashed."""
    told = {name: f"s{n % 6}{' dashed' if n >= 6 else ''}" for n, name in enumerate(sorted(names))}
    return {name: "bold" if name == bold or len(names) == 1 else style for name, style in told.items()}


def _stretches(points: list[tuple[date, Any]]) -> list[list[tuple[date, Any]]]:
    found: list[list[tuple[date, Any]]] = [[]]
    for point in points:
        if point[1] is None:
            found.append([])
        else:
            found[-1].append(point)
    return [stretch for stretch in found if stretch]


def _told(name: str, values: Sequence[Any], kind: str) -> str:
    known = [float(value) for value in values if value is not None]
    if not known:
        return f"{name}: nothing"
    ends = f"from {number(known[0], kind)} to {number(known[-1], kind)}"
    return f"{name}: {ends}, lowest {number(min(known), kind)}, highest {number(max(known), kind)}"


def _short(value: float, kind: str) -> str:
    if kind == "share":
        return f"{100 * value:.0f} %"
    if kind == "metric":
        return f"{value:.3f}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def bars(key: str, title: str, rows: Sequence[tuple[str, float, float | None]], kind: str) -> Markup:
    """A bar for each (label, value, usual value), the usual one as a mark upon it."""
    left, height = 118.0, TOP + ROW * len(rows) + 6
    most = max([value for _, value, _ in rows] + [usual or 0.0 for _, _, usual in rows], default=0.0)
    scale = (WIDTH - left - 62) / max(most, 1e-9)
    marks = []
    for n, (label, value, usual) in enumerate(rows):
        y = TOP + n * ROW
        marks.append(_text(left - 6, y + 13, said(label, 18), anchor="end"))
        marks.append(f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(value * scale, 1):.1f}" height="17" class="bar"/>')
        if usual is not None:
            marks.append(_line(left + usual * scale, y - 3, left + usual * scale, y + 20, "usual"))
        end = left + max(value, usual or 0.0) * scale
        marks.append(_text(end + 5, y + 13, number(value, kind)))
    told = "; ".join(
        f"{label} {number(value, kind)}" + ("" if usual is None else f", usually {number(usual, kind)}")
        for label, value, usual in rows
    )
    return _svg(key, title, told, height, marks)


def intervals(key: str, title: str, rows: Sequence[tuple[str, Any, float, Any, bool]]) -> Markup:
    """A dot and its interval for each (label, low, value, high, is it the champion)."""
    left, height = 130.0, TOP + ROW * len(rows) + 22
    ends = [float(end) for _, low, value, high, _ in rows for end in (low, value, high) if end is not None]
    least, most = (min(ends), max(ends)) if ends else (0.0, 1.0)
    span = (most - least) or abs(most) or 1.0

    def place(value: Any) -> float:
        return left + (WIDTH - left - 20) * (float(value) - least) / span

    marks = []
    for n, (label, low, value, high, champion) in enumerate(rows):
        y, style = TOP + n * ROW + 8, "champion" if champion else "floor"
        marks.append(_text(left - 10, y + 4, said(label, 19), "strong" if champion else "", anchor="end"))
        if low is not None and high is not None:
            marks.append(_line(place(low), y, place(high), y, f"interval {style}"))
        marks.append(f'<circle cx="{place(value):.1f}" cy="{y:.1f}" r="4.5" class="dot {style}"/>')
    marks.append(_text(left, height - 6, f"{least:.4f}"))
    marks.append(_text(WIDTH - 20, height - 6, f"{least + span:.4f}", anchor="end"))
    told = "; ".join(
        f"{label}{' (champion)' if champion else ''} {value:.4f}"
        + ("" if low is None or high is None else f", interval {low:.4f} to {high:.4f}")
        for label, low, value, high, champion in rows
    )
    return _svg(key, title, told, height, marks)


def legend(names: Sequence[str], bold: str) -> Markup:
    """Which line of `course` is which."""
    entry = Markup(
        '<li><svg viewBox="0 0 22 10" aria-hidden="true"><line x1="0" y1="5" x2="22" y2="5" class="course {style}"/>'
        "</svg><bdi>{name}</bdi></li>"
    )
    styles = _styles(names, bold)
    shown = Markup("").join(entry.format(style=styles[name], name=said(name, 60)) for name in names)
    return Markup('<ul class="legend">{}</ul>').format(shown)
