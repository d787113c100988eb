"""What a block is: a function from an input shape and parameters to a few elementary operators.

A block file holds one function, `block`-decorated. Its keyword parameters, with the kinds below as annotations, *are*
the block's grammar in the space language; its returned operators carry all the arithmetic that costs need. Nothing
else has to be written for a new block: the compiler tabulates the operators, so every solver works for it.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, get_args, get_type_hints

from spaces.operators import Ops
from spaces.operators.activations import ACTIVATIONS
from spaces.tensors import Infeasible, Pair, Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BLOCKS",
    "Activation",
    "Block",
    "Count",
    "CountOrZero",
    "Edges",
    "Flag",
    "Kind",
    "Padding",
    "Window",
    "Word",
    "block",
]  # fmt: skip


class Kind(ABC):
    """What a block parameter may be; turns what the user wrote (or an expression's value) into the block's argument."""

    words: tuple[str, ...] = ()
    schema: dict[str, Any]
    expected: str

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The argument.

        Raises:
            Infeasible: the value is of the right type but describes nothing (a width of 0).
            TypeError: the value is of the wrong type.
        """


_EXPRESSION = {"type": "string", "description": "an expression over choices"}
_COUNT = {"anyOf": [{"type": "integer", "minimum": 1}, _EXPRESSION]}


def _count(value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if value < least:
        raise Infeasible(f"{value} is not positive" if least else f"{value} is negative")
    return value


class CountKind(Kind):
    """A positive integer; with `least=0`, 0 as well, which stands for none."""

    def __init__(self, least: int = 1) -> None:
        self.least = least
        self.expected = f"a {'positive ' if least else ''}whole number or an expression"
        self.schema = {"anyOf": [{"type": "integer", "minimum": least}, _EXPRESSION]}

    def read(self, value: Any) -> int:
        """See `Kind.read`."""
        return _count(value, self.least)


class PairKind(Kind):
    """Rows and columns: a positive integer for both, or two of them."""

    expected = "a positive whole number, two of them as [rows, columns], or an expression"
    schema = {"anyOf": [*_COUNT["anyOf"], {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}]}  # noqa: RUF012 - constant

    def read(self, value: Any) -> Pair:
        """See `Kind.read`."""
        if isinstance(value, tuple):
            if len(value) != 2:
                raise TypeError
            return _count(value[0]), _count(value[1])
        side = _count(value)
        return side, side


class PaddingKind(Kind):
    """`same`, `valid`, or explicit zeros on each side."""

    words = ("same", "valid")
    expected = "`same`, `valid`, a whole number, or two of them as [rows, columns]"
    schema = {  # noqa: RUF012 - constant
        "anyOf": [
            {"enum": ["same", "valid"]},
            {"type": "integer", "minimum": 0},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
            _EXPRESSION,
        ]
    }

    def read(self, value: Any) -> str | Pair:
        """See `Kind.read`."""
        if isinstance(value, str) and value in self.words:
            return value
        pair = value if isinstance(value, tuple) else (value, value)
        if len(pair) != 2 or any(isinstance(v, bool) or not isinstance(v, int) for v in pair):
            raise TypeError
        rows, columns = map(int, pair)
        if min(rows, columns) < 0:
            raise Infeasible(f"a padding of {min(rows, columns)} is negative")
        return rows, columns


class FlagKind(Kind):
    """`true` or `false`."""

    expected = "`true` or `false`"
    schema = {"anyOf": [{"type": "boolean"}, _EXPRESSION]}  # noqa: RUF012 - constant

    def read(self, value: Any) -> bool:
        """See `Kind.read`."""
        if not isinstance(value, bool):
            raise TypeError
        return value


class Word(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.expected = " or ".join(f"`{w}`" for w in words)
        self.schema = {"anyOf": [{"enum": list(words)}, _EXPRESSION]}

    def read(self, value: Any) -> str:
        """See `Kind.read`."""
        if not isinstance(value, str) or value not in self.words:
            raise TypeError
        return value


#: Annotations of block parameters.
Count = Annotated[int, CountKind()]
CountOrZero = Annotated[int, CountKind(least=0)]
Window = Annotated[Pair, PairKind()]
Padding = Annotated[str | Pair, PaddingKind()]
Flag = Annotated[bool, FlagKind()]
Activation = Annotated[str, Word(*(one.name for one in ACTIVATIONS.values() if one.word), "none")]


class Edges(Protocol):
    """What a block knows of the edges of its cell, in the order of its parameters."""

    @property
    def words(self) -> tuple[str, ...]:
        """What each can choose."""
        ...

    def reduced(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Choices without those that change nothing: [n, edges] -> the same with -1 for an edge that is not there."""
        ...

    def operator(self, word: str, x: Shape) -> Ops:
        """The operators that a word stands for, on an input."""
        ...

    def lower(self, x: Shape, chosen: Sequence[int]) -> Ops:
        """The operators of a cell: a choice per edge, -1 for one that is not there.

        Edge after edge: those of one have the same `origin`, those between them none.
        """
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """A registered block.

    Args:
        name: its word in the space language.
        lower: `(input shape, **arguments) -> operators`; raises `Infeasible`. Its numbers may be `spaces.lanes.Lanes`.
        numbered: whether its uses are the numbered layers 1..L of EBS Eq. 4 (global pooling and flattening are not).
        ranks: the input ranks it takes: 0 vectors, 1 series, 2 images.
        out_rank: the rank of its output; None keeps the input's.
        params: parameter kinds by name.
        defaults: default arguments by name; a parameter without one is required. None, which nobody can write, is for
            a default that follows from other parameters.
        pools_all: whether only vectors are left behind it, so that linear layers there are the classifier.
        classifies: whether it is not numbered there.
        edges: for a cell (`spaces.language.cell`): how its operators are chosen; None for every other block.
    """

    name: str
    lower: Callable[..., Ops]
    numbered: bool
    ranks: tuple[int, ...]
    out_rank: int | None
    params: dict[str, Kind]
    defaults: dict[str, Any]
    pools_all: bool = False
    classifies: bool = False
    edges: Edges | None = None

    @property
    def doc(self) -> str:
        """The first line of the block function's docstring."""
        return (inspect.getdoc(self.lower) or "").split("\n", 1)[0]


#: Every registered block by its word in the language.
BLOCKS: dict[str, Block] = {}


def block(
    name: str,
    *,
    numbered: bool = True,
    ranks: tuple[int, ...] = (2,),
    out_rank: int | None = None,
    pools_all: bool = False,
    classifies: bool = False,
) -> Callable[[Callable[..., Ops]], Callable[..., Ops]]:
    """Register a function as a block of the language; see `Block` for the arguments."""

    def register(function: Callable[..., Ops]) -> Callable[..., Ops]:
        hints = get_type_hints(function, include_extras=True)
        keywords = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        kinds = {p.name: _kind(hints[p.name]) for p in keywords}
        defaults = {p.name: p.default for p in keywords if p.default is not p.empty}
        BLOCKS[name] = Block(
            name, function, numbered, ranks, out_rank, params=kinds, defaults=defaults, pools_all=pools_all,
            classifies=classifies,
        )  # fmt: skip
        return function

    return register


def _kind(hint: Any) -> Kind:
    """The kind in an annotation: `Window`, or `Window | None`."""
    annotated = hint if hasattr(hint, "__metadata__") else get_args(hint)[0]
    return annotated.__metadata__[0]
