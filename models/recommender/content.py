"""What products say about themselves, as vectors: the one thing known of an item before anybody has bought it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models.recommender.history import ragged

GRAMS = (3, 4)
"""Lengths of the letter groups a word is cut into: `thermometer` and `thermometers` share nearly all of them."""
SHARES = {"title": 1.0, "category": 0.5, "brand": 0.25, "attributes": 0.25, "price": 0.1}
"""What each kind of statement counts in a cosine, where both items make it. Convention, as the event weights are."""
PATH = re.compile(r"\s*[>/|]\s*")
CELLS = 8_000_000
"""Cosines of one block of items (32 MB as float32)."""


@dataclass(frozen=True)
class Products:
    """What is said of I items; null where nothing is. Category paths name the widest category first: `a > b`."""

    title: pa.Array  # string [I]
    brand: pa.Array  # string [I]
    category_path: pa.Array  # string [I]
    attributes: pa.Array  # map of string to string [I]
    price: np.ndarray  # float64 [I], NaN where unknown


def describe(products: Products) -> sparse.csr_array:
    """float32 [I, F]: a row's squares sum to 1, or it is empty; the product of two rows is the cosine of two items.

    Title: words and their letter groups, (1 + log count) · log((1 + I) / (1 + items with it)) + 1 (TF-IDF as in Salton
    and Buckley 1988, smoothed). Category: every prefix of the path. Price: its octave, shared between the two nearest.
    Each kind is a unit vector times the root of its share.
    """
    blocks = {
        "title": _rare_counts_more(_each(products.title, _words)),
        "category": _rare_counts_more(_each(products.category_path, _paths)),
        "brand": _rare_counts_more(_brands(products)),
        "attributes": _rare_counts_more(_attributes(products.attributes)),
        "price": _octaves(products.price),
    }
    parts = [_unit(block) * np.sqrt(SHARES[name]) for name, block in blocks.items()]
    return _unit(sparse.csr_array(sparse.hstack(parts, format="csr"))).astype(np.float32)


def nearest(content: sparse.csr_array, items: np.ndarray, among: np.ndarray, k: int, least: float) -> sparse.csr_array:
    """float32 [n, I]: cosines of each of `items` with the k closest of `among` (bool [I]), itself left out.

    Cosines below `least` are left out; of equal ones the smaller item id is taken. Indices are sorted.
    """
    from models.recommender.item_to_item import keep_top

    others = np.flatnonzero(among)
    columns = sparse.csc_array(content[others].T)
    size = max(1, CELLS // max(1, len(others)))
    blocks = [sparse.csr_array((0, content.shape[0]), dtype=np.float32)]
    for start in range(0, len(items), size):
        block = items[start : start + size]
        cosines = sparse.coo_array(content[block] @ columns)
        row, column = cosines.row, others[cosines.col]
        kept = (cosines.data >= least) & (column != block[row])
        shape = (len(block), content.shape[0])
        blocks.append(keep_top(sparse.csr_array((cosines.data[kept], (row[kept], column[kept])), shape=shape), k))
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def _each(texts: pa.Array, features: Callable[[pa.Array], sparse.csr_array]) -> sparse.csr_array:
    """The features of every text, where each different one is looked at once; a null is an empty text."""
    coded = pc.fill_null(texts, "").dictionary_encode()
    return features(coded.dictionary)[coded.indices.to_numpy()]


def _words(titles: pa.Array) -> sparse.csr_array:
    """1 + log count of the words and letter groups of each title; only each different word is cut up."""
    words = pc.split_pattern_regex(pc.utf8_lower(titles), r"[^\p{L}\p{N}]+")
    row, flat = pc.list_parent_indices(words).to_numpy(), pc.list_flatten(words)
    kept = pc.not_equal(flat, "")
    row, coded = row[kept.to_numpy(zero_copy_only=False)], flat.filter(kept)
    vocabulary = pc.unique(coded)
    vocabulary = vocabulary.take(pc.sort_indices(vocabulary))
    code = pc.index_in(coded, value_set=vocabulary).to_numpy()
    counts = sparse.csr_array((np.ones(len(row)), (row, code)), shape=(len(titles), len(vocabulary)))
    counts.sum_duplicates()
    cut = _counted([_groups(word) for word in vocabulary.to_pylist()])
    both = sparse.csr_array(sparse.hstack([counts, counts @ cut], format="csr"))
    both.data = 1 + np.log(both.data)
    return both


def _groups(word: str) -> list[str]:
    padded = f" {word} "
    return [padded[at : at + size] for size in GRAMS for at in range(len(padded) - size + 1)]


def _paths(paths: pa.Array) -> sparse.csr_array:
    steps = [[step for step in PATH.split(path.strip().lower()) if step] for path in paths.to_pylist()]
    return _counted([[" > ".join(one[: depth + 1]) for depth in range(len(one))] for one in steps])


def _brands(products: Products) -> sparse.csr_array:
    """A brand, and a brand within a category: what one maker's phones share, its irons do not."""
    brand = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(products.brand, "")))
    within = pc.binary_join_element_wise(brand, pc.fill_null(products.category_path, ""), "\x1f")
    named = pc.not_equal(brand, "")
    return _each(pc.if_else(named, pc.binary_join_element_wise(brand, within, "\x1e"), None), _parts)


def _parts(texts: pa.Array) -> sparse.csr_array:
    return _counted([[part for part in text.split("\x1e") if part] for text in texts.to_pylist()])


def _attributes(maps: pa.Array) -> sparse.csr_array:
    return _counted([[f"{key}={value}" for key, value in entry or []] for entry in maps.to_pylist()])


def _counted(bags: list[list[str]]) -> sparse.csr_array:
    """float64 [len(bags), words], how often each bag holds each word; words in order."""
    words = sorted({word for bag in bags for word in bag})
    place = {word: at for at, word in enumerate(words)}
    column = np.array([place[word] for bag in bags for word in bag], dtype=np.int64)
    row = np.repeat(np.arange(len(bags)), [len(bag) for bag in bags])
    matrix = sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(bags), len(words)))
    matrix.sum_duplicates()
    return matrix


def _octaves(price: np.ndarray) -> sparse.csr_array:
    known = np.flatnonzero(price > 0)
    octave = np.log2(price[known]) + 64  # a price of 2⁻⁶⁴ is none
    below = np.clip(np.floor(octave), 0, 126).astype(np.int64)
    share = np.clip(octave - below, 0, 1)
    entries = (np.concatenate([1 - share, share]), (np.tile(known, 2), np.concatenate([below, below + 1])))
    return sparse.csr_array(entries, shape=(len(price), 128))


def _rare_counts_more(counts: sparse.csr_array) -> sparse.csr_array:
    holders = np.bincount(counts.indices, minlength=counts.shape[1])
    counts.data = counts.data * (np.log((1 + counts.shape[0]) / (1 + holders)) + 1)[counts.indices]
    return counts


def _unit(matrix: sparse.csr_array) -> sparse.csr_array:
    row, _ = ragged(matrix.indptr[:-1].astype(np.int64), matrix.indptr[1:].astype(np.int64))
    length = np.sqrt(np.bincount(row, matrix.data.astype(np.float64) ** 2, matrix.shape[0]))
    matrix.data = matrix.data / np.maximum(length, 1e-30)[row]
    return matrix
