"""The expression language evaluated by Python itself, on exact fractions: the meaning that the language must have."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
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
        if isinstance(node.value, str):
            return node
        return _call("_exact", ast.Constant(ast.get_source_segment(self.source, node)))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [_call("bool", self.visit(value)) for value in node.values])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        from_end = not any(isinstance(n, ast.Name) and n.id == "i" for n in ast.walk(node.slice))
        at = ast.Attribute(node.value, "at", ast.Load())
        return ast.Call(at, [self.visit(node.slice), ast.Constant(from_end)], [])


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def exact(value: Any) -> Any:
    """A number as a Fraction, also within tuples and `Many`."""
    if isinstance(value, Many):
        return Many([exact(v) for v in value.values])
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    return value if isinstance(value, bool | str) else Fraction(value)


@cache
def _compiled(text: str) -> tuple[Any, list[Any]]:
    """Code for the text, and for each index in it."""
    tree = _Exact(text).visit(ast.parse(text, mode="eval"))
    indices = [
        ast.Expression(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "at"
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
    if not set(whole.co_names) <= {*known, "at", "bool"}:
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
