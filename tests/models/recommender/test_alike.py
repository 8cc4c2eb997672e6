"""What is like the history, by what products say: against the sum written out."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import encode
from models.recommender import alike, occlusion
from models.recommender.configs import Alike
from models.recommender.floors import NotApplicable, fit
from models.recommender.history import history_weights
from tests.models.shop import MONDAY, described, random_rows, table

DAY = MONDAY + timedelta(20)
fast = settings(deadline=None, max_examples=20)


@fast
@given(st.integers(0, 10_000))
def test_scores_are_the_weighted_cosines_with_all_other_items_had(seed: int) -> None:
    data = described(encode(table(random_rows(seed)), DAY))
    config, users = Alike(gamma=0.8, max_events=6), np.arange(len(data.users))
    history = history_weights(data, users, alike.weighting(config)).toarray()
    cosine = (data.content @ data.content.T).toarray()
    np.fill_diagonal(cosine, 0)
    assert np.allclose(fit(data, config).scores(data, users), history @ cosine, atol=1e-5)


@fast
@given(st.integers(0, 10_000))
def test_what_is_lost_is_the_share_of_the_sum(seed: int) -> None:
    data = described(encode(table(random_rows(seed)), DAY))
    model, users = fit(data, Alike()), np.arange(len(data.users))
    items = np.tile(np.arange(len(data.items)), (len(users), 1))
    sources = occlusion.sources_of(data, users)
    history = history_weights(data, users, model.weighting).toarray()
    cosine = (data.content @ data.content.T).toarray()
    np.fill_diagonal(cosine, 0)
    found = model.lost(data, users, items, sources)
    for pair, (row, item) in enumerate(zip(sources.row, sources.item, strict=True)):
        total = history[row] @ cosine
        expected = np.where(total > 1e-4, history[row, item] * cosine[item] / np.maximum(total, 1e-4), 0)
        assert np.allclose(found[pair][total > 1e-4], expected[total > 1e-4], atol=1e-3)


def test_where_products_say_nothing_it_does_not_apply() -> None:
    with pytest.raises(NotApplicable, match="nothing is said of the products"):
        fit(encode(table([("a", "x", 1)]), DAY), Alike())
