"""How often the loops of a C function run whose window slides over a feature map."""

from __future__ import annotations

from functools import lru_cache

from spaces.operators.kernel import KernelCall

__all__ = ["columns_before", "columns_inside", "rows_inside", "sliding", "window_counts"]


def sliding(call: KernelCall) -> dict[str, int]:
    """The call, and the rows and pixels of its output."""
    return {"call": 1, "row": call.out.height, "pixel": call.out.height * call.out.width}


def window_counts(call: KernelCall) -> tuple[int, int]:
    """Of the windows of all output pixels what lies inside the input: rows, and elements of one channel."""
    rows = sum(rows_inside(call))
    return rows * call.out.width, rows * sum(columns_inside(call))


def rows_inside(call: KernelCall) -> tuple[int, ...]:
    """For each row of the output, the rows of its window that lie inside the input."""
    return _inside(call.x.height, call.kernel[0], call.stride[0], call.pads[0], call.out.height)


def columns_inside(call: KernelCall) -> tuple[int, ...]:
    """For each column of the output, the columns of its window that lie inside the input."""
    return _inside(call.x.width, call.kernel[1], call.stride[1], call.pads[1], call.out.width)


def columns_before(call: KernelCall) -> tuple[int, ...]:
    """For each column of the output, the columns of its window that lie before the input."""
    return tuple(min(call.kernel[1], max(0, call.pads[1] - k * call.stride[1])) for k in range(call.out.width))


@lru_cache(maxsize=4096)
def _inside(size: int, kernel: int, stride: int, pad: int, out: int) -> tuple[int, ...]:
    """For each of `out` windows along one side, how much of it lies inside the input."""
    starts = [k * stride - pad for k in range(out)]
    return tuple(max(0, min(kernel, size - start) - max(0, -start)) for start in starts)
