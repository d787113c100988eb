"""How all drawings look, and how they are saved: the same data give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STYLE", "saved", "wide"]

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "nascompile",
}
#: A larger ratio of largest to smallest value is drawn on a logarithmic axis.
_WIDE = 100


def saved(figure: Figure, kind: str, dpi: int = 200) -> bytes:
    """A figure as a file: `png`, `svg`; pixels an inch count for what is drawn as pixels."""
    buffer = io.BytesIO()
    # Without a date, so that the same drawing gives the same bytes.
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def wide(values: NDArray[np.float64]) -> bool:
    """Whether values are told apart by their ratios only.

    Example:
        >>> wide(np.array([1.0, 1000.0])), wide(np.array([0.0, 1000.0])), wide(np.array([]))
        (True, False, False)
    """
    return bool(values.size and values.min() > 0 and values.max() > _WIDE * values.min())
