"""Constraints of a space, made concrete for one variant and sorted by how they can be enforced.

`M[i] >= M[i+1]` becomes one ground tree per valid i, whose names are decision labels (`M[3]`), derived quantities
(`height[2]`) and metrics (`rom`). Each ground tree then takes one of four ways: a limit on the RAM, an additive limit
(anything linear in decisions and additive metrics), a relation that the compiler enforces by carrying a few decisions
in its state, or a residual that only CP-SAT handles. The entropy has a fifth way, which ends as an additive limit: what
the widths must add up to depends on the size of the last feature map, see `spaces.program.entropy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import product
from math import lcm, prod
from typing import Any

from spaces.errors import ExpressionError
from spaces.language.expressions import (
    COMPARISONS,
    Binary,
    Expr,
    Expression,
    FunctionCall,
    Index,
    Literal,
    Name,
    Slice,
    Unary,
    children,
    evaluate,
    plain,
    rewrite,
    walk,
)
from spaces.language.space import DERIVED, METRICS, NETWORK_VALUES, Space
from spaces.program.variants import Variant

__all__ = [
    "Condition",
    "EntropyLimit",
    "Linear",
    "RamLimit",
    "Relation",
    "classify",
    "divisors",
    "ground",
    "labels",
    "relations",
]

#: A relation is carried in the compiler's state while the carried decisions have at most this many combinations.
MAX_CARRIED = 4096
_FEW = 64

ADDITIVE = tuple(m for m in METRICS if m != "ram")


class _NotApplicable(Exception):  # noqa: N818 - a signal, not an error
    """An index, or a choice, is outside this variant."""


@dataclass(frozen=True)
class Linear:
    """sum of coefficients * names <= bound, over decision labels and additive metrics, in whole numbers."""

    coefficients: Mapping[str, int]
    bound: int
    text: str

    @property
    def metric(self) -> str:
        """The additive metric that `bound` bounds from above; empty for any other sum."""
        name = next(iter(self.coefficients), "")
        return name if name in ADDITIVE and self.coefficients == {name: 1} else ""


@dataclass(frozen=True)
class RamLimit:
    """RAM <= bound, in bytes."""

    bound: int
    text: str


@dataclass(frozen=True)
class EntropyLimit:
    """The entropy (EBS Eq. 6) compared with a number, as floating-point numbers: `op` is <=, <, >= or >."""

    op: str
    value: float
    text: str


@dataclass(frozen=True)
class Relation:
    """Any other condition on decisions and derived quantities.

    Args:
        tree: the ground condition.
        expression: the constraint that it is part of.
        residual: whether the graph leaves it to the engines, as where its state would be too large.
        partial: whether it may have no value, and then does not hold, instead of being a mistake: where it is set apart
            from another relation that excludes, say, what it would divide by.
    """

    tree: Expr
    expression: Expression
    residual: bool
    partial: bool = False

    def holds(self, names: Mapping[str, object]) -> bool:
        """Whether the condition is true for these values.

        Raises:
            ExpressionError: it has no value, and is not partial.
        """
        try:
            return bool(Expression(self.expression.text, self.tree, self.expression.span).evaluate(names))
        except ExpressionError:
            if self.partial:
                return False
            raise


#: A ground condition, sorted by how it is enforced.
Condition = Linear | RamLimit | EntropyLimit | Relation


def labels(tree: Expr) -> set[str]:
    """The names of a ground tree."""
    return {node.name for node in walk(tree) if isinstance(node, Name)}


def ground(expression: Expression, variant: Variant) -> list[Expr]:
    """The ground conditions of a constraint in a variant; empty where none of its indices exists there."""
    has_index = any(isinstance(n, Name) and n.name == "i" for n in walk(expression.tree))
    trees = []
    for i in range(1, max(len(variant.decisions), variant.depth) + 1) if has_index else (0,):
        try:
            trees.append(_substitute(expression, variant, i))
        except _NotApplicable:
            continue
    options = {d.label: d.options for d in variant.decisions}
    return [part for tree in trees for part in _conditions(tree, options)]


def _conditions(tree: Expr, options: Mapping[str, tuple[Any, ...]]) -> Iterator[Expr]:
    """What `and` joins, each on its own; a part that may divide by zero stays behind those that guard it."""
    before: list[Expr] = []
    for part in _conjuncts(tree):
        guards = before if any(_can_be_zero(divisor, options) for divisor in divisors(part)) else []
        yield reduce(lambda a, b: Binary("and", a, b), [*guards, part])
        before.append(part)


def _conjuncts(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Binary) and tree.op == "and":
        yield from _conjuncts(tree.left)
        yield from _conjuncts(tree.right)
    else:
        yield tree


def divisors(tree: Expr) -> Iterator[Expr]:
    """What a tree divides by, but for numbers other than zero.

    Example:
        >>> from spaces.language.expressions import parse
        >>> list(divisors(parse("M[1] // 2 > 8 % M[2]").tree))
        [Index(name='M', position=Literal(value=2))]
    """
    match tree:
        case Binary("/" | "//" | "%", _, divisor) | FunctionCall("round_to", (_, divisor)):
            if not (isinstance(divisor, Literal) and divisor.value):
                yield divisor
        case _:
            pass
    for child in children(tree):
        yield from divisors(child)


def _can_be_zero(tree: Expr, options: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether a value may be zero; true where that is not seen at once."""
    names = sorted(labels(tree))
    if isinstance(tree, Name) and tree.name.partition("[")[0] in DERIVED:
        return False
    if any(name not in options for name in names) or prod(len(options[name]) for name in names) > MAX_CARRIED:
        return True
    try:
        return any(
            evaluate(tree, dict(zip(names, values, strict=True))) == 0
            for values in product(*(options[name] for name in names))
        )
    except (ZeroDivisionError, TypeError, AttributeError, IndexError):
        return True


def _substitute(expression: Expression, variant: Variant, i: int) -> Expr:
    known = {**variant.constants, "i": i, "depth": variant.depth}

    def change(tree: Expr) -> Expr:
        match tree:
            case Name(name) if name in known:
                return Literal(known[name])
            case Index(name, position):
                return Name(_label(expression, variant, name, position, known))
            case FunctionCall("sum" | "min" | "max" as function, arguments):
                terms = [_all_of(expression, variant, argument, known) for argument in arguments]
                return _aggregate(function, [term for some in terms for term in some])
            case _:
                return tree

    tree = rewrite(expression.tree, change)
    # A choice that only another case of a switch uses decides nothing here.
    if any(n not in NETWORK_VALUES and "[" not in n for n in labels(tree) - {d.label for d in variant.decisions}):
        raise _NotApplicable
    return tree


def _label(expression: Expression, variant: Variant, name: str, position: Expr, known: Mapping[str, object]) -> str:
    return f"{name}[{_position(expression, variant, name, position, known)}]"


def _position(expression: Expression, variant: Variant, name: str, position: Expr, known: Mapping[str, object]) -> int:
    """An index, from 1.

    Raises:
        _NotApplicable: there is no such use or layer in this variant.
        ExpressionError: it is no whole number, or depends on a decision.
    """
    free = any(node == Name("i") for node in walk(position))
    if unknown := sorted(labels(position) - set(known)):
        if unknown[0] not in {d.choice for d in variant.decisions}:
            raise _NotApplicable
        message = f"`{unknown[0]}` in the index of `{name}` differs from network to network"
        raise expression.error("bad-index", message, "an index has numbers, `i`, `depth` and what `repeat` depends on")
    at = Expression(expression.text, position, expression.span).evaluate(known)
    if isinstance(at, bool) or not isinstance(at, int):
        raise expression.error("bad-index", f"the index of `{name}` is not a whole number", "write `M[1]` or `M[i+1]`")
    count = _count(variant, name)
    # Only an index as written counts from the end: `M[i-2]` at i = 1 is outside, not the last.
    if at < 0 and not free:
        at += count + 1
    if not 1 <= at <= count:
        raise _NotApplicable
    return at


def _count(variant: Variant, name: str) -> int:
    """How many uses a choice has, or how many layers a derived quantity."""
    return variant.depth if name in DERIVED else variant.count(name)


def _all_of(expression: Expression, variant: Variant, term: Expr, known: Mapping[str, object]) -> list[Expr]:
    """What an argument stands for: all decisions of a choice or layers of a derived quantity, some, or itself."""
    match term:
        case Slice(name, first, last):
            ends = (Literal(1) if first is None else first, Literal(_count(variant, name)) if last is None else last)
            begin, end = (_position(expression, variant, name, position, known) for position in ends)
            if end < begin:
                raise _NotApplicable
            return [Name(f"{name}[{k}]") for k in range(begin, end + 1)]
        case Name(name) if name in DERIVED:
            return [Name(f"{name}[{i}]") for i in range(1, variant.depth + 1)]
        case Name(name) if "[" not in name and name not in NETWORK_VALUES:
            return [Name(d.label) for d in variant.decisions if d.choice == name]
        case _:
            return [term]


def _aggregate(function: str, terms: list[Expr]) -> Expr:
    if not terms and function != "sum":
        raise _NotApplicable
    return FunctionCall(function, tuple(terms)) if terms else Literal(0)


def relations(space: Space, variant: Variant) -> list[Relation]:
    """The relations of a variant that its graph has, so that a network that breaks one does not exist."""
    found = [c for e in space.constraints for tree in ground(e, variant) for c in classify(tree, e, variant)]
    return [c for c in found if isinstance(c, Relation) and not c.residual]


def classify(tree: Expr, expression: Expression, variant: Variant) -> list[Condition]:
    """How a ground condition is enforced; see the module's text. An empty list: it always holds.

    Raises:
        ExpressionError: a condition about the entropy that does not just compare it with a number.
    """
    names = labels(tree)
    if not names:
        always = Expression(expression.text, tree, expression.span).evaluate({})
        return [] if always else [Linear({}, -1, expression.text)]
    if "entropy" in names:
        return list(_entropy_limits(tree, expression))
    if limit := _ram_limit(tree, expression):
        return [limit]
    domains = {d.label: len(d.options) for d in variant.decisions}
    # A derived quantity may take many values; its number of values is bounded by the states themselves.
    combinations = prod(domains.get(n, 8) for n in names)
    linear = _linear_limits(tree, expression, variant)
    metrics = names & set(METRICS)
    if linear is not None and (metrics or combinations > _FEW):
        return list(linear)
    return [Relation(tree, expression, residual=bool(metrics) or combinations > MAX_CARRIED)]


def _ram_limit(tree: Expr, expression: Expression) -> RamLimit | None:
    match tree:
        case Binary("<=" | "<" as op, Name("ram"), Literal(int() | Fraction() as value)):
            pass
        case Binary(">=" | ">" as op, Literal(int() | Fraction() as value), Name("ram")):
            pass
        case _:
            return None
    return RamLimit(_strictly_below(value) if op in "<>" else value.__floor__(), expression.text)


_TURNED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<"}


def _entropy_limits(tree: Expr, expression: Expression) -> Iterator[EntropyLimit]:
    """A comparison of the entropy with a number."""
    match tree:
        case Binary("<=" | "<" | ">=" | ">" | "==" as op, Name("entropy"), number) if not labels(number):
            pass
        case Binary("<=" | "<" | ">=" | ">" | "==" as op, number, Name("entropy")) if not labels(number):
            op = _TURNED.get(op, op)
        case _:
            message = f"`{expression}` does more with the entropy than to compare it with a number"
            hint = "write `entropy >= 100` as a constraint of its own; <, <=, > and == do as well"
            raise expression.error("entropy-alone", message, hint)
    value = float(Expression(expression.text, number, expression.span).evaluate({}))
    for one in ("<=", ">=") if op == "==" else (op,):
        yield EntropyLimit(one, value, expression.text)


def _strictly_below(value: int | Fraction) -> int:
    return value.__ceil__() - 1


def _linear_limits(tree: Expr, expression: Expression, variant: Variant) -> list[Linear] | None:
    """The condition as additive limits, or None where it is not linear."""
    if not isinstance(tree, Binary) or tree.op not in COMPARISONS or tree.op == "!=":
        return None
    numeric = {d.label for d in variant.decisions if d.numeric} | set(ADDITIVE)
    left, right = _form(tree.left, numeric), _form(tree.right, numeric)
    if left is None or right is None:
        return None
    form = _combine(left, right, Fraction(-1))
    # Options may be fractional; their common denominator makes every term whole.
    dens = [v.denominator for d in variant.decisions if d.label in form for v in map(Fraction, d.options)]
    scale = lcm(*dens) * lcm(*(c.denominator for c in form.values()))
    up = {n: int(c * scale) for n, c in form.items() if n and c}
    # Of a bound on one metric in the units of the metric.
    divisor = abs(next(iter(up.values()))) if len(up) == 1 and up.keys() <= set(ADDITIVE) else 1
    constant = form.get("", Fraction(0)) * scale

    def below(sign: int, strict: bool) -> Linear:
        rest = plain(-sign * constant)
        bound = _strictly_below(rest) if strict else rest.__floor__()
        return Linear({n: sign * c // divisor for n, c in up.items()}, bound // divisor, expression.text)

    signs = {"<=": (1,), "<": (1,), ">=": (-1,), ">": (-1,), "==": (1, -1)}[tree.op]
    return [below(sign, tree.op in "<>") for sign in signs]


_Form = dict[str, Fraction]


def _combine(left: _Form, right: _Form, factor: Fraction) -> _Form:
    return {n: left.get(n, Fraction(0)) + factor * right.get(n, Fraction(0)) for n in {**left, **right}}


def _form(tree: Expr, numeric: set[str]) -> _Form | None:
    """Coefficients by name, the constant under the empty name; None where the tree is not linear."""
    match tree:
        case Literal(int() | Fraction() as value):
            return {"": Fraction(value)}
        case Name(name):
            return {name: Fraction(1)} if name in numeric else None
        case Unary("-", operand):
            inner = _form(operand, numeric)
            return None if inner is None else _combine({}, inner, Fraction(-1))
        case Binary("+" | "-" as op, left, right):
            pair = _form(left, numeric), _form(right, numeric)
            return None if None in pair else _combine(pair[0] or {}, pair[1] or {}, Fraction(1 if op == "+" else -1))
        case Binary("*" | "/" as op, left, right):
            return _scaled(op, _form(left, numeric), _form(right, numeric))
        case FunctionCall("sum", arguments):
            total: _Form | None = {}
            for argument in arguments:
                term = _form(argument, numeric)
                total = None if term is None or total is None else _combine(total, term, Fraction(1))
            return total
        case _:
            return None


def _scaled(op: str, left: _Form | None, right: _Form | None) -> _Form | None:
    if left is None or right is None:
        return None
    if op == "*" and set(left) <= {""}:
        left, right = right, left
    if not set(right) <= {""}:
        return None
    factor = right.get("", Fraction(0))
    if op == "/" and factor == 0:
        return None
    return _combine({}, left, 1 / factor if op == "/" else factor)
