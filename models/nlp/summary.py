"""A short summary of an item: sentences of its reviews, word for word, that say what many of them say.

A sentence is worth the terms in it that other reviews hold too; the next one is worth what the ones before did not say.
Sentences that are not plain prose are never shown: markup, addresses, code, or words addressed to a machine.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from models.nlp.keywords import Phrases
from models.nlp.text import CHINESE, INVISIBLE, LONGEST, language, sentences

MOST_REVIEWS = 200
"""Of an item that are read, evenly chosen; `READ` characters of each."""
READ = 4_000
LENGTH = {"en": (20, 220), "zh": (6, 80)}
"""Characters of a sentence that is shown."""
SUPPORT = 2
"""Reviews that must hold a term for it to count, where the item has at least so many."""
_STRANGE = re.compile(r"[<>&{}\[\]\\`|^=$@#*_~\x00-\x1f\x7f]|https?:|www\.|\.(?:com|net|org|cn|io)\b|\d{7,}|(.)\1{4,}")
_ADDRESSED = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|previous|above|prior|rule|polic)"
    r"|\b(?:system|developer|hidden|initial)\s+(?:prompt|message|instruction)|\bprompt\b|\bjailbreak"
    r"|\byou are (?:now |an? )|\bact as\b|\bpretend (?:to|you)|\bas an? (?:ai|language model|assistant)\b"
    r"|\b(?:assistant|system|user)\s*:|\bllm\b|\bchatgpt\b|\blanguage model|\bsummar(?:y|ize|ise)\b"
    r"|\b(?:drop|delete|insert|select|update)\b.{0,30}\b(?:table|from|into|where)\b"
    r"|\b(?:say|write|output|print|respond|reply|answer)\b.{0,20}\b(?:that|with|only|exactly|the following)\b"
    r"|忽略.{0,12}(?:指令|指示|提示|规则|要求|内容|以上)|(?:系统|隐藏)(?:提示|指令|消息)|提示词|语言模型|人工智能|总结"
    r"|你(?:现在)?是(?:一个|一名)|(?:请|必须|只)(?:输出|回答|回复|打印|写)|扮演",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sentence:
    """`review`: the place of the review that holds it, word for word."""

    text: str
    review: int


def summarise(reviews: Sequence[str], spoken: str, phrases: Phrases, most: int = 3) -> list[Sentence]:
    """At most `most` sentences of the raw texts of an item's reviews in one language, the weightiest first.

    Equal ones: the shorter, then by the alphabet. Sentences in another language are passed over.
    """
    step = max(1, -(-len(reviews) // MOST_REVIEWS))
    candidates: dict[str, tuple[int, frozenset[str]]] = {}
    support: Counter[str] = Counter()
    for at in range(0, len(reviews), step):
        said: set[str] = set()
        for text in sentences(reviews[at][: min(READ, LONGEST)]):
            if not presentable(text, spoken):
                continue
            terms = frozenset(phrases.terms(text))
            said |= terms
            candidates.setdefault(text, (at, terms))
        support.update(said)
    least = min(SUPPORT, len(range(0, len(reviews), step)))
    worth = {term: math.log(1 + n) * phrases.rarity(term) ** 0.5 for term, n in support.items() if n >= least}
    return _greedy(candidates, worth, most)


def _greedy(candidates: dict[str, tuple[int, frozenset[str]]], worth: dict[str, float], most: int) -> list[Sentence]:
    chosen: list[Sentence] = []
    left, covered = dict(candidates), set[str]()
    while left and len(chosen) < most:
        gain = {
            text: sum(sorted(worth.get(term, 0.0) for term in terms - covered)) / math.sqrt(10 + len(text))
            for text, (_, terms) in left.items()
        }
        best = min(left, key=lambda text: (-gain[text], len(text), text))
        if gain[best] <= 0:
            break
        review, terms = left.pop(best)
        covered |= terms
        chosen.append(Sentence(best, review))
    return chosen


def presentable(sentence: str, spoken: str) -> bool:
    """Whether a sentence may stand on a page as it is: plain prose of that language and of a readable length."""
    low, high = LENGTH[CHINESE if spoken == CHINESE else "en"]
    if not low <= len(sentence) <= high or INVISIBLE.search(sentence):
        return False
    folded = unicodedata.normalize("NFKC", sentence)
    if _STRANGE.search(folded) or _ADDRESSED.search(folded):
        return False
    marks = sum(not (c.isalnum() or c.isspace()) for c in folded)
    shouted = spoken != CHINESE and folded.upper() == folded
    pictures = sum(unicodedata.category(c) == "So" for c in folded)
    return 4 * marks <= len(folded) and pictures < 2 and not shouted and language(sentence) == spoken
