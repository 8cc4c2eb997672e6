"""Makes the models importable with torch, numpy and pyarrow alone; imported before them by whoever promises that.

Packages that only annotations and unused paths of the models name are stood in for by empty ones where missing.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Empty(type):
    """A name that only appears in annotations of what is used here, with whatever is asked of it."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {})


class _Missing(ModuleType):
    """Stands in for a package that is not there."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_Empty(self.__name__, (), {}), name)


STOOD_IN_FOR: list[str] = []
"""What is not here."""
for _name in ("scipy", "scipy.sparse", "scipy.sparse.linalg", "safetensors", "safetensors.numpy"):
    try:
        importlib.import_module(_name)
    except ImportError:
        sys.modules[_name] = _Missing(_name)
        STOOD_IN_FOR.append(_name)
