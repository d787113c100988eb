"""Random uses of the registered blocks: any input that a block takes, with any arguments of its parameters' kinds."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from spaces.blocks import BLOCKS
from spaces.blocks.base import CountKind, FlagKind, Kind, PaddingKind, PairKind, Word
from spaces.operators import Ops
from spaces.tensors import Infeasible, Shape

__all__ = ["Lowered", "argument", "lowered"]


class Lowered(NamedTuple):
    """A block on some input with some arguments, and its operators."""

    name: str
    x: Shape
    arguments: dict[str, Any]
    ops: Ops


def argument(kind: Kind) -> st.SearchStrategy[Any]:
    """Any argument of a kind."""
    small = st.integers(1, 5)
    match kind:
        case CountKind(least=least):
            return st.integers(least, 5)
        case PairKind():
            return st.tuples(small, small)
        case PaddingKind():
            return st.sampled_from(["same", "valid"]) | st.tuples(st.integers(0, 2), st.integers(0, 2))
        case FlagKind():
            return st.booleans()
        case Word():
            return st.sampled_from(kind.words)
    raise AssertionError(kind)


@st.composite
def lowered(draw: st.DrawFn, names: tuple[str, ...] = ()) -> Lowered:
    """One of these blocks, or of all; parameters with a default are left to it now and then."""
    block = BLOCKS[draw(st.sampled_from(names or sorted(BLOCKS)))]
    rank = draw(st.sampled_from(block.ranks))
    side = st.integers(1, 12)
    x = Shape(draw(st.integers(1, 8)), draw(side) if rank == 2 else 1, draw(side) if rank else 1)
    arguments = {
        key: draw(argument(kind))
        for key, kind in block.params.items()
        if key not in block.defaults or draw(st.integers(0, 3))
    }
    try:
        return Lowered(block.name, x, arguments, block.lower(x, **arguments))
    except Infeasible:
        assume(False)
        raise
