"""Numbers and data as text. A character that no page may hold, and what is too long for one, does not get there."""

import re
from datetime import datetime
from typing import Any

NOTHING = "–"
LONGEST = 300
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


def said(value: Any, longest: int = LONGEST) -> str:
    """Text from data: without control characters and halves of a character, cut at a length."""
    if value is None:
        return NOTHING
    text = _CONTROL.sub("\ufffd", " ".join(str(value).split()))
    return text if len(text) <= longest else text[:longest].rstrip() + "…"


def number(value: Any, kind: str = "count") -> str:
    """`kind`: count, money, share, seconds, or metric (four decimals)."""
    if value is None:
        return NOTHING
    found = float(value)
    if kind == "share":
        return f"{100 * found:.1f} %"
    if kind == "seconds":
        return duration(found)
    return f"{found:,.{ {'count': 0, 'money': 2}.get(kind, 4) }f}"


def duration(seconds: float) -> str:
    """1.2 s, 3 min 05 s, 1 h 02 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def change(now: Any, before: Any, kind: str = "count") -> str:
    """Relative change in per cent; of a share the difference in percentage points."""
    if now is None or before is None:
        return NOTHING
    if kind == "share":
        return f"{100 * (float(now) - float(before)):+.1f} pp"
    if float(before) == 0:
        return NOTHING if float(now) else "0.0 %"
    return f"{100 * (float(now) / float(before) - 1):+.1f} %"


def moment(value: datetime | None) -> str:
    return NOTHING if value is None else value.strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
