"""Keywords: words and phrases that stand out in a text against all texts of the shop.

Which neighbours make a phrase is learned from the shop's own texts: in English by normalised pointwise mutual
information (Bouma 2009); in Chinese, which has no spaces, by how firmly a string's parts hold together and how freely
it meets its neighbours. What is learned is a list of terms with the number of texts that hold them.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.nlp.text import CHINESE, tokens
from models.nlp.words import CHINESE_FILLING, ENGLISH_FILLING

LEARNED_FROM = 20_000
"""Texts, at most; `READ` characters of each."""
READ = 2_000
LEAST_TEXTS = 5
"""A term of fewer texts is not kept."""
MOST_TERMS = 50_000
LONGEST = {"en": 3, "zh": 4}
"""Words, or characters, of a term."""
FIRM, FREE = 0.3, 1.0
"""NPMI between the parts of a phrase, at least; nats of entropy of the neighbours of a Chinese string, on each side."""
PER_TEXT = 5


@dataclass(frozen=True)
class Phrases:
    """`texts`: for each term, how many of the `total` texts hold it; words of English terms are a space apart."""

    language: str
    total: int
    texts: Mapping[str, int]
    _begins: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for term in self.texts:
            parts = list(term) if self.language == CHINESE else term.split(" ")
            self._begins[parts[0]] = max(self._begins.get(parts[0], 0), len(parts))

    def terms(self, text: str) -> list[str]:
        """The terms of a text in order, each as long as can be, none inside another."""
        return list(self._found(tokens(text[:READ])))

    def _found(self, words: Sequence[str]) -> Iterator[str]:
        space, at = "" if self.language == CHINESE else " ", 0
        while at < len(words):
            step = 1
            for size in range(self._begins.get(words[at], 0), 0, -1):
                term = space.join(words[at : at + size])
                if term in self.texts:
                    yield term
                    step = size
                    break
            at += step

    def rarity(self, term: str) -> float:
        """log((1 + all texts) / (1 + texts with it))."""
        return math.log((1 + self.total) / (1 + self.texts[term]))

    def keywords(self, text: str, most: int = PER_TEXT) -> list[tuple[str, float]]:
        """The `most` terms of the highest weight, and it: count · √share · rarity / log(2 + place), where `share` of
        the shop's texts hold the term and `place` terms stand before its first. Equal ones by the alphabet.

        √share · rarity is largest for what is neither in every text nor in one only; that what comes first matters more
        is from YAKE (Campos et al. 2020). By rarity alone, words that nobody else uses come first and say little.
        """
        found = self.terms(text)
        place: dict[str, int] = {}
        for at, term in enumerate(found):
            place.setdefault(term, at)
        scored = [
            (term, n * math.sqrt(self.texts[term] / self.total) * self.rarity(term) / math.log(2 + place[term]))
            for term, n in Counter(found).items()
        ]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:most]

    def meta(self) -> dict[str, Any]:
        return {"language": self.language, "total": self.total, "texts": dict(self.texts)}


def restore(meta: Mapping[str, Any]) -> Phrases:
    return Phrases(str(meta["language"]), int(meta["total"]), dict(meta["texts"]))


def learn(texts: Sequence[str], language: str) -> Phrases:
    """From cleaned texts, evenly chosen where they are many."""
    step = max(1, -(-len(texts) // LEARNED_FROM))
    chosen = [tokens(text[:READ]) for text in texts[::step]]
    found = _chinese(chosen) if language == CHINESE else _english(chosen)
    kept = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TERMS]
    return Phrases(language, len(chosen), dict(sorted(kept)))


def _english(texts: Sequence[Sequence[str]]) -> dict[str, int]:
    """Words that carry meaning, and two or three of them that meet more often than by chance; `value for money` may
    have filling inside.
    """
    grams: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(LONGEST["en"])]
    holding: Counter[tuple[str, ...]] = Counter()
    for words in texts:
        here: set[tuple[str, ...]] = set()
        for size, count in enumerate(grams, 1):
            found = list(zip(*(words[n:] for n in range(size)), strict=False))
            count.update(found)
            here.update(gram for gram in found if _carries(gram[0]) and _carries(gram[-1]))
        holding.update(here)
    total = sum(grams[0].values())
    kept = {}
    for gram, n in holding.items():
        if n >= LEAST_TEXTS and (len(gram) == 1 or _npmi(gram, grams, total) >= FIRM):
            kept[" ".join(gram)] = n
    return kept


def _carries(word: str) -> bool:
    return len(word) > 2 and word not in ENGLISH_FILLING and not word.isdigit()


def _npmi(gram: tuple[str, ...], grams: Sequence[Counter[tuple[str, ...]]], total: int) -> float:
    """The least over the places where it can be cut in two: log(p(ab) / (p(a) p(b))) / −log p(ab)."""
    together = grams[len(gram) - 1][gram] / total
    least = 1.0
    for cut in range(1, len(gram)):
        apart = grams[cut - 1][gram[:cut]] * grams[len(gram) - cut - 1][gram[cut:]] / total**2
        least = min(least, math.log(together / apart) / -math.log(together))
    return least


def _chinese(texts: Sequence[Sequence[str]]) -> dict[str, int]:
    """Strings of two to four characters that hold together and stand in many surroundings; Latin words as they are."""
    grams: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(LONGEST["zh"])]
    holding: Counter[tuple[str, ...]] = Counter()
    left: dict[tuple[str, ...], Counter[str]] = {}
    right: dict[tuple[str, ...], Counter[str]] = {}
    for words in texts:
        for size, count in enumerate(grams, 1):
            found = list(zip(*(words[n:] for n in range(size)), strict=False))
            count.update(found)
            holding.update(set(found))
    total = sum(grams[0].values())
    likely = {
        gram for gram, n in holding.items()
        if len(gram) > 1 and n >= LEAST_TEXTS and not {gram[0], gram[-1]} & CHINESE_FILLING
        and _npmi(gram, grams, total) >= FIRM
    }  # fmt: skip
    for words in texts:
        for size in range(2, LONGEST["zh"] + 1):
            for at in range(len(words) - size + 1):
                gram = tuple(words[at : at + size])
                if gram in likely:
                    left.setdefault(gram, Counter())[words[at - 1] if at else ""] += 1
                    right.setdefault(gram, Counter())[words[at + size] if at + size < len(words) else ""] += 1
    free = {gram for gram in likely if min(_entropy(left[gram]), _entropy(right[gram])) >= FREE}
    alone = {gram for gram, n in holding.items() if len(gram) == 1 and n >= LEAST_TEXTS and _carries(gram[0])}
    kept = {"".join(gram): holding[gram] for gram in free | alone}
    return {term: n for term, n in kept.items() if term not in CHINESE_FILLING}


def _entropy(count: Counter[str]) -> float:
    """In nats; the end of a text is a neighbour that is new each time."""
    total, ends = sum(count.values()), count[""]
    inner = sum(n / total * math.log(total / n) for word, n in count.items() if word)
    return inner + ends / total * math.log(total)
