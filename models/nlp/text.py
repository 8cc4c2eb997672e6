"""What every reader of text shares: cleaning, the language of a text, sentences and tokens, in English and Chinese.

Texts are whatever people typed or machines posted: markup, control characters, a megabyte, no text at all. Every
function here takes any string, in time that grows with its length and no faster.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

from models.nlp import words

ENGLISH, CHINESE, OTHER, UNKNOWN = "en", "zh", "other", "unknown"
LANGUAGES = (ENGLISH, CHINESE)
"""What the readers of reviews can read."""
LONGEST = 100_000
"""Characters of a text that are looked at; the rest is dropped."""
LOOKED_AT = 160
"""Characters that the language is told by."""
LAYERS = 4
"""Times that entities are resolved and tags taken out again: `&amp;lt;b&amp;gt;` hides a tag two layers deep."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
KANA = "\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d"
INVISIBLE = re.compile(  # control, format, private and half characters, tags and variation selectors
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]+"
)
MARKUP = re.compile(
    r"<(script|style|iframe|object|template)\b.*?(?:</\1\s{0,9}>|\Z)|<!--.*?(?:-->|\Z)|</?[a-z!?][^<>]{0,2000}>",
    re.IGNORECASE | re.DOTALL,
)
SUSPECT = re.compile(r"[<&\x00-\x08\x0e-\x1b\x7f]")
_HAN, _KANA = re.compile(f"[{HAN}]"), re.compile(f"[{KANA}]")
_LATIN = re.compile(r"[a-zA-ZÀ-ɏ]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_TOKEN = re.compile(f"[{HAN}]|[^\\W_{HAN}]+(?:['’\\-][^\\W_{HAN}]+)*")
_STOP = re.compile(  # an end of a sentence: Latin marks before a space or the end, Chinese ones anywhere, a new line
    f"(?:[.!?]+[\"'”’)\\]]*(?=\\s|$)|(?<=[{HAN}])[!?~;]+|[。！？；…]+[\"'”’」』）)]*|[\\r\\n]+)"
)
_ABBREVIATED = re.compile(r"(?:^|\s)(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|st|no|approx|inc|[a-z])\.$", re.IGNORECASE)


def clean(text: str) -> str:
    """The text as a person reads it: NFKC, without markup, scripts, entities and invisible characters, white space
    folded to single spaces. `clean(clean(t)) == clean(t)`, and the result holds no tag.
    """
    text = text[:LONGEST]
    if text.isascii() and not SUSPECT.search(text):
        return " ".join(text.split())
    for _ in range(LAYERS):
        before = text
        text = MARKUP.sub(" ", html.unescape(_plain(text)))
        if text == before:
            return text
    # Whoever nests deeper than that is not writing to be read: what could still become a tag goes.
    return _plain(_plain(text).replace("<", " ").replace("&", " "))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", INVISIBLE.sub("", text))
    return " ".join(INVISIBLE.sub("", text).split())[:LONGEST].rstrip()  # some characters are short for many


def language(text: str) -> str:
    """`en`, `zh`, `other`, or `unknown` where nothing tells: no letters, or a few words of no known kind.

    By the script first; Latin letters are English where its commonest words outnumber those of any other language.
    A Chinese character weighs as much as three Latin letters, about what it takes to say the same.
    """
    text = text[:LOOKED_AT]
    han = latin = 0
    if text.isascii():
        latin = len(text)
    else:
        letters, han = len(_LETTER.findall(text)), len(_HAN.findall(text))
        kana, latin = len(_KANA.findall(text)), len(_LATIN.findall(text))
        if kana > han // 8 or letters - han - kana - latin > max(3 * han, latin):
            return OTHER if letters else UNKNOWN
    if han and 3 * han >= latin:
        return CHINESE
    found = set(_WORD.findall(text.lower().replace("’", "'")))
    if not found:
        return UNKNOWN
    english = len(found & words.ENGLISH)
    foreign = max(len(found & known) for known in words.FOREIGN)
    if english > foreign or (english == foreign and english):
        return ENGLISH
    return OTHER if foreign or len(found) > 8 else UNKNOWN


def languages(texts: Sequence[str]) -> list[str]:
    """`language` of each."""
    return [language(text) for text in texts]


def sentences(text: str) -> list[str]:
    """The sentences of a text, each exactly as it stands there, without the space around it.

    A full stop ends one only before a space, so `3.5` stays whole; common abbreviations do not end one.
    """
    found, start = [], 0
    for stop in _STOP.finditer(text):
        if stop[0] == "." and _ABBREVIATED.search(text, max(start, stop.end() - 8), stop.end()):
            continue
        found.append(text[start : stop.end()].strip())
        start = stop.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if _TOKEN.search(sentence)]


def tokens(text: str) -> list[str]:
    """Words in lower case; each Chinese character is a token of its own."""
    return _TOKEN.findall(text.lower().replace("’", "'"))
