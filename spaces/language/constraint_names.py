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
    Slice,
    Unary,
    children,
    is_tuple,
    shown,
    walk,
)
from spaces.language.layer import Choice, option_label
from spaces.language.space import DERIVED, NETWORK_VALUES

__all__ = ["check_constraint"]

_AGGREGATES = ("sum", "min", "max")
_I = Name("i")
_TUPLES = "tuples"


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
        self.known = {*choices, *NETWORK_VALUES, *DERIVED, "depth", "i"}
        self.indexed = any(
            _I in walk(part) for n in walk(self.tree) if isinstance(n, Index | Slice) for part in children(n)
        )

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
            case Slice(name):
                yield from self.slice(tree, name, aggregated)
            case Binary(op, left, right) if op in COMPARISONS:
                yield from self.comparison(op, left, right)
            case _:
                for child in children(tree):
                    yield from self.names(child)

    def comparison(self, op: str, left: Expr, right: Expr) -> Iterator[_Mistake]:
        found = [*self.operand(op, left, right), *self.operand(op, right, left, turned=True)]
        kinds = self.kind(left), self.kind(right)
        if not found and all(kinds) and kinds[0] != kinds[1]:
            message = f"`{shown(left)}` is a {kinds[0][:-1]}, and `{shown(right)}` is a {kinds[1][:-1]}"
            found = [("wrong-type", message, "compare numbers with numbers, and words with words")]
        yield from found[:1]
        for side in (left, right) if not found else ():
            yield from self.names(side)

    def operand(self, op: str, choice: Expr, value: Expr, turned: bool = False) -> Iterator[_Mistake]:
        """What is wrong with comparing a choice with something: mostly that the answer is always the same."""
        if not isinstance(choice, Name | Index) or choice.name not in self.choices:
            return
        name, options = choice.name, self.choices[choice.name].options
        kind, other = self.kind(choice), self.kind(value)
        if kind == "words" and isinstance(value, Name) and value.name not in self.known:
            words = [f'"{option}"' for option in options]
            hint = self.suggestion(value.name) if value.name in options else did_you_mean(f'"{value.name}"', words)
            yield "unknown-name", f"unknown name `{value.name}` in `{self.text}`", hint
        elif op in ("==", "!=") and (word := _word(value)) and word not in options:
            labels = [option_label(o) for o in options]
            if word in labels and kind != _TUPLES:
                yield self.unlike(choice, value, _told(choice, op, word, turned=turned))
            else:
                yield "unknown-option", f"`{name}` has no option `{word}`", did_you_mean(word, labels)
        elif kind and other and kind != other:
            yield self.unlike(choice, value, self.remedy(choice, op, value, turned=turned))
        elif kind in ("words", _TUPLES) and op not in ("==", "!="):
            hint = (
                f"take first({shown(choice)}) or last({shown(choice)})" if kind == _TUPLES else "compare with == or !="
            )
            yield "wrong-type", f"`{name}` is a choice of {kind}, which have no order", hint

    def unlike(self, choice: Name | Index, value: Expr, hint: str) -> _Mistake:
        name, kind, other = choice.name, self.kind(choice) or "several kinds", self.kind(value)
        if all(isinstance(option, bool) for option in self.choices[name].options):
            kind = "true and false"
        what = f"`{shown(value)}` is a {other[:-1]}" if other else f"`{shown(value)}` is none"
        return "wrong-type", f"`{name}` is a choice of {kind}, and {what}", hint

    def remedy(self, choice: Name | Index, op: str, value: Expr, turned: bool) -> str:
        options = self.choices[choice.name].options
        if self.kind(choice) == _TUPLES:
            return f"take first({shown(choice)}) or last({shown(choice)})"
        if self.kind(choice) == "words":
            words = [str(option) for option in options]
            text = option_label(value.value) if isinstance(value, Literal) else ""
            equal = op if op in ("==", "!=") else "=="
            return _told(choice, equal, f'"{text if text in words else words[0]}"', turned=turned)
        return "compare numbers with numbers, and words with words"

    def kind(self, tree: Expr) -> str:
        """What a value is: `numbers` (true and false among them), `words` or `tuples`; empty where that may differ."""
        match tree:
            case Literal(value):
                return "words" if isinstance(value, str) else "numbers"
            case Name(name) | Index(name) if name in self.choices:
                kinds = {_kind(option) for option in self.choices[name].options}
                return kinds.pop() if len(kinds) == 1 else ""
            case Name(name) | Index(name):
                return "numbers" if name in self.known else ""
            case FunctionCall("first" | "last") | Slice():
                return ""
            case _:
                return "numbers"

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

    def index(self, name: str, *positions: Expr) -> Iterator[_Mistake]:
        yield from self.unknown(name)
        if name in self.known and not self.many(name):
            message = f"`{name}` in `{self.text}` is one value of the whole network"
            yield "index-on-value", message, f"write `{name}` without an index"
        for node in (node for position in positions for node in walk(position)):
            used = node.name if isinstance(node, Name | Index | Slice) else "i"
            if used in ("i", "depth"):
                continue
            yield from self.unknown(used)
            if used in NETWORK_VALUES or self.many(used):
                message = f"`{used}` in the index of `{name}` differs from network to network"
                yield "bad-index", message, "an index has numbers, `i`, `depth` and what `repeat` depends on"

    def slice(self, tree: Slice, name: str, aggregated: bool) -> Iterator[_Mistake]:
        yield from self.index(name, *children(tree))
        if self.many(name) and not aggregated:
            what = "layers" if name in DERIVED else "decisions"
            text = shown(tree)
            message = f"`{text}` in `{self.text}` stands for many {what}"
            yield "no-index", message, f"write sum({text}), min({text}) or max({text})"


def _word(value: Expr) -> str:
    """The text of a word; empty for anything else."""
    return value.value if isinstance(value, Literal) and isinstance(value.value, str) else ""


def _kind(option: object) -> str:
    return "words" if isinstance(option, str) else _TUPLES if is_tuple(option) else "numbers"


def _told(choice: Expr, op: str, value: str, turned: bool) -> str:
    return f"write `{value} {op} {shown(choice)}`" if turned else f"write `{shown(choice)} {op} {value}`"
