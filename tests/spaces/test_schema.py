"""The JSON schema accepts what the reader accepts, by a validator of just the keywords that the schema uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from spaces.language.library import library
from spaces.language.schema import json_schema
from spaces.language.source import read_yaml
from tests.strategies import documents

SCHEMA = json_schema()
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda x: isinstance(x, dict),
    "array": lambda x: isinstance(x, list),
    "string": lambda x: isinstance(x, str),
    "boolean": lambda x: isinstance(x, bool),
    "integer": lambda x: isinstance(x, int) and not isinstance(x, bool),
    "number": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
    "null": lambda x: x is None,
}
#: Keyword -> whether a value of its type keeps it.
KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "type": lambda want, x, _: TYPES[want](x),
    "enum": lambda want, x, _: any(x == w and type(x) is type(w) for w in want),
    "const": lambda want, x, _: x == want,
    "anyOf": lambda want, x, _: any(accepts(w, x) for w in want),
    "not": lambda want, x, _: not accepts(want, x),
    "$ref": lambda want, x, _: accepts(SCHEMA["$defs"][want.removeprefix("#/$defs/")], x),
    "minimum": lambda want, x, _: not TYPES["number"](x) or x >= want,
    "maximum": lambda want, x, _: not TYPES["number"](x) or x <= want,
    "pattern": lambda want, x, _: not isinstance(x, str) or re.search(want, x) is not None,
    "exclusiveMinimum": lambda want, x, _: not TYPES["number"](x) or x > want,
    "items": lambda want, x, _: not isinstance(x, list) or all(accepts(want, y) for y in x),
    "minItems": lambda want, x, _: not isinstance(x, list) or len(x) >= want,
    "maxItems": lambda want, x, _: not isinstance(x, list) or len(x) <= want,
    "minProperties": lambda want, x, _: not isinstance(x, dict) or len(x) >= want,
    "properties": lambda want, x, _: not isinstance(x, dict) or all(accepts(want[k], x[k]) for k in want if k in x),
    "required": lambda want, x, _: not isinstance(x, dict) or all(k in x for k in want),
    "additionalProperties": lambda want, x, schema: _others(want, x, schema),
}
REMARKS = {"title", "description", "default", "$schema", "$defs"}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    unknown = set(schema) - set(KEYWORDS) - REMARKS
    assert not unknown, f"the schema uses {unknown}, which this validator does not know"
    return all(KEYWORDS[word](want, value, schema) for word, want in schema.items() if word not in REMARKS)


def _others(want: Any, value: Any, schema: dict[str, Any]) -> bool:
    others = [k for k in value if k not in schema.get("properties", {})] if isinstance(value, dict) else []
    return not others or (want if isinstance(want, bool) else all(accepts(want, value[k]) for k in others))


def parsed(text: str) -> Any:
    return read_yaml(text, "<text>").data


@pytest.mark.parametrize("name", sorted(library()))
def test_every_space_of_the_library_is_accepted(name: str) -> None:
    path = library()[name]
    assert accepts(SCHEMA, parsed(path.read_text()))


@given(documents(max_size=500))
def test_random_spaces_are_accepted(document: dict[str, Any]) -> None:
    assert accepts(SCHEMA, document)


CELL = """
space: s
input: {channels: 3, height: 8, width: 8}
cells:
  c:
    nodes: 3
    edges: [[0, 1], [1, 2]]
    operators: {none: zero, skip: identity, conv: [relu, {conv: {filters: channels}}]}
    dead_edges: counted
network:
  - {cell: c, repeat: 2, numbered: false}
"""


def test_a_cell_is_accepted() -> None:
    assert accepts(SCHEMA, parsed(CELL))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("nodes: 3", "nodes: 1"),
        ("nodes: 3", "nodes: three"),
        ("nodes: 3", "nodes: 13"),
        ("nodes: 3", "noddes: 3"),
        ("[[0, 1], [1, 2]]", "[[0, 1], [1, 2, 3]]"),
        ("[[0, 1], [1, 2]]", "[0, 1]"),
        ("none: zero", "none: nothing"),
        ("[relu, {conv: {filters: channels}}]", "[]"),
        ("[relu, {conv: {filters: channels}}]", "[relu, {convv: {filters: channels}}]"),
        ("counted", "kept"),
        ("dead_edges: counted", "numbering: unknown"),
        ("numbered: false", "numbered: 3"),
        ("numbered: false", "bias: true"),
        ("cell: c,", "cell: 3,"),
    ],
)
def test_mistakes_in_cells_are_refused(right: str, wrong: str) -> None:
    assert CELL.count(right) == 1
    assert not accepts(SCHEMA, parsed(CELL.replace(right, wrong)))
