"""Random shapes of operators to measure: every kernel, small and large, with borders, groups and odd channels."""

from __future__ import annotations

import random
from typing import get_args

from nascompile.operators import TIMED
from spaces.operators import C_FUNCTIONS, LOOPS, KernelCall
from spaces.operators.kernel import InstructionSet, words

__all__ = ["drawn_calls", "places", "weight_count"]

#: Most iterations of all loops of a call, so that a table of hundreds is run in seconds.
_ITERATIONS = 60_000
#: Draws after which a kernel that never fits is an error of the limits.
_TRIES = 2000


def drawn_calls(dtype: str, elements: int, weights: int, each: int = 24, seed: int = 0) -> tuple[KernelCall, ...]:
    """Calls of every kernel.

    Args:
        dtype: `int8` or `float32`.
        elements: most elements that a call may read and write together.
        weights: most weights of a call.
        each: calls per kernel, all different; convolutions, which have most loops, get more.
        seed: of the draws.

    Returns:
        Fewer where the limits leave fewer.

    Example:
        >>> calls = drawn_calls("int8", elements=20_000, weights=20_000, each=2)
        >>> len(calls) > 50, calls[0].name, drawn_calls("int8", 20_000, 20_000, each=2) == calls
        (True, 'conv', True)
    """
    rng = random.Random(seed)
    result: list[KernelCall] = []
    for name in LOOPS[dtype]:
        mine: dict[KernelCall, None] = {}
        for _ in range(_TRIES):
            call = TIMED[name].draw(rng, name)
            fits = places(call, dtype)[-1] <= elements and weight_count(call, dtype) <= weights
            if fits and sum(call.loops(dtype).values()) <= _ITERATIONS:
                mine[call] = None
            if len(mine) == each * TIMED[name].share:
                break
        result += mine
    return tuple(result)


def places(call: KernelCall, dtype: str) -> tuple[int, int, int, int]:
    """Where the tensors of a call lie behind its input: its output, its second operand, its scratch; and all elements.

    Example:
        >>> from spaces.tensors import Shape
        >>> places(KernelCall("add", Shape(3), Shape(3)), "int8")
        (4, 8, 12, 12)
    """
    function, whole = C_FUNCTIONS[call.name], words if dtype == "int8" else int
    out = whole(call.x.size)
    other = out + whole(call.out.size)
    scratch = other + whole(call.out.size) * (function.operands - 1)
    # Whichever core it is for.
    own = max(function.scratch_elements(call, dtype, isa) for isa in get_args(InstructionSet))
    return out, other, scratch, scratch + whole(own)


def weight_count(call: KernelCall, dtype: str) -> int:
    """Weights of a call."""
    weights = C_FUNCTIONS[call.name].weights
    return weights(call, dtype) if weights else 0
