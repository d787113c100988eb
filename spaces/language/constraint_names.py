"""What the names in a constraint may stand for; checked when a space is read, before any network is unrolled.

A choice that is decided per layer is many decisions, so it needs an index or `sum`, `min`, `max`; a metric or a shared
choice is one value, so it takes none. `check_constraint` says which name breaks this, and what to write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spaces.errors import Diagnostic, did_you_mean
from spaces.language.expressions import (
    COMPARISONS,
    Binary,
    Expr,
    Expression,
    FunctionCall,
    Index,
    Literal,
    Name,
    Unary,
    children,
    walk,
)
from spaces.language.layer import Choice
from spaces.language.space import DERIVED, METRICS

__all__ = ["check_constraint"]

_AGGREGATES = ("sum", "min", "max")
_I = Name("i")


def check_constraint(expression: Expression, choices: Mapping[str, Choice]) -> list[Diagnostic]:
    """Everything that is wrong with a constraint, each mistake once.

    Args:
        expression: the constraint.
        choices: the choices of the space.

    Example:
        >>> from spaces.language.expressions import parse
        >>> print(check_constraint(parse("rom[1] <= 1000"), {})[0].render())
        `rom` in `rom[1] <= 1000` is one value of the whole network [index-on-value]
          write `rom` without an index
    """
    result = dict.fromkeys(_Checker(expression, choices).mistakes())
    return [Diagnostic(code, message, expression.span, hint) for code, message, hint in result]


_Mistake = tuple[str, str, str]


class _Checker:
    def __init__(self, expression: Expression, choices: Mapping[str, Choice]) -> None:
        self.text = expression.text
        self.tree = expression.tree
        self.choices = choices
        self.known = {*choices, *METRICS, *DERIVED, "depth", "i"}
        self.indexed = any(_I in walk(n.position) for n in walk(self.tree) if isinstance(n, Index))

    def mistakes(self) -> Iterator[_Mistake]:
        found = list(self.names(self.tree))
        if not found and not self.condition(self.tree):
            message = f"`{self.text}` is a value, not a condition"
            found = [("not-a-condition", message, "a constraint compares: `M[i] >= M[i+1]`, `sum(M) <= 1024`")]
        yield from found

    def condition(self, tree: Expr) -> bool:
        match tree:
            case Binary("and" | "or", left, right):
                return self.condition(left) and self.condition(right)
            case Unary("not", operand):
                return self.condition(operand)
            case Name(name) | Index(name):
                return name in self.choices and all(isinstance(v, bool) for v in self.choices[name].options)
            case _:
                return isinstance(tree, Binary) and tree.op in COMPARISONS

    def names(self, tree: Expr, aggregated: bool = False) -> Iterator[_Mistake]:
        match tree:
            case Literal():
                return
            case Name(name):
                yield from self.name(name, aggregated)
            case Index(name, position):
                yield from self.index(name, position)
            case FunctionCall(function, arguments):
                for argument in arguments:
                    yield from self.names(argument, function in _AGGREGATES)
            case Binary("==" | "!=", left, right):
                yield from self.word(left, right)
                yield from self.word(right, left)
                yield from self.names(left)
                yield from self.names(right)
            case _:
                for child in children(tree):
                    yield from self.names(child)

    def word(self, choice: Expr, value: Expr) -> Iterator[_Mistake]:
        """A choice of words compared with a word that it does not have: always the same answer."""
        name = choice.name if isinstance(choice, Name | Index) else ""
        if name in self.choices and isinstance(value, Literal) and isinstance(value.value, str):
            options = [str(o) for o in self.choices[name].options]
            if value.value not in options:
                message = f"`{name}` has no option `{value.value}`"
                yield "unknown-option", message, did_you_mean(value.value, options)

    def unknown(self, name: str) -> Iterator[_Mistake]:
        if name not in self.known:
            yield "unknown-name", f"unknown name `{name}` in `{self.text}`", self.suggestion(name)

    def suggestion(self, name: str) -> str:
        if any(name in c.options for c in self.choices.values()):
            return f'write an option that is a word in quotes: `"{name}"`'
        return did_you_mean(name, self.known)

    def many(self, name: str) -> bool:
        """Whether a name stands for one value per layer."""
        return name in DERIVED or (name in self.choices and self.choices[name].shared is not True)

    def name(self, name: str, aggregated: bool) -> Iterator[_Mistake]:
        yield from self.unknown(name)
        if name == "i" and not self.indexed:
            message = f"`i` in `{self.text}` stands for a position, but no index uses it"
            yield "free-position", message, "write for example `M[i] >= M[i+1]`"
        if self.many(name) and not aggregated:
            what = "layers" if name in DERIVED else "decisions"
            how = "max" if name in DERIVED else "sum"
            hint = f"write {name}[1], {name}[i] or {how}({name})"
            yield "no-index", f"`{name}` in `{self.text}` stands for many {what}", hint

    def index(self, name: str, position: Expr) -> Iterator[_Mistake]:
        yield from self.unknown(name)
        if name in self.known and not self.many(name):
            message = f"`{name}` in `{self.text}` is one value of the whole network"
            yield "index-on-value", message, f"write `{name}` without an index"
        for node in walk(position):
            used = node.name if isinstance(node, Name | Index) else "i"
            if used in ("i", "depth"):
                continue
            yield from self.unknown(used)
            if used in METRICS or self.many(used):
                message = f"`{used}` in the index of `{name}` differs from network to network"
                yield "bad-index", message, "an index has numbers, `i`, `depth` and what `repeat` depends on"
