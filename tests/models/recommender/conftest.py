from collections.abc import Iterator

import pytest

from models.recommender import rules


@pytest.fixture(scope="module", params=[64, 3])
def near(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many candidates are looked at first must not matter."""
    before, rules.NEAR = rules.NEAR, request.param
    yield
    rules.NEAR = before
