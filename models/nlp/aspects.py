"""What a review says about which aspect: by a lexicon, with negation and contrast, weighed with the sentiment of the
clause.

A sentence is cut into clauses at commas and at words of contrast. An opinion that names no aspect belongs to the
nearest one mentioned in its clause; a mention without an opinion takes that of the next clause, or of the one before,
unless a contrast stands between. A negation turns the next opinion round if it is near.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.nlp.lexicon import CONTRAST, NEGATION, Lexicon, Term
from models.nlp.text import CHINESE, HAN

LONGEST = 4_000
"""Characters of a review that are looked through."""
REACH = 4
"""Words, or characters, between a negation and the end of what it turns round, at most."""
MOST = 2
"""Opinions of one clause on one aspect count up to this."""
LEXICON_WEIGHT, MODEL_WEIGHT, MODEL_MOST = 1.5, 0.5, 3.0
"""Log-odds of one opinion in the lexicon; share and limit of the log-odds the sentiment model gives the clause."""
CLEAR = 1.0
"""With no opinion in the lexicon, a mention counts only where the model's log-odds are at least so far from 0."""

_PARTS = re.compile(f"[^\\W_{HAN}]+(?:[.'’\\-][^\\W_{HAN}]+)*|[{HAN}]|[.!?;。！？；…\\n,，、:：()（）~—–]")
_ENDS, _MARKS = frozenset(".!?;。！？；…\n"), frozenset(",，、:：()（）~—–")


@dataclass
class Mention:
    """`score`: opinions for less opinions against, by the lexicon. `start`, `end`: of the clause in the text."""

    aspect: str
    score: int
    term: str
    start: int
    end: int


@dataclass
class _Hit:
    """A term between two places, counted in words or characters."""

    at: int
    end: int
    term: Term
    text: str


@dataclass
class _Clause:
    start: int
    end: int
    contrast: bool = False
    hits: list[_Hit] = field(default_factory=list)
    mentions: dict[str, Mention] = field(default_factory=dict)
    loose: int = 0  # opinions, where the clause mentions no aspect


def mentions(text: str, language: str, lexicon: Lexicon, aspects: frozenset[str]) -> list[Mention]:
    """Of the `aspects` wanted, in the order of the text, one for each clause and aspect; `score` 0 where the lexicon
    finds no opinion. The others are read as well, or what is said of them would be taken as said of these.
    """
    if language not in lexicon.terms:
        return []
    found: list[Mention] = []
    for sentence in _sentences(text[:LONGEST], language, lexicon):
        if not any(clause.hits for clause in sentence):
            continue
        for clause in sentence:
            if clause.hits:
                _weigh(clause)
        _borrow(sentence)
        stated = {name for clause in sentence for name, m in clause.mentions.items() if m.score}
        for clause in sentence:
            found += [m for name, m in clause.mentions.items() if name in aspects and (m.score or name not in stated)]
    return found


def log_odds(mention: Mention, of_clause: float | None) -> float | None:
    """Log-odds that the mention is a good one; `of_clause` is the sentiment model's. None: nothing is said of it."""
    stated = LEXICON_WEIGHT * max(-MOST, min(MOST, mention.score))
    if of_clause is None:
        return stated or None
    felt = max(-MODEL_MOST, min(MODEL_MOST, of_clause))
    if not mention.score and abs(felt) < CLEAR:
        return None
    return stated + MODEL_WEIGHT * felt


def _sentences(text: str, language: str, lexicon: Lexicon) -> list[list[_Clause]]:
    """The clauses of each sentence, with the terms found in them."""
    lowered = text.lower() if len(text.lower()) == len(text) else text  # of a few letters the small one is longer
    parts = list(_PARTS.finditer(lowered.replace("’", "'")))
    words = [part[0] for part in parts]
    longest, space = lexicon.longest[language], "" if language == CHINESE else " "
    sentences, clauses, at = [], [_Clause(0, 0)], 0
    while at < len(words):
        word, clause = words[at], clauses[-1]
        if word not in longest:
            if word in _ENDS:
                sentences.append(clauses)
                clauses = [_Clause(parts[at].end(), parts[at].end())]
            elif word in _MARKS:
                clauses.append(_Clause(parts[at].end(), parts[at].end()))
            else:
                clause.end = parts[at].end()
            at += 1
            continue
        size, term = _longest_term(words, at, longest[word], space, lexicon.terms[language])
        if term is not None and term.role == CONTRAST:
            clauses.append(_Clause(parts[at].start(), parts[at].end(), contrast=True))
        elif term is not None:
            clause.hits.append(_Hit(at, at + size, term, space.join(words[at : at + size])))
        clauses[-1].end = parts[at + size - 1].end()
        at += size
    return [*sentences, clauses]


def _longest_term(
    words: Sequence[str], at: int, most: int, space: str, terms: Mapping[str, Term]
) -> tuple[int, Term | None]:
    """The longest term that begins here, of at most `most` words or characters, and its size; 1 and None without."""
    for size in range(min(most, len(words) - at), 0, -1):
        term = terms.get(space.join(words[at : at + size]))
        if term is not None:
            return size, term
    return 1, None


def _weigh(clause: _Clause) -> None:
    """Give each mention of a clause the opinions that belong to it."""
    turned: list[int] = []
    named: list[tuple[int, list[Mention]]] = []
    opinions: list[tuple[int, int]] = []
    for hit in clause.hits:
        if hit.term.role == NEGATION:
            turned.append(hit.end)
            continue
        sign = -1 if sum(hit.end - end <= REACH for end in turned) % 2 else 1
        here, polar = [], False
        for aspect, value in hit.term.aspects:
            mention = clause.mentions.setdefault(aspect, Mention(aspect, 0, hit.text, clause.start, clause.end))
            mention.score += sign * value
            polar = polar or value != 0
            here.append(mention)
        if here:
            named.append((hit.at, here))
        if hit.term.opinion and not polar:
            opinions.append((hit.at, sign * hit.term.opinion))
        if polar or hit.term.opinion:
            turned.clear()
    for at, value in opinions:
        if named:
            for mention in min(named, key=lambda pair: abs(pair[0] - at))[1]:
                mention.score += value
        else:
            clause.loose += value


def _borrow(sentence: Sequence[_Clause]) -> None:
    """Mentions without an opinion take one from beside them, where that clause mentions nothing itself."""
    for n, clause in enumerate(sentence):
        bare = [mention for mention in clause.mentions.values() if not mention.score]
        if not bare or len(bare) < len(clause.mentions):
            continue
        after = sentence[n + 1] if n + 1 < len(sentence) and not sentence[n + 1].contrast else None
        before = sentence[n - 1] if n and not clause.contrast else None
        for beside in (after, before):
            if beside is not None and beside.loose and not beside.mentions:
                for mention in bare:
                    mention.score = 1 if beside.loose > 0 else -1
                break
