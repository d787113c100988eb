"""The JSON schema of the space language, from the same declarations that validate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spaces.blocks import BLOCKS, Block
from spaces.language.cell import IDENTITY, ZERO
from spaces.language.cells import MAX_NODES
from spaces.language.document import Header
from spaces.language.expressions import is_tuple
from spaces.language.keys import editor_schema
from spaces.language.numbering import NUMBERINGS
from spaces.tensors import DTYPES

__all__ = ["json_schema"]

_NUMBER: dict[str, Any] = {"type": "number", "minimum": 0}
_OPTION: dict[str, Any] = {
    "anyOf": [_NUMBER, {"type": "boolean"}, {"type": "string"}, {"type": "array", "items": {"not": {"type": "array"}}}]
}
_RANGE = {"start": _NUMBER, "stop": _NUMBER, "step": {"type": "number", "exclusiveMinimum": 0}}


def json_schema() -> dict[str, Any]:
    """A JSON schema (2020-12) that editors use to complete and check space files.

    Example:
        >>> sorted(json_schema()["properties"])[:4]
        ['batch_norm', 'bias', 'cells', 'choices']
    """
    schema = editor_schema(Header, "nascompile space")
    # A file that extends another inherits what it leaves out.
    schema["required"] = ["space"]
    definitions = schema.setdefault("$defs", {})
    definitions["repeat"] = _repeat()
    definitions["item"] = _item()
    schema["properties"]["cells"] = {"type": "object", "additionalProperties": _cell()}
    schema["properties"]["choices"] = {"type": "object", "additionalProperties": _choice()}
    schema["properties"]["network"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    return schema


def _choice() -> dict[str, Any]:
    options = {"type": "array", "minItems": 1, "items": _OPTION}
    shared = {"enum": [True, False, "group"], "description": "decided once per network, per use, or per group"}
    result = _object({**_RANGE, "options": options, "shared": shared}, [])
    result |= {"type": ["number", "boolean", "string", "array", "object", "null"]}
    listed = {"if": {"required": ["options"]}, "then": {"propertyNames": {"enum": ["options", "shared"]}}}
    ranged = {"else": {"required": ["start", "stop"]}}
    return result | {"minimum": 0, "minItems": 1, "items": _OPTION, **_if_object(listed | ranged)}


def _cell() -> dict[str, Any]:
    blocks = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    node = {"type": "integer", "minimum": 0, "maximum": MAX_NODES - 1}
    edge = {"type": "array", "items": node, "minItems": 2, "maxItems": 2}
    properties = {
        "nodes": {"type": "integer", "minimum": 2, "maximum": MAX_NODES, "description": "input and output included"},
        "edges": {"type": "array", "minItems": 1, "items": edge, "description": "from, to; all by default"},
        "operators": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [{"enum": [ZERO, IDENTITY]}, blocks]},
        },
        "dead_edges": {"enum": ["removed", "counted"], "default": "removed"},
        "numbering": {"enum": [*NUMBERINGS, "", None], "description": "by which a benchmark knows its cells"},
    }
    # Nothing is required: a file that extends another may change a single key of its cell.
    return _or_null(_object(properties, []))


def _repeat() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 1}
    expression = {"type": "string", "description": "an expression over shared choices"}
    listed = {"type": "array", "minItems": 1, "items": count}
    return {"anyOf": [count, listed, _object(_RANGE, ["start", "stop"]), expression]}


def _item() -> dict[str, Any]:
    """An entry of a network. Not a choice among forms, of which a mistake fits none: the form follows from the keys."""
    bare = [name for name, block in BLOCKS.items() if set(block.params) <= set(block.defaults)]
    repeat = {"$ref": "#/$defs/repeat"}
    blocks = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    count: list[dict[str, Any]] = [{"type": "integer", "minimum": 1}, {"type": "string"}]
    depth = {"anyOf": count, "description": "how many of the blocks there are: 1 + D"}
    cases = {"type": "object", "minProperties": 1, "additionalProperties": blocks}
    dtype = {"anyOf": [{"enum": list(DTYPES)}, {"type": "string"}]}
    flags = {key: {"type": "boolean"} for key in ("numbered", "bias", "batch_norm")}
    of_blocks = {"repeat": repeat, "dtype": dtype, **flags}
    named = {"group": {"type": "string"}, "blocks": blocks, "depth": depth, "switch": {"type": "string"},
             "cases": cases, "cell": {"type": "string"}}  # fmt: skip
    entry = _object({**{block.name: _body(block) for block in BLOCKS.values()}, **named, **of_blocks}, [])
    entry["allOf"] = [
        _with("blocks", ["group", "repeat", "depth"]), _with("switch", ["cases"], ["cases"]),
        _with("cell", ["repeat", "numbered"]), _with("group", ["blocks", "repeat", "depth"], ["blocks"]),
        _with("cases", ["switch"], ["switch"]), *(_with(name, list(of_blocks)) for name in BLOCKS),
        # Something that is repeated, numbered, or in a data type.
        {"not": {"propertyNames": {"enum": [*of_blocks, "depth"]}}},
    ]  # fmt: skip
    return {"if": {"type": "string"}, "then": {"enum": bare}, "else": entry}


def _with(key: str, others: list[str], required: Sequence[str] = ()) -> dict[str, Any]:
    """What may, and what must stand beside a key."""
    return {
        "if": {"required": [key]},
        "then": {"propertyNames": {"enum": [key, *others]}, "required": list(required)},
    }


def _body(block: Block) -> dict[str, Any]:
    params = _object(
        {name: {**kind.schema, **_default(block, name)} for name, kind in block.params.items()},
        [name for name in block.params if name not in block.defaults],
    )
    params["description"] = block.doc
    return params if params["required"] else _or_null(params)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _if_object(schema: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"type": "object"}, "then": schema}


def _default(block: Block, name: str) -> dict[str, Any]:
    if name not in block.defaults:
        return {}
    value = block.defaults[name]
    return {"default": list(value) if is_tuple(value) else value}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
