"""One block of a network as written, and the choices and repeats that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from spaces.blocks import Block
from spaces.errors import Span
from spaces.language.expressions import Expression, is_tuple
from spaces.operators import OPERATORS, Ops

__all__ = ["Choice", "LayerSpec", "Repeat", "Value", "option_label"]

Value = Any


def option_label(value: Value) -> str:
    """The text of one option in a candidate's line: `84`, `0.25`, `3x2`, `relu`, `true`.

    Example:
        >>> [option_label(v) for v in (84, Fraction(1, 4), (3, 2), True)]
        ['84', '0.25', '3x2', 'true']
    """
    if is_tuple(value):
        return "x".join(map(option_label, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Fraction):
        return format(Decimal(value.numerator) / Decimal(value.denominator), "f")
    return str(value)


@dataclass(frozen=True)
class Choice:
    """A named set of options.

    Args:
        name: as the file gives it.
        options: distinct values: int, Fraction, bool, str, or tuples of them.
        shared: False: every layer that uses it decides anew; "group": once per group; True: once per network.
        cell: the cell of which it is an edge, or the empty string.
    """

    name: str
    options: tuple[Value, ...]
    shared: bool | str
    span: Span
    cell: str = ""


@dataclass(frozen=True)
class Repeat:
    """How often a block or group stands in a row: a few numbers, or an expression over shared choices."""

    options: tuple[int, ...]
    expression: Expression | None
    span: Span


@dataclass(frozen=True, eq=False)
class LayerSpec:
    """One block of the network as written: literal arguments, or expressions over choices.

    Args:
        block: the registered block.
        arguments: literal values (already the block's own), Expressions, or tuples that contain Expressions.
        numbered: whether it is one of the numbered layers 1..L of EBS Eq. 4; None leaves it to the rule.
        dtype: data type of weights and output, an Expression, or None for the space's.
        bias: whether its operators with weights have a bias; None leaves it to the space.
        batch_norm: whether its convolutions may have a batch norm.
    """

    block: Block
    arguments: Mapping[str, Any]
    numbered: bool | None
    dtype: Any
    repeat: Repeat
    span: Span
    bias: bool | None = None
    batch_norm: bool = True

    def own(self, ops: Ops) -> Ops:
        """The operators of this layer with its own `bias` and `batch_norm`."""
        if self.bias is None and self.batch_norm:
            return ops
        bias = self.bias
        return tuple(
            replace(
                op,
                norm=op.norm and (self.batch_norm or OPERATORS[op.kind].normalises),
                bias=op.bias if bias is None else bias,
            )
            for op in ops
        )

    def evaluate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The block's arguments.

        Args:
            values: the value of every name that the layer's expressions use.

        Raises:
            Infeasible: these values describe no network.
            SpaceError: an expression gives a value of the wrong type.
        """
        return {key: self.value(key, values) for key in self.arguments}

    def value(self, key: str | None, values: Mapping[str, Any]) -> Any:
        """One argument, or the data type where the key is None; see `evaluate`."""
        value = self.dtype if key is None else self.arguments[key]
        if key is None:
            return value.evaluate(values) if isinstance(value, Expression) else value
        if not any(isinstance(p, Expression) for p in (value if is_tuple(value) else (value,))):
            return value
        if is_tuple(value):
            computed: Any = tuple([p.evaluate(values) if isinstance(p, Expression) else p for p in value])
        else:
            assert isinstance(value, Expression)
            computed = value.evaluate(values)
        kind = self.block.params[key]
        try:
            return kind.read(computed)
        except TypeError:
            parts = value if is_tuple(value) else (value,)
            expression = next(p for p in parts if isinstance(p, Expression))
            where = ", ".join(f"{n} = {option_label(v)}" for n, v in values.items())
            message = f"`{expression}` gives {option_label(computed)} for {where}, but `{key}` must be {kind.expected}"
            hint = "" if isinstance(computed, str) or kind.words else "use `//`, `floor` or `round_to(x, 8)`"
            if isinstance(computed, str) and computed.replace(".", "", 1).isdigit():
                hint = "the options are text: write numbers without quotes"
            raise expression.error("wrong-type", message, hint) from None

    def written(self, key: str | None) -> tuple[Any, ...]:
        """An argument, or the data type where the key is None, as it is written."""
        value = self.dtype if key is None else self.arguments[key]
        return tuple([p.text if isinstance(p, Expression) else p for p in (value if is_tuple(value) else (value,))])

    def reads(self, key: str | None) -> frozenset[str]:
        """The choices that an argument uses, or the data type where the key is None."""
        return self._reads[key]

    @cached_property
    def _reads(self) -> dict[str | None, frozenset[str]]:
        result: dict[str | None, frozenset[str]] = {}
        for key, value in ((None, self.dtype), *self.arguments.items()):
            parts = value if is_tuple(value) else (value,)
            result[key] = frozenset(name for p in parts if isinstance(p, Expression) for name in p.names)
        return result

    @cached_property
    def names(self) -> frozenset[str]:
        """The choices this layer uses, anywhere in its arguments."""
        return frozenset[str]().union(*self._reads.values())
