"""The expression language evaluated by Python itself, on exact fractions: the meaning that the language must have."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, total_ordering
from itertools import chain
from typing import Any


class Many:
    """The decisions of a choice, or a derived quantity of all layers: `M[1]` is the first, `M[-1]` the last."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)

    def at(self, position: Fraction, from_end: bool) -> Any:
        if position.denominator != 1:
            raise TypeError
        if from_end and position < 0:
            position += len(self.values) + 1
        if not 1 <= position <= len(self.values):
            raise OutsideError
        return self.values[int(position) - 1]

    def part(self, first: Fraction | None, last: Fraction | None, first_from_end: bool, last_from_end: bool) -> Many:
        """`M[first:last]`, both ends included; None is either end."""
        ends = (Fraction(1) if first is None else first, Fraction(len(self.values)) if last is None else last)
        positions = []
        for end, from_end in zip(ends, (first_from_end, last_from_end), strict=True):
            self.at(end, from_end)
            positions.append(int(end + len(self.values) + 1 if from_end and end < 0 else end))
        if positions[0] > positions[1]:
            raise OutsideError
        return Many(self.values[positions[0] - 1 : positions[1]])


@total_ordering
class Real:
    """A floating-point number, which compares as such with exact ones."""

    def __init__(self, value: float) -> None:
        self.value = value

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: Any) -> bool:
        return self.value == float(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < float(other)


class OutsideError(Exception):
    """An index or a choice that does not exist here, or the least of nothing: the condition says nothing."""


def _flat(values: tuple[Any, ...]) -> list[Any]:
    return list(chain.from_iterable(v.values if isinstance(v, Many) else [v] for v in values))


def _some(values: tuple[Any, ...]) -> list[Any]:
    if not (flat := _flat(values)):
        raise OutsideError
    return flat


def _round_to(value: Fraction, multiple: Fraction) -> Fraction:
    below = value // multiple * multiple
    nearest = below if value - below < below + multiple - value else below + multiple
    return max(multiple, nearest)


_FUNCTIONS = {
    "sum": lambda *v: sum(_flat(v)),
    "min": lambda *v: min(_some(v)),
    "max": lambda *v: max(_some(v)),
    "abs": abs,
    "floor": lambda v: Fraction(v.__floor__()),
    "ceil": lambda v: Fraction(v.__ceil__()),
    "round_to": _round_to,
    "first": lambda v: v[0],
    "last": lambda v: v[-1],
    "true": True,
    "false": False,
    "_exact": Fraction,
}


class _Exact(ast.NodeTransformer):
    """Numbers become fractions, indices calls of `Many.at`; `and` and `or` give a truth value, not an operand."""

    def __init__(self, source: str) -> None:
        self.source = source

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, str) or node.value is None:
            return node
        return _call("_exact", ast.Constant(ast.get_source_segment(self.source, node)))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [_call("bool", self.visit(value)) for value in node.values])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        def from_end(end: ast.expr | None) -> ast.Constant:
            return ast.Constant(end is None or not any(isinstance(n, ast.Name) and n.id == "i" for n in ast.walk(end)))

        if isinstance(node.slice, ast.Slice):
            ends = (node.slice.lower, node.slice.upper)
            flags = [from_end(end) for end in ends]
            positions = [ast.Constant(None) if end is None else self.visit(end) for end in ends]
            return ast.Call(ast.Attribute(node.value, "part", ast.Load()), [*positions, *flags], [])
        at = ast.Attribute(node.value, "at", ast.Load())
        return ast.Call(at, [self.visit(node.slice), from_end(node.slice)], [])


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def exact(value: Any) -> Any:
    """A number as a Fraction, also within tuples and `Many`."""
    if isinstance(value, Many):
        return Many([exact(v) for v in value.values])
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    if isinstance(value, float):
        return Real(value)
    return value if isinstance(value, bool | str) else Fraction(value)


@cache
def _compiled(text: str) -> tuple[Any, list[Any]]:
    """Code for the text, and for each index in it."""
    tree = _Exact(text).visit(ast.parse(text, mode="eval"))
    indices = [
        ast.Expression(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in ("at", "part")
    ]
    return _code(tree), [_code(index) for index in indices]


def _code(tree: ast.Expression) -> Any:
    return compile(ast.fix_missing_locations(tree), "<expression>", "eval")


def value_of(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression.

    Raises:
        OutsideError: an index outside its choice or a choice that no layer here uses, also where `and` or `or` would
            never come to it.
    """
    whole, indices = _compiled(text)
    known = {**_FUNCTIONS, **{name: exact(value) for name, value in names.items()}}
    if not set(whole.co_names) <= {*known, "at", "part", "bool"}:
        raise OutsideError
    for index in indices:
        eval(index, known)
    return eval(whole, known)


@cache
def _mentions_i(text: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "i" for node in ast.walk(ast.parse(text)))


def instances(text: str, names: Mapping[str, Any], largest: int) -> Iterator[bool]:
    """The truth of a condition at every position `i` up to `largest` where all of its indices exist."""
    for i in range(1, largest + 1) if _mentions_i(text) else [0]:
        try:
            yield bool(value_of(text, {**names, "i": i}))
        except OutsideError:
            continue
