"""How far the effects of a model lie from 0: spreads chosen by what measurements say of others that are left out.

Spreads are made larger and smaller by a factor, one after another, until neither makes the error less. Whoever states
an error on a board chooses them from the other boards alone (nested cross-validation): chosen with that board, too, the
error would be too small. `benchmarks/latency.py --boards` does so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from nascompile.latency.boards import Measured, Spread, off_without

__all__ = ["chosen_spread", "descended"]

S = TypeVar("S", bound=Any)

#: All that is known of a runtime before it is measured is that it runs; so this is not chosen.
_CHOSEN = ("core", "board", "common", "publisher_kind", "core_kind", "board_kind", "noise")
#: Within these nothing is known for certain, and no figure is exact.
_LEAST, _MOST = 1 / 16, 4.0
_FACTOR = 4.0
#: A logarithm further off counts as this one.
_FARTHEST = 3.0


def chosen_spread(rows: Sequence[Measured]) -> Spread:
    """The spreads of the least error on what is left out: boards, and families of networks.

    Left out in turn is each board that others tell of, that is whose runtime as its publisher sets it, and whose core,
    were measured elsewhere, too; and each family of networks of a runtime and publisher. The mean errors of boards and
    of families weigh alike.

    Args:
        rows: what was measured; a family is the networks whose names begin with the same word.

    Example:
        >>> from nascompile.latency.data import Feature
        >>> mac = {Feature("conv", "mac"): 1_000_000, Feature("", "op"): 1}
        >>> row = Measured("mine", "Cortex-M4F", "a", "me", "net", mac, 2e6)
        >>> boards = [replace(row, board=name, cycles=2e6 * times) for name, times in zip("abcd", (1, 1.01, 0.99, 1))]
        >>> chosen_spread(boards).board < Spread().board
        True
    """
    families = _groups(rows, lambda row: (row.runtime, row.publisher, row.network.partition(" ")[0]))
    boards = [out for out in _groups(rows, lambda row: (row.runtime, row.publisher, row.board)) if _told(rows, out)]

    def error(spread: Spread) -> float:
        off = off_without(rows, spread, [*boards, *families])
        each = [float(np.abs(np.expm1(np.minimum(part, _FARTHEST))).mean()) for part in off]
        return float(np.mean([np.mean(part) for part in (each[: len(boards)], each[len(boards) :]) if part]))

    return descended(Spread(), _CHOSEN, error)


def descended(found: S, names: Sequence[str], error: Callable[[S], float]) -> S:
    """The dataclass whose named fields, made larger and smaller in turn, give the least error.

    Args:
        found: where to begin.
        names: of the fields.
        error: of a dataclass.

    Example:
        >>> descended(Spread(), ["noise"], lambda spread: abs(spread.noise - 1)).noise
        1.0
    """
    least = error(found)
    while True:
        before = found
        for name in names:
            for factor in (_FACTOR, 1 / _FACTOR):
                while _LEAST <= getattr(found, name) * factor <= _MOST:
                    tried = replace(found, **{name: getattr(found, name) * factor})
                    if (now := error(tried)) >= least:
                        break
                    found, least = tried, now
        if found == before:
            return found


def _groups(rows: Sequence[Measured], key: Callable[[Measured], object]) -> list[list[int]]:
    found: dict[object, list[int]] = {}
    for k, row in enumerate(rows):
        found.setdefault(key(row), []).append(k)
    return list(found.values())


def _told(rows: Sequence[Measured], out: Sequence[int]) -> bool:
    """Whether other rows tell of a board that is left out."""
    board = rows[out[0]]
    rest = [row for k, row in enumerate(rows) if k not in out]
    return any((row.runtime, row.publisher) == (board.runtime, board.publisher) for row in rest) and any(
        row.core == board.core for row in rest
    )
