"""Read YAML into plain Python values, and remember where every key and value stands in the file.

The reader is strict where YAML is lax: duplicate keys, tabs, keys that are not strings and custom tags are errors,
`on` and `12:30` are strings (YAML 1.2), and a small file whose aliases unfold into millions of nodes is refused
before it is unfolded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Protocol, TypeGuard

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from spaces.errors import Diagnostic, SpaceError, Span
from spaces.files import MAX_BYTES, too_large

__all__ = ["MAX_NODES", "Source", "is_list", "is_mapping", "read_yaml"]

MAX_NODES = 100_000
MAX_DEPTH = 100
_MAX_DIGITS = 40
_TAG = "tag:yaml.org,2002:"
_KINDS = ("str", "int", "float", "bool", "null", "timestamp")
_LINE_BREAK = re.compile(r"\r\n|[\n\r]")
#: Line breaks of YAML 1.1, which ruamel.yaml still takes for some: in YAML 1.2 they are characters like others. While
#: it reads, private ones stand for them.
_HIDDEN = {0x85: 0x10FF85, 0x2028: 0x10F028, 0x2029: 0x10F029}
_SHOWN = {hidden: character for character, hidden in _HIDDEN.items()}

Path_ = tuple[str | int, ...]


class _Mark(Protocol):
    """A place in the text, as ruamel.yaml has it, which has no types of its own: lines and columns from 0."""

    index: int
    line: int
    column: int


class _Node(Protocol):
    """A node of ruamel.yaml: its value is a text, a list of nodes, or a list of pairs of nodes."""

    id: str  # scalar, sequence or mapping
    tag: object
    value: Any
    start_mark: _Mark
    end_mark: _Mark


class _Fault(Protocol):
    """What ruamel.yaml says of a text that it cannot read."""

    context: str | None
    context_mark: _Mark | None
    problem: str | None
    problem_mark: _Mark | None


def is_mapping(data: Any) -> TypeGuard[dict[str, Any]]:
    """Whether data of a document are a mapping; its keys are text, which `read_yaml` has seen to."""
    return isinstance(data, dict)


def is_list(data: Any) -> TypeGuard[list[Any]]:
    """Whether data of a document are a list."""
    return isinstance(data, list)


@dataclass
class Source:
    """A YAML document as plain data, with the span of every key and value by its path.

    Args:
        file: the name used in spans.
        data: dict, list, str, int, float, bool or None.
        spans: value span by path; the key of a mapping entry stands under `(path, "key")`.
    """

    file: str
    data: Any
    spans: dict[tuple[Path_, str], Span] = field(default_factory=dict)

    def span(self, path: Path_ = (), key: bool = False) -> Span:
        """The place of the value at `path` (of its key with `key=True`), or of the nearest parent that has one."""
        kind = "key" if key else "value"
        while True:
            result = self.spans.get((path, kind)) or self.spans.get((path, "value"))
            if result is not None or not path:
                return result or Span(self.file, 1, 1)
            path, kind = path[:-1], "key"


def read_yaml(text: str, file: str) -> Source:
    """Parse YAML 1.2 text, keeping positions.

    Args:
        text: the document.
        file: the name that spans show.

    Raises:
        SpaceError: syntax errors, tabs, duplicate keys, custom tags, oversize files and alias bombs.

    Example:
        >>> source = read_yaml("a: 1\\nb: [on, 12:30]\\n", "x.yaml")
        >>> source.data
        {'a': 1, 'b': ['on', '12:30']}
        >>> str(source.span(("b", 1)))
        'x.yaml:2:9'
    """
    if len(text) > MAX_BYTES:
        raise too_large(file, len(text))
    lines = _LINE_BREAK.split(text)
    node = _compose(text, file, lines)
    reader = _Reader(file, lines)
    data = reader.value(node, ()) if node is not None else None
    if reader.mistakes:
        raise SpaceError(reader.mistakes)
    return Source(file, data, reader.spans)


def _too_deep(span: Span) -> SpaceError:
    hint = "a space needs fewer than 10 levels"
    return SpaceError.of("too-deep", "the document is nested too deeply", hint, span)


def _compose(text: str, file: str, lines: list[str]) -> _Node | None:
    try:
        yaml: Any = YAML(typ="safe", pure=True)
        return yaml.compose(text.translate(_HIDDEN))
    except MarkedYAMLError as cause:
        raise SpaceError(_syntax(cause, file, lines)) from None
    except RecursionError:
        raise _too_deep(Span(file, 1, 1)) from None
    except (YAMLError, ValueError) as cause:
        message = f"not valid YAML: {str(cause).splitlines()[0]}"
        raise SpaceError.of("yaml-syntax", message, "save the file as plain text", Span(file, 1, 1)) from None


def _syntax(cause: _Fault, file: str, lines: list[str]) -> Diagnostic:
    mark = cause.problem_mark or cause.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    text = lines[line] if line < len(lines) else ""
    span = Span(file, line + 1, column + 1, 1, text)
    if "\\t" in (cause.problem or "") or text[column : column + 1] == "\t":
        return Diagnostic("tab", "a tab character in the indentation", span, "indent with spaces")
    what = " ".join(filter(None, (cause.context, cause.problem)))
    return Diagnostic("yaml-syntax", f"not valid YAML: {what}", span, "check indentation and brackets")


class _Reader:
    """Turns a node graph into data, collecting spans and every mistake on the way."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.spans: dict[tuple[Path_, str], Span] = {}
        self.mistakes: list[Diagnostic] = []
        self.nodes = 0
        self.open: set[int] = set()

    def span(self, node: _Node) -> Span:
        start, end = node.start_mark, node.end_mark
        text = self.lines[start.line] if start.line < len(self.lines) else ""
        length = end.column - start.column if end.line == start.line else len(text.rstrip()) - start.column
        return Span(self.file, start.line + 1, start.column + 1, max(1, length), text)

    def fail(self, code: str, message: str, node: _Node, hint: str) -> None:
        self.mistakes.append(Diagnostic(code, message, self.span(node), hint))

    def value(self, node: _Node, path: Path_) -> Any:
        self.nodes += 1
        # A node inside itself, or more nodes than any real file has, can only come from aliases.
        if self.nodes > MAX_NODES or id(node) in self.open:
            message = "the aliases (`*name`) of this file unfold without end"
            raise SpaceError.of("alias-bomb", message, "write the values out", self.span(node))
        if len(path) > MAX_DEPTH:
            raise _too_deep(self.span(node))
        self.spans[path, "value"] = self.span(node)
        if node.id == "scalar":
            return self.scalar(node)
        if str(node.tag) not in (_TAG + "seq", _TAG + "map"):
            self.fail("custom-tag", f"the tag `{node.tag}` is not supported", node, "write a plain value")
        self.open.add(id(node))
        try:
            if node.id == "sequence":
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return dict(self.entries(node, path))
        finally:
            self.open.discard(id(node))

    def entries(self, node: _Node, path: Path_) -> Iterator[tuple[str, Any]]:
        seen: dict[str, _Node] = {}
        entries: list[tuple[_Node, _Node]] = node.value
        for key, item in entries:
            if key.id != "scalar" or not isinstance(name := self.scalar(key), str):
                self.fail("key-not-text", "a key must be a word", key, "put the key in quotes if it is meant")
                continue
            if name in seen:
                first = seen[name].start_mark.line + 1
                hint = f"it is first given at line {first}; keep one of the two"
                self.fail("duplicate-key", f"the key `{name}` is given twice", key, hint)
                continue
            seen[name] = key
            self.spans[(*path, name), "key"] = self.span(key)
            value = self.value(item, (*path, name))
            if item.start_mark.index == item.end_mark.index:
                # A value left out stands nowhere; its key does.
                self.spans[(*path, name), "value"] = self.span(key)
            yield name, value

    def scalar(self, node: _Node) -> Any:
        tag, text = str(node.tag), str(node.value).translate(_SHOWN)
        kind = tag.removeprefix(_TAG)
        if kind not in _KINDS:
            self.fail("custom-tag", f"the tag `{tag}` is not supported", node, "write a plain value")
            return text
        if kind in ("int", "float") and len(text) > _MAX_DIGITS:
            self.fail("number-too-long", f"a number of {len(text)} characters", node, "use a smaller number")
            return 0
        if kind == "bool" and text.lower() not in ("true", "false"):
            return text  # `on`, in a file that asks for YAML 1.1
        try:
            return _plain(kind, text)
        except (ValueError, OverflowError):
            self.fail("bad-number", f"`{text}` is not a number here", node, "write it in decimal digits")
            return 0


def _plain(kind: str, text: str) -> Any:
    """The value of a scalar.

    Raises:
        ValueError: not a finite number.
    """
    if kind == "int":
        plain = text.replace("_", "").lower()
        return int(plain, 16 if "0x" in plain else 8 if "0o" in plain else 10)
    if kind == "float":
        value = float(text.replace("_", ""))
        if not isfinite(value):
            raise ValueError
        return value
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text
