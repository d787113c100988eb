"""The windows of a feature map, as numpy sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nascompile.operators.quantised_op import QuantisedOp

__all__ = ["windows"]


def windows(op: QuantisedOp, x: NDArray[Any], outside: int = 0) -> NDArray[Any]:
    """[n, c, h, w] -> [n, c, rows, columns, kernel rows, kernel columns]; `outside` stands around the input."""
    top, bottom, left, right = op.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=outside)
    return sliding_window_view(padded, op.kernel, (2, 3))[:, :, :: op.stride[0], :: op.stride[1]]
