"""Reading a document: its mistakes, and what choices, groups, cells and layers read alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from spaces.errors import Diagnostic, SpaceError, did_you_mean
from spaces.language.expressions import Expression, Index, Slice, parse, walk
from spaces.language.layer import Choice, Repeat, Value, option_label
from spaces.language.source import Path_, is_list, is_mapping
from spaces.language.space import DERIVED, NETWORK_VALUES, Item

if TYPE_CHECKING:
    from spaces.language.cell import Cell
    from spaces.language.document import Document

__all__ = ["RESERVED", "Reading"]

#: Names with a meaning of their own.
RESERVED = frozenset({*NETWORK_VALUES, *DERIVED, "depth", "variant", "i", "and", "or", "not", "in", "true", "false"})


class Reading(ABC):
    """A document that is being given its meaning; every mistake is collected.

    Args:
        document: as validated.

    Attributes:
        mistakes: found so far.
        choices: read so far; those that switches and cells declare are added.
        cells: read so far.
        own_names: names that expressions may use besides choices.
        used: choices that something uses.
    """

    @abstractmethod
    def items(self, data: Any, path: Path_, grouped: bool) -> tuple[Item, ...]:
        """A list of blocks, groups and switches; `grouped` within a group."""

    @abstractmethod
    def item(self, data: Any, path: Path_, grouped: bool) -> Item | None:
        """One of them; None after a reported mistake."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.source = document.source
        self.header = document.header
        self.mistakes: list[Diagnostic] = []
        self.choices: dict[str, Choice] = {}
        self.cells: dict[str, Cell] = {}
        self.own_names: tuple[str, ...] = ()
        self.used: set[str] = set()

    def fail(self, code: str, message: str, path: Path_, hint: str = "", key: bool = False) -> None:
        """Report a mistake at a place; `key`: at the key, not at its value."""
        self.mistakes.append(Diagnostic(code, message, self.source.span(path, key), hint))

    def options(self, data: Any, path: Path_) -> tuple[Value, ...]:
        """The options of a choice or repeat; empty after a reported mistake."""
        if is_mapping(data) and set(data) == {"options"}:
            return self.options(data["options"], (*path, "options"))
        if is_mapping(data):
            return self.range(data, path)
        if not is_list(data):
            value = self.option(data, path)
            return () if value is None else (value,)
        if not data:
            self.fail("empty-choice", f"`{path[-1]}` has no options", path, "list at least one")
        values = [self.option(item, (*path, i)) for i, item in enumerate(data)]
        for i, value in enumerate(values):
            if value is not None and option_label(value) in map(option_label, values[:i]):
                self.fail("duplicate-option", f"the option {option_label(value)} is given twice", (*path, i))
        return tuple(v for v in values if v is not None)

    def option(self, data: Any, path: Path_) -> Value | None:
        """One option; None after a reported mistake."""
        if is_list(data) and data and not any(is_list(d) for d in data):
            parts = tuple(self.option(d, (*path, i)) for i, d in enumerate(data))
            return None if None in parts else parts
        if isinstance(data, str):
            if data.replace("_", "a").replace(".", "a").isalnum() and data.isascii():
                return data
            self.fail("bad-option", f"the option `{data}` is not a word", path, "use letters, digits, `_` and `.`")
            return None
        if isinstance(data, bool):
            return data
        if isinstance(data, int | float) and data >= 0 and data != float("inf"):
            return self.number(data)
        self.fail("bad-option", "an option is a number from 0 up, a word, true/false, or a list of these", path)
        return None

    @staticmethod
    def number(value: int | float) -> int | Fraction:
        """A number as it was written, exactly."""
        exact = Fraction(str(value))
        return int(exact) if exact.denominator == 1 else exact

    def range(self, data: dict[str, Any], path: Path_) -> tuple[Value, ...]:
        """The options of `start`, `stop` and `step`; empty after a reported mistake."""
        known = ("start", "stop", "step")
        before = len(self.mistakes)
        if "options" in data:
            message = f"`{path[-1]}` has both `options` and a range"
            self.fail("bad-choice", message, path, "keep one of the two", key=True)
        for key in data:
            if key not in (*known, "options"):
                hint = did_you_mean(key, (*known, "options", "shared"))
                self.fail("unknown-key", f"unknown key `{key}`", (*path, key), hint, key=True)
        for key in ("start", "stop"):
            if key not in data and "options" not in data:
                self.fail("missing-key", f"the range `{path[-1]}` has no `{key}`", path, f"add `{key}:`", key=True)
        numbers = {"step": 1, **{k: v for k, v in data.items() if k in known}}
        for key, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                hint = (
                    "write it without quotes" if isinstance(value, str) and value.replace(".", "", 1).isdigit() else ""
                )
                self.fail("wrong-type", f"`{key}` must be a number", (*path, key), hint)
        if len(self.mistakes) > before:
            return ()
        start, stop, step = (Fraction(str(numbers[k])) for k in known)
        return self._steps(start, stop, step, path)

    def _steps(self, start: Fraction, stop: Fraction, step: Fraction, path: Path_) -> tuple[Value, ...]:
        show = [option_label(v) for v in (start, stop, step)]
        if step <= 0:
            self.fail("bad-step", f"the step is {show[2]}", (*path, "step"), "a step is greater than 0")
        elif start < 0:
            self.fail("bad-range", f"the range starts at {show[0]}", (*path, "start"), "start at 0 or above")
        elif stop < start:
            message = f"the range stops at {show[1]}, before its start {show[0]}"
            self.fail("bad-range", message, (*path, "stop"), "a range is inclusive and goes up")
        elif (stop - start) / step > 10_000:
            self.fail("bad-range", "the range has more than 10,000 options", path, "use a larger step")
        else:
            values = [start + k * step for k in range(int((stop - start) / step) + 1)]
            return tuple(int(v) if v.denominator == 1 else v for v in values)
        return ()

    def flag(self, data: dict[str, Any], key: str, path: Path_) -> bool | None:
        """`true`, `false`, or None where the key is missing."""
        value = data.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail("wrong-type", f"`{key}` must be `true` or `false`", (*path, key))
        return value if isinstance(value, bool) else None

    def expression(self, text: str, path: Path_, grouped: bool, words: tuple[str, ...] = ()) -> Expression | None:
        """An expression over choices; a mistake is reported and gives None. `words` are what else could be meant."""
        try:
            expression = parse(text, self.source.span(path))
        except SpaceError as error:
            self.mistakes.extend(error.diagnostics)
            return None
        for name in sorted(expression.names.difference(self.own_names)):
            if name not in self.choices:
                known = (*(n for n, c in self.choices.items() if not c.cell), *self.own_names, *words)
                hint = did_you_mean(name, known) if known else "declare it under `choices:`"
                self.fail("unknown-name", f"unknown name `{name}` in `{text}`", path, hint)
                return None
            if self.choices[name].shared == "group" and not grouped:
                self.fail("not-in-group", f"`{name}` is shared by a group, but no group is here", path, "add a group")
        self.used |= expression.names
        for node in walk(expression.tree):
            if isinstance(node, Index | Slice):
                hint = f"write `{node.name}`; each layer that uses it decides anew"
                self.fail("index-in-network", f"`{text}` has an index, which only constraints have", path, hint)
                return None
        return expression

    def repeat(self, data: Any, path: Path_) -> Repeat:
        """How often a block or group stands in a row."""
        span = self.source.span(path)
        if isinstance(data, str):
            expression = self.expression(data, path, grouped=False)
            for name in sorted(expression.names) if expression else ():
                if self.choices[name].shared is not True:
                    hint = f"add `shared: true` to the choice `{name}`"
                    self.fail("not-shared", f"`repeat` depends on `{name}`, which is not shared", path, hint)
            return Repeat((), expression, span)
        if data is None:
            self.fail("bad-repeat", "`repeat` has no value", path, "for example `repeat: 3` or `repeat: [4, 5, 6]`")
            return Repeat((), None, span)
        options = self.options(data, path)
        for value in options:
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
                hint = "a repeat is a whole number from 1 to 1000; leave the block out for 0"
                self.fail("bad-repeat", f"a repeat of {option_label(value)}", path, hint)
        return Repeat(tuple(v for v in options if isinstance(v, int)), None, span)
