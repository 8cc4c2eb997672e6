"""The words by which aspects are found: `lexicon.json`, or a shop's own in the same form, made ready to look up.

    {"aspects": {NAME: {LANGUAGE: {"mentions": [...], "good": [...], "bad": [...]}}},
     "opinions": {LANGUAGE: {"good": [...], "bad": [...], "negations": [...], "contrasts": [...]}},
     "categories": {NAME: [ASPECT, ...]}}

`mentions` name the aspect and say nothing about it (`fabric`); `good` and `bad` do both (`well made`, `起球`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).with_name("lexicon.json")
NEGATION, CONTRAST = "negation", "contrast"


@dataclass(frozen=True)
class Term:
    """What a word or phrase says. `aspects`: (aspect, −1 bad, 0 nothing, +1 good); `opinion`: the same of no aspect;
    `role`: negation, contrast or nothing.
    """

    aspects: tuple[tuple[str, int], ...] = ()
    opinion: int = 0
    role: str = ""


@dataclass(frozen=True)
class Lexicon:
    """`terms`: by language and text, words of English phrases a space apart. `longest`: words (English) or characters
    (Chinese) of the longest term that begins so.
    """

    aspects: tuple[str, ...]
    terms: Mapping[str, Mapping[str, Term]]
    longest: Mapping[str, Mapping[str, int]]
    categories: Mapping[str, tuple[str, ...]]

    def of(self, category: str | None) -> frozenset[str]:
        """The aspects of a category; all of them where it has none of its own."""
        return frozenset(self.categories.get(category or "", self.aspects))


@cache
def shipped() -> Lexicon:
    return build(json.loads(SHIPPED.read_text(encoding="utf-8")))


def build(stated: Mapping[str, Any]) -> Lexicon:
    """Raises ValueError where a category names an aspect that there is not, or a term is empty."""
    aspects = tuple(stated["aspects"])
    categories = {name: tuple(chosen) for name, chosen in stated.get("categories", {}).items()}
    for name, chosen in categories.items():
        if unknown := set(chosen) - set(aspects):
            raise ValueError(f"category {name}: no such aspect: {', '.join(sorted(unknown))}")
    found: dict[str, dict[str, Term]] = {}
    for language, groups in stated["opinions"].items():
        terms = found.setdefault(language, {})
        for value, group in ((1, "good"), (-1, "bad")):
            for text in groups.get(group, []):
                terms[_checked(text)] = Term(opinion=value)
        for role, group in ((NEGATION, "negations"), (CONTRAST, "contrasts")):
            for text in groups.get(group, []):
                terms[_checked(text)] = Term(role=role)
    for aspect, languages in stated["aspects"].items():
        for language, groups in languages.items():
            for value, group in ((0, "mentions"), (1, "good"), (-1, "bad")):
                for text in groups.get(group, []):
                    _add(found.setdefault(language, {}), _checked(text), aspect, value)
    longest = {language: _longest(terms, language) for language, terms in found.items()}
    return Lexicon(aspects, found, longest, categories)


def _checked(text: str) -> str:
    if not text.strip():
        raise ValueError("a term of the lexicon is empty")
    return " ".join(text.lower().split())


def _add(terms: dict[str, Term], text: str, aspect: str, value: int) -> None:
    """A word can be of several aspects, and an opinion besides."""
    known = terms.get(text, Term())
    others = tuple(pair for pair in known.aspects if pair[0] != aspect)
    terms[text] = Term((*others, (aspect, value)), known.opinion, known.role)


def _longest(terms: Mapping[str, Term], language: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in terms:
        parts = list(text) if language == "zh" else text.split()
        found[parts[0]] = max(found.get(parts[0], 0), len(parts))
    return found
