import json
import os
import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from models.artefact import MANIFEST, META, TENSORS, ArtefactError, load_artefact, save_artefact

ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "ids": np.array([1, 2], dtype=np.int64)}
META_DATA = {"model_name": "test", "config": {"beta": 0.3}, "items": ["ä", "b"]}


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    arrays, meta = load_artefact(tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA))
    assert meta == META_DATA
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert arrays["ids"].dtype == np.int64


def test_equal_content_has_an_equal_version_and_other_content_another(tmp_path: Path) -> None:
    first = save_artefact(tmp_path, ARRAYS, META_DATA)
    assert save_artefact(tmp_path, dict(reversed(ARRAYS.items())), META_DATA) == first
    assert save_artefact(tmp_path, ARRAYS, {**META_DATA, "config": {"beta": 0.4}}) != first
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("name", [TENSORS, META, MANIFEST])
def test_one_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{folder.name}: refused, {name}"):
        load_artefact(folder)


def test_a_rewritten_manifest_does_not_help_a_changed_file(tmp_path: Path) -> None:
    folder = tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA)
    other = tmp_path / save_artefact(tmp_path, ARRAYS, {"model_name": "evil"})
    for name in (META, MANIFEST):
        (folder / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ArtefactError, match=r"manifest.json is not the one"):
        load_artefact(folder)


@pytest.mark.parametrize("name", ["model.pkl", "model.pt", "extra.npz", "code.py"])
def test_a_planted_file_is_refused_and_never_run(tmp_path: Path, name: str) -> None:
    folder = tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA)
    flag = tmp_path / "executed"
    (folder / name).write_bytes(pickle.dumps(Bomb(flag)))
    with pytest.raises(ArtefactError, match=f"unknown file {name}"):
        load_artefact(folder)
    assert not flag.exists()


def test_a_pickle_in_place_of_the_tensors_is_refused_and_never_run(tmp_path: Path) -> None:
    folder = tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA)
    flag = tmp_path / "executed"
    (folder / TENSORS).write_bytes(pickle.dumps(Bomb(flag)))
    with pytest.raises(ArtefactError, match="was changed"):
        load_artefact(folder)
    assert not flag.exists()


def test_a_missing_file_and_a_missing_folder_are_said(tmp_path: Path) -> None:
    folder = tmp_path / save_artefact(tmp_path, ARRAYS, META_DATA)
    (folder / META).unlink()
    with pytest.raises(ArtefactError, match=r"model.json cannot be read .*train again"):
        load_artefact(folder)
    with pytest.raises(ArtefactError, match="holds no model"):
        load_artefact(tmp_path / "0123456789ab")


def test_saving_repairs_a_damaged_version(tmp_path: Path) -> None:
    version = save_artefact(tmp_path, ARRAYS, META_DATA)
    os.truncate(tmp_path / version / TENSORS, 3)
    assert save_artefact(tmp_path, ARRAYS, META_DATA) == version
    assert load_artefact(tmp_path / version)[1] == META_DATA


def test_meta_must_be_plain_json(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_artefact(tmp_path, ARRAYS, {"when": date(2024, 1, 1)})
    assert json.dumps(META_DATA)
    assert list(tmp_path.iterdir()) == []
