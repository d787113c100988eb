"""Faces: packages that hand on names of their modules, each loaded when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["face"]


def face(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package.

    Args:
        package: its name.
        places: name -> the module that has it.

    Example:
        >>> find, names = face("spaces", {"Shape": "spaces.tensors"})
        >>> find("Shape")(8, 4, 4).size, names()
        (128, ['Shape'])
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name]), name)

    return find, lambda: sorted(places)
