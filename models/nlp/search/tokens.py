"""Words of a product or a query: English with light stemming, Chinese by pairs of characters.

A text is cleaned first (markup, control characters, width and case variants): a hostile one is at worst a bag of odd
words.
"""

import html
import re
import unicodedata
from functools import lru_cache

LONGEST = 20_000
"""Characters of a text that are read; what follows says nothing new of a product, and 1 MB would hold up the rest."""
UNITS = {
    "gb": "gb", "tb": "tb", "mb": "mb", "ml": "ml", "cl": "cl", "l": "l", "liter": "l", "litre": "l", "kg": "kg",
    "g": "g", "gram": "g", "mg": "mg", "mm": "mm", "cm": "cm", "m": "m", "km": "km", "inch": "in", "in": "in",
    '"': "in", "″": "in", "ft": "ft", "foot": "ft", "feet": "ft", "'": "ft", "oz": "oz", "ounce": "oz", "lb": "lb",
    "pound": "lb", "w": "w", "watt": "w", "v": "v", "volt": "v", "mah": "mah", "mp": "mp", "megapixel": "mp",
    "hz": "hz", "ghz": "ghz", "mhz": "mhz", "pack": "pack", "pc": "pc", "piece": "pc", "ct": "ct", "count": "ct",
    "qt": "qt", "quart": "qt", "gal": "gal", "gallon": "gal",
    "英寸": "in", "寸": "in", "厘米": "cm", "毫米": "mm", "米": "m", "公斤": "kg", "千克": "kg", "克": "g",
    "毫升": "ml", "升": "l", "瓦": "w", "伏": "v", "件": "pc", "只": "pc", "个": "pc", "包": "pack", "毫安": "mah",
}  # fmt: skip
"""Spellings of units and the one they become: `16 GB`, `16-gb` and `16gb` are the same word."""

_BLOCKS = ("<script", "</script", 0), ("<style", "</style", 0), ("<!--", "-->", 3)
"""Where a block opens and closes, and what of the closing goes with it: a closing tag is left to the other tags."""
_TAGS = re.compile(r"</?[a-z!][^<>]{0,2000}>")
_UNSEEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SPELLED = "|".join(sorted((re.escape(unit) for unit in UNITS), key=len, reverse=True))
_MEASURE = re.compile(rf"(?<![a-z0-9.])(\d{{1,6}}(?:\.\d{{1,3}})?)[ -]?({_SPELLED})(?:e?s)?(?![a-z0-9])")
_WORD = re.compile(rf"\d+(?:\.\d+)?[a-z]{{1,9}}(?![a-z0-9])|[^\W_{_HAN}]+|[{_HAN}]+")
_HAN_RUN = re.compile(rf"[{_HAN}]")


def clean(text: str | None) -> str:
    """Lower case, without markup, control or invisible characters, widths and accents folded, `LONGEST` at most."""
    if not text:
        return ""
    plain = _TAGS.sub(" ", _without_blocks(html.unescape(text[: 2 * LONGEST]).lower()))
    plain = unicodedata.normalize("NFKD", _UNSEEN.sub("", plain)).lower()
    plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in plain if not unicodedata.combining(c))
    return unicodedata.normalize("NFKC", " ".join(plain[:LONGEST].split()))


def words(text: str | None) -> list[str]:
    """Tokens of a text in order: stems, numbers with their units as one word, Chinese as overlapping pairs."""
    found: list[str] = []
    for word in _WORD.findall(_MEASURE.sub(_measure, clean(text))):
        if _HAN_RUN.match(word):
            found.extend([word] if len(word) == 1 else [word[at : at + 2] for at in range(len(word) - 1)])
        else:
            found.append(stem(word))
    return found


def measures(text: str | None) -> list[str]:
    """The numbers with units in a text, each in its one spelling (`5.5in`)."""
    return [_measure(found).strip() for found in _MEASURE.finditer(clean(text))]


def has_han(text: str) -> bool:
    return bool(_HAN_RUN.search(text))


def _without_blocks(text: str) -> str:
    """Without what no reader sees. One pass for each kind, however often a block is opened and never closed."""
    for opening, closing, gone in _BLOCKS:
        kept, at = [], 0
        while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
            kept.append(text[at:start])
            at = end + gone
        text = " ".join([*kept, text[at:]])
    return text


def _measure(found: "re.Match[str]") -> str:
    return f" {found[1]}{UNITS[found[2]]} "


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Light stemming: plurals, -ed and -ing, in the manner of step 1 of Porter (1980); anything with a digit stays."""
    if len(word) < 4 or not word.isalpha() or not word.isascii():
        return word
    word = _singular(word)
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and re.search("[aeiouy]", base):
            return _mended(base)
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 and word[-2] not in "aeiou" else word


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _mended(base: str) -> str:
    """What -ed or -ing was put to: hopp → hop, hoping's hop → hop; one form for both is what counts."""
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
        return base[:-1]
    return base
