"""N-grams of words and letters, counted by hash in one compiled loop: what the linear models read.

A text is a row of Unicode code points in lower case. Its n-grams fall into two blocks of buckets, words first:

- English: words alone and in pairs; 2 to 5 letters inside a word, the space on both sides counted as letters.
- Chinese: Latin words and numbers alone and in pairs; 1 to 3 characters of the whole text.

A bucket is 64-bit FNV-1a of the n-gram (Fowler, Noll and Vo), mixed as MurmurHash3 ends, its low bits: the same on
every machine, without a vocabulary to keep. That two n-grams share a bucket costs little where buckets are several
times as many as n-grams that recur (Weinberger et al. 2009).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

BITS = 19
"""Of a bucket within its block."""
WIDTH = 1 << BITS
BUCKETS = 2 * WIDTH
LONGEST = 4_000
"""Characters of a text that are read; more would make one text as dear as a hundred others."""
SLOTS = 1 << 16
"""Of the table in which the n-grams of one text are counted: more than the longest text can fill."""
AT_ONCE = 2_000
"""Texts counted together."""


@dataclass(frozen=True)
class Recipe:
    """`letters`: shortest and longest group. `inside`: groups stay inside a word. `least`: an n-gram of fewer texts is
    not learned from; Chinese reviews are short, and what stands in one of them still tells.
    """

    letters: tuple[int, int]
    inside: bool
    least: int


RECIPES = {"en": Recipe((2, 5), True, 2), "zh": Recipe((1, 3), False, 1)}


@dataclass(frozen=True)
class Codes:
    """Texts laid end to end. `codes` uint32 [characters], `ends` int64 [texts]."""

    codes: np.ndarray
    ends: np.ndarray


def encode(texts: Sequence[str]) -> Codes:
    lowered = [text[:LONGEST].lower() for text in texts]
    codes = np.frombuffer("".join(lowered).encode("utf-32-le", "replace"), dtype=np.uint32)
    return Codes(codes, np.cumsum([len(text) for text in lowered], dtype=np.int64))


def counted(texts: Sequence[str], recipe: Recipe) -> sparse.csr_array:
    """float32 [texts, BUCKETS]: how often each n-gram stands in each text; indices are sorted."""
    parts = [_counted(encode(texts[n : n + AT_ONCE]), recipe) for n in range(0, len(texts), AT_ONCE)]
    return sparse.csr_array(sparse.vstack(parts, format="csr")) if parts else sparse.csr_array((0, BUCKETS))


def _counted(codes: Codes, recipe: Recipe) -> sparse.csr_array:
    count = loops().count
    widest = recipe.letters[1] - recipe.letters[0] + 3
    room = (len(codes.codes) + 2 * len(codes.ends)) * (widest + 2) + 1
    indices, counts = np.empty(room, np.int32), np.empty(room, np.float32)
    row = np.zeros(len(codes.ends) + 1, np.int32)
    count(codes.codes, codes.ends, *recipe.letters, recipe.inside, kinds(), indices, counts, row)
    found = sparse.csr_array((counts[: row[-1]].copy(), indices[: row[-1]].copy(), row), shape=(len(row) - 1, BUCKETS))
    found.sort_indices()
    return found


def weigh(codes: Codes, recipe: Recipe, rarity: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 [texts, M] = TF-IDF rows · weights, without making the rows.

    `rarity` float32 [BUCKETS] and `weights` float32 [BUCKETS, M] as in `models.nlp.linear`; a row is (1 + log count) ·
    rarity, each block divided by its own length.
    """
    made = np.zeros((len(codes.ends), weights.shape[1]))
    loops().weigh(codes.codes, codes.ends, *recipe.letters, recipe.inside, kinds(), rarity, weights, made)
    return made


SPACE, MARK, LETTER, ALONE = 0, 1, 2, 3


@cache
def kinds() -> np.ndarray:
    """uint8 [65536]: what each code point is. Chinese characters and symbols are words by themselves."""
    found = np.full(1 << 16, MARK, np.uint8)
    for code in range(1 << 16):
        character = chr(code)
        if character.isspace():
            found[code] = SPACE
        elif 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x2600 <= code <= 0x27BF:
            found[code] = ALONE
        elif character.isalnum() or character == "_":
            found[code] = LETTER
    return found


@dataclass(frozen=True)
class Loops:
    count: Callable[..., None]
    weigh: Callable[..., None]


@cache
def loops() -> Loops:
    """Compiled once a process; some seconds."""
    import numba

    compiled = numba.njit(nogil=True, boundscheck=False, error_model="numpy")
    gather = _gatherer(compiled)

    @compiled
    def count(
        codes: Any, ends: Any, low: int, high: int, inside: bool, kinds: Any, indices: Any, counts: Any, row: Any
    ) -> None:
        keys, times = np.zeros(SLOTS, np.int32), np.zeros(SLOTS, np.int32)
        used = np.empty(SLOTS, np.int32)
        start = at = 0
        for text in range(len(ends)):
            filled = gather(codes[start : ends[text]], low, high, inside, kinds, keys, times, used)
            for n in range(filled):
                slot = used[n]
                indices[at], counts[at] = keys[slot], times[slot]
                times[slot] = 0
                at += 1
            row[text + 1] = at
            start = ends[text]

    @compiled
    def weigh(
        codes: Any, ends: Any, low: int, high: int, inside: bool, kinds: Any, rarity: Any, weights: Any, made: Any
    ) -> None:
        keys, times = np.zeros(SLOTS, np.int32), np.zeros(SLOTS, np.int32)
        used = np.empty(SLOTS, np.int32)
        models = weights.shape[1]
        part = np.zeros((2, models))
        square = np.zeros(2)
        logs = np.ones(256)
        for n in range(1, 256):
            logs[n] = 1 + np.log(n)
        start = 0
        for text in range(len(ends)):
            filled = gather(codes[start : ends[text]], low, high, inside, kinds, keys, times, used)
            part[:] = 0
            square[:] = 0
            for n in range(filled):
                slot = used[n]
                key = keys[slot]
                value = rarity[key]
                if value > 0:
                    block = key >> BITS
                    value *= logs[times[slot]] if times[slot] < 256 else 1 + np.log(times[slot])
                    square[block] += value * value
                    for m in range(models):
                        part[block, m] += value * weights[key, m]
                times[slot] = 0
            for block in range(2):
                if square[block] > 0:
                    for m in range(models):
                        made[text, m] += part[block, m] / np.sqrt(square[block])
            start = ends[text]

    return Loops(count, weigh)


FIRST, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
MIX_1, MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
SHIFT, LOW_BITS, STEP = np.uint64(33), np.uint64(WIDTH - 1), np.uint64(0x9E3779B97F4A7C15)
APART = np.uint64(32)
"""A space: between two words, and at both ends of one."""


def _gatherer(compiled: Callable[..., Any]) -> Callable[..., int]:
    """The loop over one text that both others share: fills the table and says how many slots it used."""
    put, kind_of = _put(compiled), _kind_of(compiled)
    words, groups = _words(compiled, put, kind_of), _groups(compiled, put)

    @compiled
    def gather(codes: Any, low: int, high: int, inside: bool, kinds: Any, keys: Any, times: Any, used: Any) -> int:
        filled = words(codes, kinds, keys, times, used, 0)
        if not inside:
            return groups(codes, 0, len(codes), low, high, False, keys, times, used, filled)
        at, end = 0, len(codes)
        while at < end:
            if kind_of(codes[at], kinds) == SPACE:
                at += 1
                continue
            start = at
            while at < end and kind_of(codes[at], kinds) != SPACE:
                at += 1
            filled = groups(codes, start, at, low, high, True, keys, times, used, filled)
        return filled

    return gather


def _put(compiled: Callable[..., Any]) -> Callable[..., int]:
    """Counts one n-gram in the table."""

    @compiled
    def put(hashed: Any, block: int, keys: Any, times: Any, used: Any, filled: int) -> int:
        hashed ^= hashed >> SHIFT
        hashed *= MIX_1
        hashed ^= hashed >> SHIFT
        hashed *= MIX_2
        hashed ^= hashed >> SHIFT
        key = np.int32(hashed & LOW_BITS) + np.int32(block << BITS)
        slot = (key * np.int64(0x9E3779B1) >> 12) & (SLOTS - 1)
        while times[slot] and keys[slot] != key:
            slot = (slot + 1) & (SLOTS - 1)
        if times[slot] == 0:
            keys[slot], used[filled] = key, slot
            filled += 1
        times[slot] += 1
        return filled

    return put


def _kind_of(compiled: Callable[..., Any]) -> Callable[..., int]:
    @compiled
    def kind_of(code: Any, kinds: Any) -> int:
        return kinds[code] if code < 65536 else ALONE

    return kind_of


def _words(compiled: Callable[..., Any], put: Callable[..., int], kind_of: Callable[..., int]) -> Callable[..., int]:
    """Words alone and in pairs."""

    @compiled
    def words(codes: Any, kinds: Any, keys: Any, times: Any, used: Any, filled: int) -> int:
        before, at, end = np.uint64(0), 0, len(codes)
        while at < end:
            kind = kind_of(codes[at], kinds)
            if kind < LETTER:
                at += 1
                continue
            hashed, start = FIRST, at
            while at < end and kind_of(codes[at], kinds) == kind and (kind == LETTER or at == start):
                hashed = (hashed ^ np.uint64(codes[at])) * PRIME
                at += 1
            if kind == LETTER and at - start < 2:
                continue
            filled = put(hashed, 0, keys, times, used, filled)
            if before:
                filled = put(before * STEP ^ hashed, 0, keys, times, used, filled)
            before = hashed
        return filled

    return words


def _groups(compiled: Callable[..., Any], put: Callable[..., int]) -> Callable[..., int]:
    @compiled
    def groups(
        codes: Any,
        start: int,
        end: int,
        low: int,
        high: int,
        padded: bool,
        keys: Any,
        times: Any,
        used: Any,
        filled: int,
    ) -> int:
        """All groups of `low` to `high` characters of codes[start:end], a space put before and after if `padded`."""
        shift = 1 if padded else 0
        size = end - start + 2 * shift
        for here in range(size):
            hashed = FIRST
            for length in range(1, min(high, size - here) + 1):
                place = here + length - 1 - shift
                code = np.uint64(codes[start + place]) if 0 <= place < end - start else APART
                hashed = (hashed ^ code) * PRIME
                if length >= low:
                    filled = put(hashed * STEP, 1, keys, times, used, filled)
        return filled

    return groups
