"""Parts side by side: their order is kept, and no result depends on how many run at once."""

import sys
import threading
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
import torch

from models.beside import side_by_side
from models.interactions import encode
from models.recommender import floors, popular
from models.recommender.blend import BlendModel
from models.recommender.configs import CONFIGS, NEW, REGULAR, Popular
from models.recommender.ranking import rank_users
from tests.models.shop import MONDAY, random_rows, table


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_two_parts_run_at_once_and_come_in_their_order(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=60)  # neither passes before the other is there

    def work(part: int) -> int:
        both.wait()
        return part * 10

    assert list(side_by_side(work, range(4))) == [0, 10, 20, 30]


def test_where_one_thread_is_allowed_there_is_one() -> None:
    torch.set_num_threads(1)
    assert set(side_by_side(lambda _: threading.get_ident(), range(4))) == {threading.get_ident()}


def test_what_a_part_raises_is_raised(two_threads: None) -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda part: 1 // part, [1, 0, 1]))


def test_lists_and_reasons_are_those_of_one_thread(two_threads: None) -> None:
    """A blend keeps its last answer for the reasons: never that of another block."""
    data = encode(table(random_rows(3, users=60, items=30, events=600)), MONDAY + timedelta(20))
    fitted = floors.fit_all(data, {name: CONFIGS[name] for name in ("item_knn", "transition", "frequent_items")})
    parts = {name: found.model for name, found in fitted.items() if not isinstance(found.model, floors.NotApplicable)}
    weights = {segment: dict.fromkeys(parts, 1 / len(parts)) for segment in (REGULAR, NEW)}

    def ranked() -> list[np.ndarray]:
        model, fill = BlendModel(parts, weights), popular.fit(data, Popular()).order
        everybody, everything = np.arange(len(data.users)), np.ones(len(data.items), dtype=bool)
        blocks = rank_users(model, data, everybody, 5, fill, everything, block_cells=1, with_evidence=True)
        return [
            np.concatenate(part)
            for part in zip(*((b.users, b.items, b.scores, b.evidence) for b in blocks), strict=True)
        ]

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns as often as they can
    together = [ranked() for _ in range(10)]
    sys.setswitchinterval(often)
    torch.set_num_threads(1)
    alone = ranked()
    assert all(np.array_equal(a, b) for again in together for a, b in zip(again, alone, strict=True))
    assert (alone[3] >= 0).any()
