"""Classes as numbers from 0: words and numbers with gaps are mapped, and the map is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data

__all__ = ["normal_class", "numbered"]

_NORMAL = ("normal", "good", "ok", "healthy")


def numbered(labels: Sequence[str | int], order: tuple[str, ...] = ()) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers from 0, and the names they stand for.

    Args:
        labels: words or whole numbers.
        order: the names in their order, where a file declares it; else numbers go by value, words by alphabet.

    Example:
        >>> numbered(["on", "off", "on"])
        (array([1, 0, 1]), ('off', 'on'))
        >>> numbered([10, 2, 7])
        (array([2, 0, 1]), ('2', '7', '10'))
    """
    words = [str(label) for label in labels]
    names = order or tuple(sorted(set(words), key=_by_value))
    number = {name: i for i, name in enumerate(names)}
    # An image without boxes has no class; it gets the number after the last.
    return np.array([number.get(word, len(names)) for word in words], np.int64), names


def normal_class(
    source: str, names: tuple[str, ...], y: NDArray[np.int64], train: NDArray[np.bool_], given: str | None
) -> int:
    """The number of the class that is normal, for the detection of anomalies.

    It is the one `given`; else the only class of an official training part; else the one called normal, good, ok or
    healthy.

    Args:
        source: of the data, for messages.
        names: of the classes.
        y: [n], the classes.
        train: [n], whether the source says that an example is of the training part.
        given: the user's word.

    Raises:
        FileError: it is none of the classes, or cannot be told.
    """
    hint = f"name it by --normal, one of {', '.join(names)}"
    if given is not None:
        if given not in names:
            raise bad_data(f"`{source}` has no class `{given}`", hint, "which-normal")
        return names.index(given)
    only = np.unique(y[train])
    called = [i for i, name in enumerate(names) if name.lower() in _NORMAL]
    if len(only) == 1:
        return int(only[0])
    if len(called) != 1:
        raise bad_data(f"which class of `{source}` is normal cannot be told", hint, "which-normal")
    return called[0]


def _by_value(word: str) -> tuple[int, int, str]:
    """Whole numbers by value, before words by alphabet."""
    digits = word.removeprefix("-")
    return (0, int(word), word) if digits.isascii() and digits.isdigit() else (1, 0, word)
