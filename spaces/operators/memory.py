"""What operators and kernels hold in RAM while they run, one after another.

A tensor is needed from the step that makes it to the last one that reads it. Some write over what they read, and then
tensors share a buffer: a view; a sum that overwrites an operand; a kernel whose output lies over its input, so that
both begin, or both end, at the same place, whichever is larger. Where windows have several places, output and input
overlap from two ends of memory, with a gap (`spaces.operators.gap`). Kernels that run row by row
(`spaces.operators.rows`) lay out nothing before the last of them does; they do so where that takes less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from spaces.lanes import Number, largest
from spaces.operators.kernel import (
    Gap,
    InstructionSet,
    Kernel,
    gap_elements,
    over_elements,
    scratch_elements,
    words,
)
from spaces.operators.rows import Run
from spaces.tensors import Shape

if TYPE_CHECKING:
    from spaces.operators.base import Ops

__all__ = [
    "Age", "Buffers", "Step", "buffers", "kernel_steps", "live_buffers", "needed", "peak_bytes", "spans", "together",
]  # fmt: skip


class Step(NamedTuple):
    """What a kernel does to RAM.

    Args:
        inputs: the tensors that it reads: 0 is the first of all, k the output of the k-th step.
        size: of its output.
        view: its output is its first operand, as it lies there.
        elementwise: it may overwrite any operand of its output's size, element by element.
        scratch: what it needs beside its tensors.
        over: the same where its output lies over its operand, the only one; None where it cannot.
        gap: how far apart they have to be where they overlap otherwise, and what it then needs; None where they cannot.
    """

    inputs: tuple[int, ...]
    size: Number
    view: bool = False
    elementwise: bool = False
    scratch: Number = 0
    over: Number | None = None
    gap: Gap | None = None


class Age(NamedTuple):
    """When something was first put where a tensor lies: at one of some steps, as kernels write over their input or not.

    Args:
        least: not before this step.
        most: not after it.
    """

    least: int
    most: int


class Buffers(NamedTuple):
    """Which tensors share a buffer, and what each takes.

    Args:
        owner: the buffer of each tensor, by the first that lies in it.
        last: the last step that needs each tensor; one more than there are, where it is needed after all of them.
        scratch: of each step, but for one with a gap.
        sizes: of the tensors.
        gaps: of each step whose output overlaps its operand.
    """

    owner: list[int]
    last: list[int]
    scratch: list[Number]
    sizes: list[Number]
    gaps: list[Gap | None]

    def needed(self, steps: Sequence[Step], number: int) -> Any:
        """What is needed while a step runs."""
        total = sum([size for _, size in self.alive(number)]) + self.scratch[number - 1]
        gap = self.gaps[number - 1]
        if gap is None:
            return total
        x, out = self.sizes[steps[number - 1].inputs[0]], self.sizes[number]
        return total - x - out + together(x, out, gap)

    def alive(self, step: int) -> list[tuple[int, Number]]:
        """The buffers that are needed while a step runs, and their sizes then."""
        found: dict[int, Number] = {}
        for tensor in range(step + 1):
            if self.last[tensor] >= step:
                own, size = self.owner[tensor], self.sizes[tensor]
                found[own] = largest(found[own], size) if own in found else size
        return list(found.items())


def kernel_steps(
    kernels: Sequence[Kernel], x: Shape, dtype: str, isa: InstructionSet, width: int = 1, align: int = 1
) -> list[Step]:
    """What kernels do to RAM, in multiples of `align` bytes.

    Args:
        kernels: one after another.
        x: shape of what the first of them reads.
        dtype: `int8` or `float32`.
        isa: instruction set of the core.
        width: bytes of an element.
        align: every buffer takes a multiple of so many bytes.
    """
    shapes = [x, *(kernel.out for kernel in kernels)]
    return _steps(kernels, shapes, spans(kernels, x, dtype, isa), (dtype, isa), width=width, align=align)


def _steps(
    kernels: Sequence[Kernel], shapes: Sequence[Shape], spans: Sequence[range], core: tuple[str, InstructionSet],
    width: int = 1, align: int = 4,
) -> list[Step]:  # fmt: skip
    """What kernels do to RAM, some of them together: `core` is the data type and the instruction set."""
    steps, (dtype, isa) = list[Step](), core
    for span in spans:
        some = [kernels[k] for k in span]
        if len(some) > 1:
            steps += _row_steps(some, isa)
            continue
        (kernel,) = some
        inputs, kind = [shapes[k] for k in kernel.inputs], kernel.record
        over, gap = over_elements(kernel, inputs, dtype, isa), gap_elements(kernel, inputs, dtype, isa)
        scratch = scratch_elements(kernel, inputs, dtype, isa)
        steps.append(Step(
            kernel.inputs, _rounded(kernel.out.size * width, align), view=kind.view, elementwise=kind.in_place,
            scratch=_rounded(scratch * width, align), over=None if over is None else _rounded(over * width, align),
            gap=None if gap is None else Gap(*(_rounded(part * width, align) for part in gap)),
        ))  # fmt: skip
    return steps


def _row_steps(kernels: Sequence[Kernel], isa: InstructionSet) -> list[Step]:
    """Row by row: until the last step their input is there, and nothing else."""
    (x,), size = kernels[0].inputs, words(kernels[0].x.size)
    return [
        *(Step((x,), size, view=True) for _ in kernels[1:]),
        Step((x,), words(kernels[-1].out.size), scratch=Run.of_kernels(kernels).scratch(isa)),
    ]


def spans(kernels: Sequence[Kernel], x: Shape, dtype: str, isa: InstructionSet) -> list[range]:
    """Which kernels run one by one, and which together, row by row.

    Of the ways to run what may run together that which takes the least RAM, by itself, with its input there in the end
    if anything else reads that; of several the one with fewer rows, which takes fewer instructions.

    Args:
        kernels: one after another, of a layer or of a network.
        x: shape of what the first of them reads.
        dtype: `int8` or `float32`, in which none run together.
        isa: instruction set of the core.

    Returns:
        Positions of kernels, in their order.

    Example:
        >>> from spaces.blocks.inverted_residual import inverted_residual
        >>> from spaces.runtimes.kernels import layer_kernels
        >>> x = Shape(16, 32, 32)
        >>> found, _ = layer_kernels(inverted_residual(x, filters=16), x)
        >>> spans(found, x, "int8", "simd"), spans(found, x, "float32", "simd")
        ([range(0, 3), range(3, 4)], [range(0, 1), range(1, 2), range(2, 3), range(3, 4)])
    """
    found, k = list[range](), 0
    while k < len(kernels):
        behind = k + 1 + (kernels[k].followers if dtype == "int8" else 0)
        if behind == k + 1:
            found.append(range(k, behind))
        else:
            (source,) = kernels[k].inputs
            kept = any(source in kernel.inputs for kernel in kernels[k + 1 :])
            found += [range(k + way.start, k + way.stop) for way in _best(kernels[k:behind], isa, kept=kept)]
        k = behind
    return found


def _best(kernels: Sequence[Kernel], isa: InstructionSet, *, kept: bool) -> list[range]:
    """Of the ways to run a chain of kernels the one that takes the least."""
    chain = [replace(kernel, inputs=(k,)) for k, kernel in enumerate(kernels)]
    shapes, n = [chain[0].x, *(kernel.out for kernel in chain)], len(chain)
    # In the end somebody reads the input once more.
    end = [Step((0, n), 0)] * kept
    alone = [range(k, k + 1) for k in range(n)]
    together = [range(k, k + m) for m in range(2, n + 1) for k in range(n - m + 1)]
    least, best = None, alone
    for way in (alone, *([*alone[: run.start], run, *alone[run.stop :]] for run in together)):
        peak = needed(words(shapes[0].size), [*_steps(chain, shapes, way, ("int8", isa)), *end], n)
        if least is None or peak < least:
            least, best = peak, way
    return best


def _rounded(size: Number, align: int) -> Number:
    return -(-size // align) * align


def buffers(x: Number, steps: Sequence[Step], output: int | None = None, *, newest: bool = True) -> Buffers:
    """The buffers of a network, or of a layer.

    Nobody else needs what is overwritten. Where an operand could be overwritten at the price of more scratch, it is
    where that takes less in all.

    Args:
        x: size of the first tensor.
        steps: what runs, in this order.
        output: the tensor that is left in the end; the last one unless it is given.
        newest: whether all else that is alive beside these was there before the first tensor.

    Example:
        >>> chain = [Step((0,), 6, over=1, scratch=1), Step((1,), 4, elementwise=True), Step((2,), 2)]
        >>> found = buffers(4, chain)
        >>> found.owner, [sum(size for _, size in found.alive(k)) + found.scratch[k - 1] for k in (1, 2, 3)]
        ([0, 0, 2, 3], [7, 10, 6])
    """
    end = len(steps)
    last = list(range(end + 1))
    for k, step in enumerate(steps, 1):
        for source in step.inputs:
            last[source] = k
    # It is read when all is done, so that the last step cannot overwrite it either.
    last[end if output is None else output] = end + 1
    sizes: list[Number] = [x, *(step.size for step in steps)]
    owner, scratch, until, gaps = [0], list[Number](), {0: last[0]}, list[Gap | None]()
    ages = [Age(0, 0)]
    for k, step in enumerate(steps, 1):
        over = step.inputs[0] if step.view else _overwritten(step, sizes, owner, until, k)
        alone = len(step.inputs) == 1 and until[owner[step.inputs[0]]] <= k
        gaps.append(_gap(step, sizes) if alone and _is_newest(step.inputs[0], ages, last, k, newest=newest) else None)
        ages.append(
            Age(ages[step.inputs[0]].least if alone else k, k) if over is None or step.over is not None else ages[over]
        )
        owner.append(k if over is None else owner[over])
        until[owner[k]] = max(until.get(owner[k], k), last[k])
        own = step.scratch if over is None or step.over is None else step.over
        scratch.append(own if gaps[-1] is None else 0)
    return Buffers(owner, last, scratch, sizes, gaps)


def _overwritten(
    step: Step, sizes: Sequence[Number], owner: Sequence[int], until: dict[int, int], number: int
) -> int | None:
    """The operand in whose place the output is written: nothing reads it later."""
    dead = [source for source in step.inputs if until[owner[source]] <= number]
    if step.elementwise:
        return next((source for source in reversed(dead) if sizes[source] == step.size), None)
    if step.over is None or not dead:
        return None
    x = sizes[dead[0]]
    return dead[0] if largest(x, step.size) + step.over < x + step.size + step.scratch else None


def _is_newest(source: int, ages: Sequence[Age], last: Sequence[int], number: int, *, newest: bool) -> bool:
    """Whether all that is alive beside its operand was there before that, so that free memory is at one of its ends."""
    least = ages[source].least
    others = [tensor for tensor in range(number) if last[tensor] >= number and ages[tensor] != ages[source]]
    return (newest or least > 0) and all(ages[tensor].most < least for tensor in others)


def _gap(step: Step, sizes: Sequence[Number]) -> Gap | None:
    """The gap of a step whose output overlaps its operand, if that takes less."""
    if step.gap is None:
        return None
    x = sizes[step.inputs[0]]
    return step.gap if together(x, step.size, step.gap) < x + step.size + step.scratch else None


def together(x: Number, out: Number, gap: Gap) -> Any:
    """What an output and its input take with a gap, whichever of them comes first, each at an end of it."""
    return largest(x + gap.before, out + gap.behind, out + gap.beside)


def needed(x: Number, steps: Sequence[Step], output: int | None = None, *, newest: bool = True) -> Any:
    """What is needed at once, at most; see `buffers`.

    Example:
        >>> needed(4, [Step((0,), 6, scratch=3), Step((1,), 2)])
        13
    """
    found = buffers(x, steps, output, newest=newest)
    return largest(x, *[found.needed(steps, k) for k in range(1, len(steps) + 1)])


def peak_bytes(ops: Ops, x_bytes: int, width: int) -> int:
    """Most bytes of tensors alive at once while operators run in order.

    A tensor lives from the step that makes it to the last step that reads it; the block's output lives to the end.
    An in-place operator writes into the buffer of its last operand.

    Args:
        ops: the operators; operand 0 is the block's input.
        x_bytes: bytes of the block's input.
        width: bytes per element of every other tensor.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> peak_bytes(residual(Shape(16, 8, 8), filters=16), 4096, 4)
        12288
    """
    buffer, alive = live_buffers(ops)
    held = {0: x_bytes}
    for own, op in zip(buffer[1:], ops, strict=True):
        size = op.out.size * width
        held[own] = largest(held[own], size) if own in held else size
    return largest(*[sum([held[own] for own in here]) for here in alive])


def live_buffers(ops: Ops) -> tuple[list[int], list[list[int]]]:
    """The buffer of each tensor, and those alive at each step; see `peak_bytes`.

    A buffer goes by the step that makes it, the input's by 0.

    Args:
        ops: the operators; operand 0 is the block's input.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> live_buffers(residual(Shape(16, 8, 8), filters=16))
        ([0, 1, 2, 2], [[0, 1], [0, 1, 2], [0, 2]])
    """
    buffer, last = [0], {0: 0}
    for k, op in enumerate(ops, start=1):
        own = buffer[op.inputs[-1]] if op.in_place else k
        for source in op.inputs:
            last[buffer[source]] = k
        # What nothing reads lives while it is made.
        last[own] = k
        buffer.append(own)
    last[buffer[-1]] = len(ops)
    here = [0] if last[0] else []
    alive: list[list[int]] = []
    for k in range(1, len(ops) + 1):
        if buffer[k] == k:
            here.append(k)
        alive.append(here)
        here = [own for own in here if last[own] > k]
    return buffer, alive
