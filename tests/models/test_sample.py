"""Samples are drawn, once and for all."""

import numpy as np

from models.sample import drawn


def test_all_where_they_are_few_and_else_a_mix_of_early_and_late_in_their_order() -> None:
    rows = np.arange(1000)
    assert drawn(rows, 1000) is rows
    few = drawn(rows, 100)
    assert np.array_equal(few, drawn(rows, 100))
    assert len(np.unique(few)) == 100
    assert (np.diff(few) > 0).all()
    assert 400 < few.mean() < 600
