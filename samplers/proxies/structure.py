"""What a network's graph tells: the MACs of what its output depends on, and where inputs pass unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplers.proxies.base import ClosedForm, Direction, Subject
from spaces.operators import Ops

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["LIVE_MACS", "SHORTCUTS", "LiveMacs", "Shortcuts", "hands_on", "live"]

#: Kinds of operators that hand their operands on.
_SUMS = ("add", "identity")


def live(ops: Ops) -> list[bool]:
    """Per operator of a layer, whether the layer's output depends on its input by way of it.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.language.cell import lower_cell
        >>> from spaces.tensors import Shape
        >>> cell = load_space("nasbench201_benchmark").cells["cell"]
        >>> dead = [(name,) for name in ("nor_conv_3x3", "none", "none", "nor_conv_1x1", "none", "nor_conv_3x3")]
        >>> ops = lower_cell(cell, Shape(16, 8, 8), dead)
        >>> [op.kernel for op, alive in zip(ops, live(ops)) if alive and op.macs]
        [(1, 1)]
    """
    # Zeros are not there, nor is what is made of them alone.
    there = [True]
    for op in ops:
        there.append(op.kind != "zeros" and any(there[source] for source in op.inputs))
    read = [False] * len(ops) + [True]
    for number in range(len(ops), 0, -1):
        for source in ops[number - 1].inputs if read[number] else ():
            read[source] = True
    return [there[k] and read[k] for k in range(1, len(ops) + 1)]


def hands_on(ops: Ops) -> bool:
    """Whether a layer adds its input, unchanged, to its output; an activation behind the sum is none of its business.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> from spaces.tensors import Shape
        >>> hands_on(residual(Shape(16, 8, 8), filters=16)), hands_on(residual(Shape(16, 8, 8), filters=32))
        (True, False)
    """
    itself, summed = {0}, set[int]()
    for number, op in enumerate(ops, start=1):
        if op.kind in _SUMS and itself.intersection(op.inputs):
            itself.add(number)
            if op.kind == "add" or summed.intersection(op.inputs):
                summed.add(number)
    return len(ops) in summed


@dataclass(frozen=True, kw_only=True)
class LiveMacs(ClosedForm):
    """Multiply-accumulates of what the output depends on: `macs` without dead edges, in whichever way a space counts.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("nasbench201_benchmark"))
        >>> cell = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
        >>> candidate = parse_candidate(program, cell)
        >>> candidate.costs["macs"] - int(LIVE_MACS.score(Subject(candidate=candidate)))  # a 3x3 convolution, 15 times
        35389440
    """

    name: str = "live_macs"
    better: Direction = "higher"
    cost: str = "none: a closed form of the candidate"
    randomness: str = "none"
    degenerate: str = "counts nothing of a layer whose output does not depend on its input"
    reference: str = "the space's cost model"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one candidate, as `Proxy.score` says."""
        steps = subject.chosen(self.name).steps
        return float(
            sum(op.macs for step in steps for op, alive in zip(step.ops, live(step.ops), strict=True) if alive)
        )


@dataclass(frozen=True, kw_only=True)
class Shortcuts(ClosedForm):
    """Layers that add their input, unchanged, to their output: residual blocks, and cells with a path of identities.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("nasbench201"))
        >>> cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
        >>> SHORTCUTS.score(Subject(candidate=parse_candidate(program, cell)))  # in each of its 15 cells
        15.0
    """

    name: str = "shortcuts"
    better: Direction = "higher"
    cost: str = "none: a closed form of the candidate"
    randomness: str = "none"
    degenerate: str = "0 for a plain chain, connected or not"
    reference: str = "own; chosen on NAS-Bench-201, better without a budget on TransNAS-Bench-101 and level within"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one candidate, as `Proxy.score` says."""
        return float(sum(hands_on(step.ops) for step in subject.chosen(self.name).steps))


LIVE_MACS = LiveMacs()
SHORTCUTS = Shortcuts()
