"""The JSON schema of the space language, from the same declarations that validate it."""

from __future__ import annotations

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
    ranged = _object({**_RANGE, "shared": shared}, ["start", "stop"])
    listed = _object({"options": options, "shared": shared}, ["options"])
    return {"anyOf": [_OPTION, options, ranged, listed, {"type": "null"}]}


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
    return {"anyOf": [_object(properties, []), {"type": "null"}]}


def _repeat() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 1}
    expression = {"type": "string", "description": "an expression over shared choices"}
    listed = {"type": "array", "minItems": 1, "items": count}
    return {"anyOf": [count, listed, _object(_RANGE, ["start", "stop"]), expression]}


def _item() -> dict[str, Any]:
    bare = {"enum": [name for name, block in BLOCKS.items() if set(block.params) <= set(block.defaults)]}
    repeat = {"$ref": "#/$defs/repeat"}
    blocks = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    count: list[dict[str, Any]] = [{"type": "integer", "minimum": 1}, {"type": "string"}]
    depth = {"anyOf": count, "description": "how many of the blocks there are: 1 + D"}
    group = _object({"group": {"type": "string"}, "blocks": blocks, "repeat": repeat, "depth": depth}, ["blocks"])
    cases = {"type": "object", "minProperties": 1, "additionalProperties": blocks}
    switch = _object({"switch": {"type": "string"}, "cases": cases}, ["switch", "cases"])
    use = {"cell": {"type": "string"}, "repeat": repeat, "numbered": {"type": "boolean"}}
    entries = (_entry(block, repeat) for block in BLOCKS.values())
    return {"anyOf": [bare, group, switch, _object(use, ["cell"]), *entries]}


def _entry(block: Block, repeat: dict[str, Any]) -> dict[str, Any]:
    params = _object(
        {name: {**kind.schema, **_default(block, name)} for name, kind in block.params.items()},
        [name for name in block.params if name not in block.defaults],
    )
    params["description"] = block.doc
    body = params if params["required"] else {"anyOf": [params, {"type": "null"}]}
    dtype = {"anyOf": [{"enum": list(DTYPES)}, {"type": "string"}]}
    flags = {key: {"type": "boolean"} for key in ("numbered", "bias", "batch_norm")}
    return _object({block.name: body, "repeat": repeat, "dtype": dtype, **flags}, [block.name])


def _default(block: Block, name: str) -> dict[str, Any]:
    if name not in block.defaults:
        return {}
    value = block.defaults[name]
    return {"default": list(value) if is_tuple(value) else value}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
