"""Kernels that run row by row, so that of a wide tensor between them only the rows are there that are still read.

A *run* is a depthwise convolution, its middle, with the pointwise one before it, the one behind it, or both. The first
makes rows of the middle's window, each once; the middle makes a row of them, and the last one of the outputs of that
row. What the middle makes for the last lies over the first row of its window, which nothing reads any more, if that
is no shorter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from spaces.lanes import Number, largest
from spaces.operators.kernel import (
    C_FUNCTIONS,
    CFunction,
    InstructionSet,
    Kernel,
    KernelCall,
    c_call,
    c_function,
    c_kernel,
    words,
)

__all__ = ["BEFORE", "BEHIND", "BY_ROWS", "CALL", "Run", "with_followers"]

#: The C function; in its `groups`, whether there is something behind the middle, and before it.
BY_ROWS, BEHIND, BEFORE = "by_rows", 1, 2
#: Bytes of what it keeps of its state.
CALL = 88


class Run(NamedTuple):
    """The kernels of a run as calls for whole tensors.

    Args:
        before: the pointwise convolution before the middle, if there is one.
        middle: the depthwise convolution.
        behind: the pointwise convolution behind it, if there is one.
    """

    before: KernelCall | None
    middle: KernelCall
    behind: KernelCall | None

    @classmethod
    def of(cls, calls: Sequence[KernelCall]) -> Run:
        """The run of two or three calls."""
        first = int(calls[0].name != "depthwise")
        return cls(calls[0] if first else None, calls[first], calls[first + 1] if len(calls) > first + 1 else None)

    @classmethod
    def of_kernels(cls, kernels: Sequence[Kernel]) -> Run:
        """The run of two or three kernels in int8."""
        return cls.of([c_call(c_kernel(kernel, "int8"), kernel, "int8") for kernel in kernels])

    @property
    def parts(self) -> tuple[KernelCall, ...]:
        """Those that there are."""
        return tuple(part for part in self if part)

    @property
    def call(self) -> KernelCall:
        """The call of `nc_by_rows`: what its loops depend on is the middle, and what is around that."""
        return self.middle._replace(
            name=BY_ROWS, groups=BEHIND * (self.behind is not None) + BEFORE * (self.before is not None)
        )

    @property
    def rows(self) -> tuple[KernelCall, ...]:
        """What it has in the table of the C: that call and the parts."""
        return (self.call, *self.parts)

    def calls(self) -> list[tuple[KernelCall, ...]]:
        """That call, then those of each part, row by row.

        Example:
            >>> from spaces.tensors import Shape
            >>> x, wide, out = Shape(8, 6, 4), Shape(16, 6, 4), Shape(8, 3, 2)
            >>> found = Run(
            ...     KernelCall("conv", x, wide),
            ...     KernelCall("depthwise", wide, Shape(16, 3, 2), (3, 3), (2, 2), (1, 1), groups=16),
            ...     KernelCall("conv", Shape(16, 3, 2), out),
            ... ).calls()
            >>> [[(call.name, call.times) for call in part] for part in found]
            [[('by_rows', 1)], [('conv', 6)], [('depthwise', 1), ('depthwise', 2)], [('conv', 3)]]
            >>> [(call.x, call.pads) for call in found[2]]
            [(Shape(channels=16, height=2, width=4), (1, 1)), (Shape(channels=16, height=3, width=4), (0, 1))]
        """
        result: list[tuple[KernelCall, ...]] = [(self.call,)]
        if self.before:
            made = sum(len(rows) for rows in _made(self.middle))
            result.append((_row(self.before, 1, times=made),))
        windows = Counter(_window(self.middle, row) for row in range(self.middle.out.height))
        result.append(tuple(_row(self.middle, rows, top, n) for (top, rows), n in windows.items()))
        if self.behind:
            result.append((_row(self.behind, 1, times=self.behind.out.height),))
        return result

    def scratch(self, isa: InstructionSet) -> int:
        """Bytes of RAM beside its tensors: its state, the rows between its parts, and their own scratch."""
        return _scratch(self.call, isa) + self.part_scratch(isa)

    @property
    def handed(self) -> int:
        """Where in the scratch lies the row that the middle makes for the last."""
        window, own = _places(self.call)
        return CALL + window * (own > 0)

    def part_scratch(self, isa: InstructionSet) -> int:
        """Of all parts the largest scratch."""
        rows = [_row(self.middle, self.middle.kernel[0])]
        rows += [_row(part, 1) for part in (self.before, self.behind) if part]
        return words(largest(*(C_FUNCTIONS[row.name].scratch(row, isa) for row in rows)))

    def row(self, part: KernelCall) -> KernelCall:
        """The call of a part for one row of its output, the one that its weights are laid out for."""
        return _row(part, self.middle.kernel[0] if part is self.middle else 1)


def _row(call: KernelCall, rows: int, top: int = 0, times: int = 1) -> KernelCall:
    """A call that makes one row of its output, of so many of its input, with as many more above it as are missing."""
    x, out = call.x._replace(height=rows), call.out._replace(height=1)
    return call._replace(x=x, out=out, pads=(top, call.pads[1]), times=times)


def _window(call: KernelCall, row: int) -> tuple[int, int]:
    """Of the window of a row of the output: rows above the input, and rows of the input."""
    top = row * call.stride[0] - call.pads[0]
    first = max(0, top)
    return first - top, max(0, min(top + call.kernel[0], call.x.height) - first)


def _made(call: KernelCall) -> Iterator[range]:
    """For each row of the output the rows of the input that its window has and none before it."""
    behind = 0
    for row in range(call.out.height):
        top = row * call.stride[0] - call.pads[0]
        yield range(max(behind, top), max(behind, top, min(top + call.kernel[0], call.x.height)))
        behind = max(behind, top + call.kernel[0])


def _places(call: KernelCall) -> tuple[Number, Number]:
    """Bytes of a window between the parts, and of a row of its outputs, where it has a place of its own."""
    before, behind = call.groups >= BEFORE, call.groups % 2
    own = behind * (1 - before * (call.out.width <= call.x.width))
    return before * words(call.kernel[0] * call.x.width * call.x.channels), own * words(
        call.out.width * call.out.channels
    )


def _scratch(call: KernelCall, isa: InstructionSet) -> int:
    return CALL + sum(_places(call))


def _loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """Each `row` of the output is asked for rows `before` it, some are `made`, and it is handed to what is `behind`.

    From one window to the next the rows that both have are moved (`move`), by words (`word`) where they begin at such,
    else by bytes (`byte`); if they have any, and do not lie `apart`.
    """
    rows, before = call.out.height, call.groups >= BEFORE
    pitch, kept = call.x.width * call.x.channels, call.kernel[0] - call.stride[0]
    moves = (rows - 1) * (before and kept > 0)
    by_words = pitch * kept % 4 == pitch * call.stride[0] % 4 == 0
    return {
        "call": 1, "row": rows, "before": rows * before, "made": sum(map(len, _made(call))) * before,
        "behind": rows * (call.groups % 2), "apart": (rows - 1) * before - moves, "move": moves,
        "word": moves * kept * pitch // 4 * by_words, "byte": moves * kept * pitch * (not by_words),
    }  # fmt: skip


c_function(CFunction(
    BY_ROWS, {"int8": ("call", "row", "before", "made", "behind", "apart", "move", "word", "byte")}, _loops,
    scratch=_scratch,
))  # fmt: skip


def with_followers(kernels: Sequence[Kernel], output: int) -> tuple[Kernel, ...]:
    """Kernels of a layer, the first of each run with the number of those that follow it there.

    Args:
        kernels: of the layer, in the order of execution.
        output: the tensor that is left in the end.

    Example:
        >>> from spaces.tensors import Shape
        >>> x, wide = Shape(8, 6, 4), Shape(16, 6, 4)
        >>> chain = [
        ...     Kernel("pointwise", (0,), x, wide), Kernel("depthwise", (1,), wide, wide, (3, 3), groups=16),
        ...     Kernel("pointwise", (2,), wide, x),
        ... ]
        >>> [kernel.followers for kernel in with_followers(chain, output=3)]
        [2, 0, 0]
    """
    result, done = list(kernels), -1
    for k, kernel in enumerate(kernels):
        if not kernel.record.weights or c_kernel(kernel, "int8") != "depthwise":
            continue
        first = k - (k - 1 > done and _hands_on(kernels, k - 1, output) and _is_pointwise(kernels[k - 1]))
        done = k + (_hands_on(kernels, k, output) and _is_pointwise(kernels[k + 1]))
        result[first] = replace(kernels[first], followers=done - first)
    return tuple(result)


def _hands_on(kernels: Sequence[Kernel], k: int, output: int) -> bool:
    """Whether the next kernel reads what a kernel makes, and nothing else does."""
    readers = [reader for reader, kernel in enumerate(kernels) for source in kernel.inputs if source == k + 1]
    return readers == [k + 1] and kernels[k + 1].inputs == (k + 1,) and output != k + 1


def _is_pointwise(kernel: Kernel) -> bool:
    """Whether it makes each pixel of its output of the same pixel of its input."""
    return (
        kernel.record.weights
        and c_kernel(kernel, "int8") == "conv"
        and kernel.groups == 1
        and kernel.kernel == kernel.stride == (1, 1)
        and not any(kernel.pads)
    )
