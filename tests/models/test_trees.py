"""Boosted trees: equal every time, exact again from their text, and said in one line where they cannot be had."""

import builtins
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from models import trees
from models.trees import NoTrees, Trees, grow, restore

PARAMETERS = {"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 5}


def rows(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(400, 3)).astype(np.float32)
    columns[::7, 2] = np.nan
    return columns, columns[:, 0] + draw.normal(size=400) > 0


def test_growing_again_gives_the_same_text_and_another_order_of_columns_does_not() -> None:
    columns, happened = rows()
    first = grow(columns, happened, PARAMETERS, 10)
    assert grow(columns, happened, PARAMETERS, 10).texts == first.texts
    assert grow(columns[:, ::-1], happened, PARAMETERS, 10).texts != first.texts


def test_what_comes_back_predicts_the_same_bit_for_bit() -> None:
    columns, happened = rows()
    grown = Trees([*grow(columns, happened, PARAMETERS, 10).texts, *grow(columns, ~happened, PARAMETERS, 5).texts])
    again = restore({**grown.arrays(), "other": np.zeros(1)})
    assert again.texts == grown.texts
    assert np.array_equal(again.predict(columns), grown.predict(columns))
    assert np.allclose(again.predict(columns[:1]), grown.predict(columns)[:1])


def test_stages_end_where_the_whole_ends_and_a_shorter_one_is_a_stage() -> None:
    columns, happened = rows()
    grown = grow(columns, happened, PARAMETERS, 10)
    stages = list(grown.staged(columns, 10, 5))
    assert len(stages) == 2
    assert np.allclose(stages[-1], grown.predict(columns))
    assert np.allclose(stages[0], grown.first(5).predict(columns))
    assert grown.gain()[0] > 0.5  # the column that decides
    assert grown.gain().sum() == pytest.approx(1)


def test_without_libgomp_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *rest: Any, **more: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(NoTrees, match=r"LightGBM cannot be loaded \(libgomp.so.1: .* apt-get install libgomp1"):
        grow(*rows(), PARAMETERS, 1)
    monkeypatch.undo()
    assert trees.grow(*rows(), PARAMETERS, 1).texts


def test_scikit_learn_is_not_loaded_for_it_and_can_be_loaded_after_it() -> None:
    said = (
        "import sys; from models import trees; trees.require(); assert 'sklearn' not in sys.modules;"
        " import sklearn; trees.require(); print(sklearn.__name__, 'lightgbm' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True)
    assert ran.stdout.split() == ["sklearn", "True"], ran.stderr
