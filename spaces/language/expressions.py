"""The expression language: parsed with a whitelist into an own tree, never executed as code.

Text such as `M[i] >= M[i+1]`, `macs <= 10_000_000` or `ram <= 200 KiB` becomes a small immutable tree that three
readers share: `evaluate` (exact rational arithmetic), `linear_form` in `spaces.program.constraints` (additive limits)
and the CP-SAT lowering in `solvers.cpsat.engine`. Python's own parser does the parsing; every node that is not on the
list is an error with its position, and so is anything long, deep or not ASCII.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, isfinite
from typing import Any, TypeGuard

from spaces.errors import ExpressionError, Span, did_you_mean
from spaces.language.quantities import misread_quantity, replace_quantities

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Expr",
    "Expression",
    "FunctionCall",
    "Index",
    "Literal",
    "Name",
    "Slice",
    "Unary",
    "is_tuple",
    "parse",
    "shown",
]

MAX_LENGTH = 500
MAX_DEPTH = 30

Value = Any  # int, Fraction, bool, str, or a tuple of these


@dataclass(frozen=True)
class Literal:
    """A number (int, or an exact Fraction) or a piece of text such as `"relu"`."""

    value: int | Fraction | str


@dataclass(frozen=True)
class Name:
    """A choice, a metric, or the free index `i`."""

    name: str


@dataclass(frozen=True)
class Index:
    """`M[i+1]`: the decision of choice `name` at a position (1-based; -1 is the last)."""

    name: str
    position: Expr


@dataclass(frozen=True)
class Slice:
    """`M[1:3]`, `M[2:]`: the decisions of choice `name` between two positions, both included; None is either end."""

    name: str
    first: Expr | None
    last: Expr | None


@dataclass(frozen=True)
class Unary:
    """`-x` or `not x`."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary:
    """Arithmetic, comparison, `and`, `or`; the last two look at their right side only where the left leaves it open.

    A chain `a <= b <= c` is parsed into `a <= b and b <= c`, and `a in [b, c]` into `a == b or a == c`.
    """

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class FunctionCall:
    """One of `FUNCTIONS`."""

    function: str
    arguments: tuple[Expr, ...]


Expr = Literal | Name | Index | Slice | Unary | Binary | FunctionCall


def is_tuple(value: Value) -> TypeGuard[tuple[Value, ...]]:
    """Whether an option or argument is several values."""
    return isinstance(value, tuple)


def _round_to(value: Fraction, multiple: int) -> int:
    """The nearest multiple, at least one multiple; halves go up (the MobileNet rule, without its 10 % clause)."""
    return max(multiple, int((value + Fraction(multiple, 2)) // multiple) * multiple)


def _part(position: int) -> Callable[[Value], Value]:
    def part(value: Value) -> Value:
        if not is_tuple(value):
            raise TypeError
        return value[position]

    return part


FUNCTIONS: dict[str, tuple[Callable[..., Any], int | None]] = {
    # name: (meaning, number of arguments or None for one or more)
    "sum": (lambda *v: sum(v), None),
    "min": (lambda *v: min(v), None),
    "max": (lambda *v: max(v), None),
    "abs": (abs, 1),
    "floor": (floor, 1),
    "ceil": (ceil, 1),
    "round_to": (_round_to, 2),
    "first": (_part(0), 1),
    "last": (_part(-1), 1),
}

_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Eq: "==", ast.NotEq: "!=", ast.LtE: "<=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">",
}  # fmt: skip


def _numeric(operation: Callable[[Any, Any], Any]) -> Callable[[Value, Value], Value]:
    """The operation on numbers only: Python would repeat text with `*`, and fill a screen of it with `%`."""

    def apply(a: Value, b: Value) -> Value:
        if not (isinstance(a, int | Fraction) and isinstance(b, int | Fraction)):
            raise TypeError
        return operation(a, b)

    return apply


def _compared(operation: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    """The comparison; with the entropy, which alone is a floating-point number, that of floating-point numbers."""

    def apply(a: Value, b: Value) -> bool:
        return operation(float(a), float(b)) if isinstance(a, float) or isinstance(b, float) else operation(a, b)

    return apply


APPLY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _numeric(operator.add), "-": _numeric(operator.sub), "*": _numeric(operator.mul),
    "//": _numeric(lambda a, b: a // b), "%": _numeric(operator.mod),
    "/": _numeric(lambda a, b: Fraction(a) / Fraction(b)),
    "==": _compared(operator.eq), "!=": _compared(operator.ne), "<=": _compared(operator.le),
    "<": _compared(operator.lt), ">=": _compared(operator.ge), ">": _compared(operator.gt),
}  # fmt: skip

COMPARISONS = ("==", "!=", "<=", "<", ">=", ">")


@dataclass(frozen=True)
class Expression:
    """An expression with the text and place it came from.

    Example:
        >>> parse("2 * M + 4").evaluate({"M": 84})
        172
        >>> parse("ram <= 200 KiB").tree.right
        Literal(value=204800)
    """

    text: str
    tree: Expr
    span: Span | None = None

    def __str__(self) -> str:
        return self.text

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name the expression mentions."""
        return frozenset(n.name for n in walk(self.tree) if isinstance(n, Name | Index | Slice))

    def evaluate(self, names: Mapping[str, Value]) -> Value:
        """The exact value, given the value of every name (`M[3]` is looked up under `("M", 3)`).

        Raises:
            ExpressionError: a division by zero, or an operation its operands do not have.
        """
        try:
            return evaluate(self.tree, names)
        except ZeroDivisionError:
            raise self.division_by_zero() from None
        except (TypeError, AttributeError, IndexError):
            message = f"cannot compute `{self.text}` from values of these types"
            hint = "a tuple has `first(x)` and `last(x)`; text only compares"
            raise self.error("wrong-type", message, hint) from None

    def division_by_zero(self) -> ExpressionError:
        """The error of an expression that divides by zero."""
        return self.error("division-by-zero", "a division by zero", "exclude the zero from the options")

    def error(self, code: str, message: str, hint: str = "") -> ExpressionError:
        """An error that points at this expression."""
        return ExpressionError.of(code, message, hint, self.span)


def plain(value: Value) -> Value:
    """A Fraction that is whole becomes an int."""
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


def evaluate(tree: Expr, names: Mapping[Any, Value]) -> Value:
    """The value of a tree; see `Expression.evaluate`."""
    match tree:
        case Literal(value):
            return value
        case Name(name):
            return names[name]
        case Index(name, position):
            return names[name, evaluate(position, names)]
        case Unary("-", operand):
            return -evaluate(operand, names)
        case Unary(_, operand):
            return not evaluate(operand, names)
        case Slice(name):
            raise TypeError(name)
        case Binary("and", left, right):
            return bool(evaluate(left, names)) and bool(evaluate(right, names))
        case Binary("or", left, right):
            return bool(evaluate(left, names)) or bool(evaluate(right, names))
        case Binary(op, left, right):
            return plain(APPLY[op](evaluate(left, names), evaluate(right, names)))
        case FunctionCall(function, arguments):
            return plain(FUNCTIONS[function][0](*(evaluate(a, names) for a in arguments)))


def children(tree: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions."""
    match tree:
        case Index(_, position):
            return (position,)
        case Slice(_, first, last):
            return tuple(end for end in (first, last) if end is not None)
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case FunctionCall(_, arguments):
            return arguments
        case _:
            return ()


def walk(tree: Expr) -> Iterator[Expr]:
    """The tree and everything below it."""
    yield tree
    for child in children(tree):
        yield from walk(child)


def shown(tree: Expr) -> str:
    """The text of a tree, for messages: names, indices and literals as they are written, and anything else in brief.

    Example:
        >>> shown(parse("M[i + 1]").tree), shown(parse("M[2:]").tree), shown(parse("'relu'").tree)
        ('M[i + 1]', 'M[2:]', '"relu"')
    """
    match tree:
        case Literal(str() as value):
            return f'"{value}"'
        case Literal(value):
            return str(float(value)) if isinstance(value, Fraction) else str(value)
        case Name(name):
            return name
        case Index(name, position):
            return f"{name}[{shown(position)}]"
        case Slice(name, first, last):
            return f"{name}[{shown(first) if first else ''}:{shown(last) if last else ''}]"
        case Unary("-", operand):
            return f"-{shown(operand)}"
        case Unary(op, operand):
            return f"{op} {shown(operand)}"
        case Binary(op, left, right):
            return f"{shown(left)} {op} {shown(right)}"
        case FunctionCall(function, arguments):
            return f"{function}({', '.join(map(shown, arguments))})"


def rewrite(tree: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The tree with `change` applied to every node, leaves first; the positions of indices stay as they are."""
    match tree:
        case Unary(op, operand):
            tree = Unary(op, rewrite(operand, change))
        case Binary(op, left, right):
            tree = Binary(op, rewrite(left, change), rewrite(right, change))
        case FunctionCall(function, arguments):
            tree = FunctionCall(function, tuple(rewrite(a, change) for a in arguments))
        case _:
            pass
    return change(tree)


def parse(text: str, span: Span | None = None) -> Expression:
    """Parse an expression.

    Args:
        text: the expression; a unit may follow a number (`200 KiB`, `50 ms`, `10M`: bytes, nanoseconds, a count).
        span: where `text` stands in its file.

    Raises:
        ExpressionError: bad syntax, or anything that is not on the whitelist, with its position.
    """
    return Expression(text, _Parser(text, span).tree(), span)


class _Parser:
    def __init__(self, text: str, span: Span | None) -> None:
        self.text = text
        self.span = span
        # Python reads the text with each quantity written as a product, `200 KiB` as `(200*1024)`.
        self.source = replace_quantities(text).strip()

    def fail(self, code: str, message: str, hint: str, node: ast.AST | None = None) -> ExpressionError:
        span = self.span
        # Only a plain one-line scalar keeps its columns; elsewhere the whole expression is underlined.
        at = span.text.find(self.text, span.column - 1) if span else -1
        if span and at >= 0 and isinstance(node, ast.expr) and self.source == self.text:
            length = (node.end_col_offset or 0) - node.col_offset if node.end_lineno == node.lineno else 1
            span = replace(span, column=at + 1 + node.col_offset, length=max(1, length))
        return ExpressionError.of(code, message, hint, span)

    def tree(self) -> Expr:
        if len(self.text) > MAX_LENGTH:
            message = f"an expression of {len(self.text)} characters; at most {MAX_LENGTH} are allowed"
            raise self.fail("expression-too-long", message, "split it into several constraints")
        if not self.text.isascii():
            raise self.fail("not-ascii", f"`{self.text}` has a character that is not ASCII", "write <= >= != * -")
        if wrong := misread_quantity(self.text):
            raise self.fail(wrong.code, wrong.message, wrong.hint)
        try:
            with warnings.catch_warnings(action="ignore"):  # such as `1or 2`, which Python still reads
                body = ast.parse(self.source, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            hint = "for example `M[i] >= M[i+1]`, `sum(M) <= 1024`, `ram <= 200 KiB`"
            raise self.fail("expression-syntax", f"cannot read the expression `{self.text}`", hint) from None
        return self.convert(body, 0)

    def part(self, node: ast.expr) -> str:
        """The text of a node."""
        return ast.get_source_segment(self.source, node) or self.source

    def convert(self, node: ast.expr, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise self.fail("expression-too-deep", "an expression nested too deeply", "simplify it", node)

        def sub(child: ast.expr) -> Expr:
            return self.convert(child, depth + 1)

        match node:
            case ast.Constant(value=value):
                return self.literal(node, value)
            case ast.Name(id="true" | "false" as word):
                return Literal(int(word == "true"))
            case ast.Name(id=name):
                return Name(name)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Slice(lower=first, upper=last, step=None)):
                return Slice(name, sub(first) if first else None, sub(last) if last else None)
            case ast.Subscript(value=ast.Name(id=name), slice=position):
                return Index(name, sub(position))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negate(sub(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Unary("not", sub(operand))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return self.fold(Binary(_BINARY[type(op)], sub(left), sub(right)))
            case ast.BoolOp(op=op, values=values):
                return self.chain("and" if isinstance(op, ast.And) else "or", [sub(v) for v in values])
            case ast.Compare(left=first, ops=ops, comparators=others):
                return self.comparison(node, [first, *others], ops, sub)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(node, name, [sub(a) for a in arguments])
            case _:
                raise self.refuse(node)

    def literal(self, node: ast.Constant, value: object) -> Literal:
        match value:
            case bool():
                return Literal(int(value))
            case int() | str():
                return Literal(value)
            case float() if isfinite(value):
                return Literal(plain(Fraction(self.part(node))))
            case _:
                raise self.refuse(node)

    def negate(self, operand: Expr) -> Expr:
        match operand:
            case Literal(int() | Fraction() as value):
                return Literal(-value)
            case _:
                return Unary("-", operand)

    def fold(self, tree: Binary) -> Expr:
        """A number times a unit is a number."""
        match tree:
            case Binary("*", Literal(int() | Fraction() as a), Literal(int() | Fraction() as b)):
                return Literal(plain(a * b))
            case _:
                return tree

    def chain(self, op: str, parts: list[Expr]) -> Expr:
        tree = parts[0]
        for part in parts[1:]:
            tree = Binary(op, tree, part)
        return tree

    def comparison(
        self, node: ast.expr, terms: list[ast.expr], ops: list[ast.cmpop], sub: Callable[[ast.expr], Expr]
    ) -> Expr:
        parts: list[Expr] = []
        for op, left, right in zip(ops, terms, terms[1:], strict=False):
            match op:
                case ast.In():
                    parts.append(self.membership(left, right, sub))
                case ast.NotIn():
                    parts.append(Unary("not", self.membership(left, right, sub)))
                case _ if type(op) in _BINARY:
                    parts.append(Binary(_BINARY[type(op)], sub(left), sub(right)))
                case _:
                    raise self.refuse(node)
        return self.chain("and", parts)

    def membership(self, left: ast.expr, right: ast.expr, sub: Callable[[ast.expr], Expr]) -> Expr:
        """`left in [a, b, c]` as comparisons."""
        if not isinstance(right, ast.List) or not right.elts:
            message = f"`{self.part(right)[:60]}` is no list of values"
            raise self.fail("no-list", message, f"write for example `{self.part(left)[:60]} in [8, 16]`", right)
        value = sub(left)
        return self.balanced([Binary("==", value, sub(element)) for element in right.elts])

    def balanced(self, parts: list[Binary]) -> Expr:
        """Any of them, as a tree that a long list does not make deep."""
        middle = len(parts) // 2
        return Binary("or", self.balanced(parts[:middle]), self.balanced(parts[middle:])) if middle else parts[0]

    def call(self, node: ast.expr, name: str, arguments: list[Expr]) -> Expr:
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS)
            raise self.fail("unknown-function", f"`{name}` is not a function of the language", hint, node)
        count = FUNCTIONS[name][1]
        if len(arguments) != count if count else not arguments:
            message = f"`{name}` takes {count or 'at least 1'} argument{'s' if count and count > 1 else ''}"
            raise self.fail("wrong-arguments", f"{message}, not {len(arguments)}", "", node)
        return FunctionCall(name, tuple(arguments))

    def refuse(self, node: ast.expr) -> ExpressionError:
        match node:
            case ast.Attribute(attr=attr):
                message, hint = f"the attribute `.{attr}` is not allowed", "expressions have numbers, names and M[i]"
            case ast.BinOp(op=ast.Pow()):
                message, hint = "the power operator `**` is not allowed", "write the product out"
            case ast.Tuple():
                message, hint = "a comma is not allowed here", "write large numbers as 10_000_000"
            case _:
                message = f"`{self.part(node)[:60]}` is not allowed in an expression"
                hint = f"allowed: + - * / // %, comparisons, in [...], and, or, not, M[i], {', '.join(FUNCTIONS)}"
        return self.fail("not-allowed", message, hint, node)
