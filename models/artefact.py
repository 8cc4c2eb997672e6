"""Saved models: a folder of safetensors and JSON with a manifest. Loading one never executes code.

`manifest.json` lists every other file with its size and SHA-256. All are checked before any parser sees
them, and a file of any other name is refused whatever it holds. The digest of the manifest names the
version, so equal content has an equal version.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

MANIFEST, TENSORS, META = "manifest.json", "model.safetensors", "model.json"
VERSION_LENGTH = 12


class ArtefactError(ValueError):
    """The folder is not an artefact we wrote, or no longer the one we wrote. Nothing of it was loaded."""


def save_artefact(parent: Path, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> str:
    """Write `parent/<version>/` whole or not at all and return the version; the same content again changes nothing.

    `arrays`: numeric arrays by name. `meta`: anything JSON can hold; it must not hold times or paths, which would make
    equal models differ.
    """
    contents = {
        TENSORS: save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}),
        META: _json(meta),
    }
    files = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    contents[MANIFEST] = _json({"files": files})
    version = hashlib.sha256(contents[MANIFEST]).hexdigest()[:VERSION_LENGTH]
    target = parent / version
    if is_intact(target):
        return version
    parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=parent))
    try:
        for name, data in contents.items():
            with (staged / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        staged.chmod(0o755)
        if target.exists():  # damaged: what was there has just failed its check
            target.rename(staged / "damaged")
            shutil.rmtree(staged / "damaged")
        staged.rename(target)
    except OSError:
        if not is_intact(target):  # another process may have put the same content there first
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _fsync_folder(parent)
    return version


def load_artefact(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and meta of a checked artefact. Raises `ArtefactError` before anything is parsed that was not checked."""
    contents = _checked(folder)
    return load(contents[TENSORS]), json.loads(contents[META])


def is_intact(folder: Path) -> bool:
    try:
        _checked(folder)
    except ArtefactError:
        return False
    return True


def _checked(folder: Path) -> dict[str, bytes]:
    """The bytes of both files, read once and checked against the manifest, and the manifest against the name."""
    try:
        found = sorted(path.name for path in folder.iterdir())
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtefactError(f"{folder} holds no model ({error.strerror}); train again") from error
    extra = set(found) - {MANIFEST, TENSORS, META}
    if extra:
        raise ArtefactError(f"{folder}: refused, unknown file {min(extra)}; remove it or train again")
    if hashlib.sha256(manifest).hexdigest()[:VERSION_LENGTH] != folder.name:
        raise ArtefactError(f"{folder}: refused, {MANIFEST} is not the one this version was named after; train again")
    contents = {}
    files = json.loads(manifest)["files"]
    for name in (TENSORS, META):  # never a path the manifest makes up
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise ArtefactError(f"{folder}: {name} cannot be read ({error.strerror}); train again") from error
        if hashlib.sha256(data).hexdigest() != files[name]["sha256"]:
            raise ArtefactError(f"{folder}: refused, {name} was changed after it was written; train again")
        contents[name] = data
    return contents


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
