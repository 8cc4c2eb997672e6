"""A model takes over only where it is better beyond doubt."""

import numpy as np

from models.choice import simplest_unbeaten

DRAW = np.random.default_rng(1)
NOISE = DRAW.normal(0, 0.1, 500)


def test_the_simplest_stays_where_the_others_are_no_better() -> None:
    assert simplest_unbeaten({"floor": NOISE, "line": NOISE + 0.01, "trees": NOISE[::-1]}) == "floor"


def test_each_must_beat_the_one_that_leads() -> None:
    line = NOISE - 0.05
    assert simplest_unbeaten({"floor": NOISE, "line": line, "trees": line}) == "line"
    assert simplest_unbeaten({"floor": NOISE, "line": NOISE, "trees": NOISE - 0.05}) == "trees"
