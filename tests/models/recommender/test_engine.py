"""The engine gives the lists of scoring every pair, bit for bit: against a sort of all scores in plain numpy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.recommender.engine import catalogue, engine
from models.recommender.engine.catalogue import Shape
from models.recommender.engine.engine import Engine, Lists
from models.recommender.engine.numbers import HALF_STEP, TINY, padded
from models.recommender.engine.plan import Filters

LOW = {"bfloat16": torch.bfloat16, "float32": torch.float32}
SMALL = Shape(rows=5, step=3, compiled_step=2, columns=512)
"""Several blocks, steps and tiles even of a few users and items."""


def plain_scores(users: np.ndarray, items: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """float32 [U, I]: products, then the upper half of each row added to the lower until one is left, then the bias."""
    width = 1 << max(5, (users.shape[1] - 1).bit_length())
    left, right = (np.pad(a.astype(np.float32), ((0, 0), (0, width - a.shape[1]))) for a in (users, items))
    total = left[:, None] * right[None]
    while total.shape[2] > 1:
        half = total.shape[2] // 2
        total = total[:, :, :half] + total[:, :, half:]
    return total[:, :, 0] + (0 if bias is None else bias.astype(np.float32))


def plain_lists(scores: np.ndarray, listable: np.ndarray, k: int) -> Lists:
    items, values = np.full((len(scores), k), -1, np.int32), np.full((len(scores), k), -np.inf, np.float32)
    for user, row in enumerate(scores):
        best = np.lexsort((np.arange(len(row)), -row))
        best = best[listable[user, best]][:k]
        items[user, : len(best)], values[user, : len(best)] = best, row[best]
    return Lists(items, values)


@dataclass
class Case:
    """Users and items with everything that filters them, as dense arrays."""

    users: np.ndarray
    items: np.ndarray
    bias: np.ndarray | None = None
    available: np.ndarray | None = None
    banned: np.ndarray | None = None
    allowed: np.ndarray | None = None
    limited: np.ndarray | None = None
    extra: np.ndarray | None = None
    k: int = 3
    expected: Lists = field(init=False)

    def __post_init__(self) -> None:
        scores = plain_scores(self.users, self.items, self.bias)
        listable = np.ones(scores.shape, bool)
        if self.extra is not None:
            scores = np.where(self.extra != 0, scores + self.extra, scores).astype(np.float32)
        if self.available is not None:
            listable &= self.available
        if self.banned is not None:
            listable &= ~self.banned
        if self.allowed is not None and self.limited is not None:
            listable &= self.allowed | ~self.limited[:, None]
        self.expected = plain_lists(scores, listable, self.k)

    def filters(self) -> Filters:
        banned, allowed, extra = (
            None if m is None else sparse.csr_array(m) for m in (self.banned, self.allowed, self.extra)
        )
        return Filters(banned, allowed, self.limited, extra)

    def check(self, threads: int = 1, compiled: bool = False, device: str = "cpu") -> None:
        made = Engine(self.items, self.bias, self.available, device, threads)
        if compiled:
            made.compile()
        found = made.rank(self.users, self.k, self.filters())
        assert found.items.tolist() == self.expected.items.tolist()
        assert found.scores.view(np.int32).tolist() == (self.expected.scores + np.float32(0)).view(np.int32).tolist()


# Only a GPU can show that it rounds as a CPU does: without one these are named as not run, and `benchmarks.gpu`
# compares the lists of the first machine that has one.
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
WAYS = pytest.mark.parametrize(("low", "how"), [(low, how) for low in LOW for how in ("torch", "compiled")])


@contextmanager
def tiny_tiles(low: str) -> Iterator[None]:
    """With candidates chosen in this type, in tiles so small that a few users and items make several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "low_type", lambda _device: LOW[low])
        patch.setattr(catalogue, "CPU", SMALL)
        patch.setattr(catalogue, "GPU", SMALL)
        yield


VALUES = ("normal", "few values", "close to each other", "all sizes", "subnormal", "negative", "same")


def values(draw: np.random.Generator, kind: str, rows: int, width: int) -> np.ndarray:
    """Vectors that make rounding matter in different ways."""
    plain = draw.standard_normal((rows, width)).astype(np.float32)
    if kind == "few values":
        return draw.integers(-2, 3, (rows, width)).astype(np.float32)
    if kind == "close to each other":  # closer than bfloat16 can tell
        return (1 + plain * 1e-3).astype(np.float32)
    if kind == "all sizes":
        return (plain * 10.0 ** draw.integers(-25, 15, (rows, 1))).astype(np.float32)
    if kind == "subnormal":
        return (plain * 10.0 ** draw.integers(-42, -15, (rows, 1))).astype(np.float32)
    if kind == "negative":
        return -np.abs(plain)
    return np.repeat(plain[:1], rows, 0) if kind == "same" else plain


def case(seed: int, kinds: tuple[str, str], users: int, items: int, width: int, k: int) -> Case:
    draw = np.random.default_rng(seed)
    left, right = values(draw, kinds[0], users, width), values(draw, kinds[1], items, width)
    if kinds[1] == "negative":
        left = np.abs(left)  # so that every score is
    left[draw.random(users) < 0.2] = 0
    bias = values(draw, "all sizes", items, 1)[:, 0] if draw.random() < 0.4 else None

    def some(share: float, shape: tuple[int, ...]) -> np.ndarray | None:
        return draw.random(shape) < share if draw.random() < 0.6 else None

    shape = (users, items)
    allowed = some(0.1, shape)
    limited = None if allowed is None else draw.random(users) < 0.5
    extra = some(0.05, shape)
    if extra is not None:
        extra = extra * draw.standard_normal(shape).astype(np.float32)
    return Case(left, right, bias, some(0.7, (items,)), some(0.3, shape), allowed, limited, extra, k)


@WAYS
@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from(VALUES), st.sampled_from(VALUES), st.integers(0, 12), st.integers(0, 1300),
    st.integers(1, 70), st.integers(1, 9),
)  # fmt: skip
def test_every_list_is_that_of_a_sort_of_all_scores(
    low: str, how: str, seed: int, left: str, right: str, users: int, items: int, width: int, k: int
) -> None:
    with tiny_tiles(low):
        case(seed, (left, right), users, items, width, k).check(compiled=how == "compiled")


@CUDA
@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(list(LOW)), st.integers(0, 10**6), st.sampled_from(VALUES), st.sampled_from(VALUES),
    st.integers(0, 12), st.integers(0, 1300), st.integers(1, 70), st.integers(1, 9),
)  # fmt: skip
def test_a_gpu_gives_the_same_bits(
    low: str, seed: int, left: str, right: str, users: int, items: int, width: int, k: int
) -> None:
    with tiny_tiles(low):
        case(seed, (left, right), users, items, width, k).check(device="cuda")


@CUDA
def test_a_gpu_gives_the_same_bits_with_its_own_tiles() -> None:
    few, filters, users = example(items=70_000)
    plain, found = (Engine(few.items, device=device).rank(users, few.k, filters) for device in ("cpu", "cuda"))
    assert found.items.tobytes() == plain.items.tobytes()
    assert found.scores.tobytes() == plain.scores.tobytes()


@WAYS
def test_what_the_low_type_puts_in_the_wrong_order_comes_in_the_right_one(low: str, how: str) -> None:
    draw = np.random.default_rng(3)
    users = draw.standard_normal((40, 24)).astype(np.float32)
    items = (draw.standard_normal((1, 24)) + 2e-3 * draw.standard_normal((900, 24))).astype(np.float32)
    made = Case(users, items, k=7)
    written = torch.from_numpy(users).bfloat16() @ torch.from_numpy(items).bfloat16().T
    rounded = torch.topk(written.float(), 7).indices.numpy()
    assert (np.sort(rounded) != np.sort(made.expected.items)).any(axis=1).all()  # nobody's list survives rounding
    with tiny_tiles(low):
        made.check(compiled=how == "compiled")


@pytest.mark.parametrize("low", LOW)
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(VALUES), st.sampled_from(VALUES), st.integers(1, 90))
def test_no_score_is_further_from_its_low_value_than_the_margin(
    low: str, seed: int, left: str, right: str, width: int
) -> None:
    draw = np.random.default_rng(seed)
    users, items = values(draw, left, 4, width), values(draw, right, 200, width)
    bias = values(draw, "all sizes", 200, 1)[:, 0] if seed % 2 else None
    with tiny_tiles(low):
        prepared = Engine(items, bias).catalogue
    made = prepared.users(torch.from_numpy(padded(users)))
    value = (made.low @ prepared.coarse[0])[:, : prepared.used(0)].double().numpy()
    exact = plain_scores(users, items[prepared.items], None if bias is None else bias[prepared.items])
    written = HALF_STEP[prepared.low] * np.abs(value) + TINY
    assert (np.abs(exact - value) <= prepared.margin.of(made)[0][:, None].numpy() + written).all()
    assert (exact <= prepared.margin.reach(made)[0][:, None].numpy()).all()


def example(users: int = 900, items: int = 3000, width: int = 20, k: int = 10) -> tuple[Case, Filters, np.ndarray]:
    draw = np.random.default_rng(5)
    left, right = (draw.standard_normal((n, width)).astype(np.float32) for n in (users, items))
    seen = sparse.random_array((users, items), density=0.002, format="csr", rng=draw)
    few = Case(left[:50], right, banned=seen[:50].toarray() != 0, k=k)
    return few, Filters(sparse.csr_array(seen)), left


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("how", ["torch", "compiled"])
@pytest.mark.parametrize("shape", [Shape(2048, 512, 128, 16_384), Shape(300, 100, 40, 512), Shape(500, 64, 500, 1024)])
def test_threads_blocks_and_tiles_change_no_bit(
    threads: int, how: str, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, filters, users = example()
    first = Engine(few.items, threads=1).rank(users, few.k, filters)
    assert first.items[:50].tolist() == few.expected.items.tolist()
    monkeypatch.setattr(catalogue, "CPU", shape)
    other = Engine(few.items, threads=threads)
    if how == "compiled":
        other.compile()
    before = torch.get_num_threads()
    found = other.rank(users, few.k, filters)
    assert torch.get_num_threads() == before
    assert found.items.tobytes() == first.items.tobytes()
    assert found.scores.tobytes() == first.scores.tobytes()


def test_it_compiles_once_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    few, filters, users = example()
    monkeypatch.setattr(engine, "COMPILED_AFTER", 4e6)
    made = Engine(few.items)
    lists, ways = [], []
    for _ in range(3):  # 2.7 million pairs each
        lists.append(made.rank(users, few.k, filters))
        ways.append(made.compiled)
    assert ways == [False, False, True]
    assert lists[0].items.tobytes() == lists[2].items.tobytes()


@WAYS
def test_ten_thousand_equal_items_come_by_index(low: str, how: str) -> None:
    items = np.tile(np.float32([1, 2]), (10_000, 1))
    banned = sparse.csr_array((np.ones(2, bool), ([0, 0], [1, 3])), shape=(2, 10_000))
    with tiny_tiles(low):
        made = Engine(items, threads=1)
    if how == "compiled":
        made.compile()
    found = made.rank(np.float32([[1, 1], [-1, 0]]), 4, Filters(banned))
    assert found.items.tolist() == [[0, 2, 4, 5], [0, 1, 2, 3]]
    assert found.scores.tolist() == [[3.0] * 4, [-1.0] * 4]


ITEMS = np.float32([[1, 0], [0, 1], [1, 1], [2, 0]])


def one(**filters: list) -> tuple[list, list]:
    """The list of the user (1, 2), whose scores are 1, 2, 3, 2."""
    arrays = {name: sparse.csr_array(np.array([row])) for name, row in filters.items() if name != "limited"}
    found = Engine(ITEMS).rank(np.float32([[1, 2]]), 3, Filters(**arrays, limited=filters.get("limited")))
    return found.items[0].tolist(), found.scores[0].tolist()


def test_equal_scores_go_to_the_smaller_index() -> None:
    assert one() == ([2, 1, 3], [3, 2, 2])


def test_banned_pairs_are_never_listed() -> None:
    assert one(banned=[False, True, True, False]) == ([3, 0, -1], [2, 1, -np.inf])


def test_a_limited_user_is_listed_what_is_allowed_and_nothing_else() -> None:
    allowed = [True, False, False, True]
    assert one(allowed=allowed, limited=np.array([True])) == ([3, 0, -1], [2, 1, -np.inf])
    assert one(allowed=allowed, limited=np.array([False])) == ([2, 1, 3], [3, 2, 2])
    assert one(allowed=[False] * 4, limited=np.array([True])) == ([-1] * 3, [-np.inf] * 3)


def test_extra_is_added_before_ranking() -> None:
    assert one(extra=[2.5, 0.0, -5.0, 0.0]) == ([0, 1, 3], [3.5, 2, 2])


def test_unavailable_items_are_never_listed() -> None:
    found = Engine(ITEMS, available=np.array([True, True, False, False])).rank(np.float32([[1, 2]]), 3)
    assert found.items.tolist() == [[1, 0, -1]]


def test_a_user_without_a_vector_gets_the_highest_bias() -> None:
    made = Engine(ITEMS, bias=np.float32([0, 5, -1, 5]))
    banned = sparse.csr_array(np.array([[False, True, False, False]]))
    assert made.rank(np.float32([[0, 0]]), 2).items.tolist() == [[1, 3]]
    assert made.rank(np.float32([[0, 0]]), 2, Filters(banned)).items.tolist() == [[3, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0**61])
def test_writtenthat_cannot_be_scored_with_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Engine(np.float32([[1, bad]]))
    with pytest.raises(ValueError, match="finite"):
        Engine(ITEMS, bias=np.float32([0, 0, 0, bad]))
    with pytest.raises(ValueError, match="finite"):
        Engine(ITEMS).rank(np.float32([[1, bad]]), 1)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 factors|3\\) cannot"):
        Engine(ITEMS).rank(np.ones((1, 3), np.float32), 1)
    with pytest.raises(ValueError, match="2 users and 4 items"):
        Engine(ITEMS).rank(np.ones((2, 2), np.float32), 1, Filters(sparse.csr_array((2, 5), dtype=bool)))
    with pytest.raises(ValueError, match="belong together"):
        Engine(ITEMS).rank(np.ones((1, 2), np.float32), 1, Filters(limited=np.array([True])))


@pytest.mark.parametrize("how", ["torch", "compiled"])
def test_memory_does_not_grow_with_users(how: str) -> None:
    """Of five rounds of calls one at least leaves the process as large as it was: what is kept is kept every time."""
    draw = np.random.default_rng(0)
    made = Engine(draw.standard_normal((2000, 16)).astype(np.float32), threads=2)
    if how == "compiled":
        made.compile()

    def grown() -> int:
        before = psutil.Process().memory_info().rss
        for _ in range(4):
            made.rank(draw.standard_normal((4_000, 16)).astype(np.float32), 10)
        return psutil.Process().memory_info().rss - before

    grown()
    assert min(grown() for _ in range(5)) < 1 << 20
