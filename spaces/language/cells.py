"""Read `cells:`: each a graph of nodes with the operators that its edges choose from; and its uses in a network."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from spaces.errors import did_you_mean
from spaces.language.cell import CELL_RANKS, IDENTITY, ZERO, Cell, Edge, Operator
from spaces.language.expressions import Expression, Name
from spaces.language.layer import Choice, LayerSpec, Repeat
from spaces.language.numbering import NUMBERINGS, count_of
from spaces.language.reading import RESERVED, Reading
from spaces.language.source import Path_, is_list, is_mapping
from spaces.language.space import Item

__all__ = ["MAX_NODES", "read_cell", "read_cell_use"]

_KEYS = ("nodes", "edges", "operators", "dead_edges", "numbering")
#: Cells of more nodes are refused: their edges grow as the square.
MAX_NODES = 12


def read_cell(reading: Reading, name: str, data: Any) -> dict[str, Cell]:
    """A cell and the choices of its edges, which are added to the reading's; empty after a reported mistake."""
    path: Path_ = ("cells", name)
    before = len(reading.mistakes)
    if not name.isidentifier() or not name.isascii() or name in (*reading.choices, *RESERVED):
        hint = "use letters, digits and `_`, and no name of a choice or a cost"
        reading.fail("bad-name", f"`{name}` cannot name a cell", path, hint, key=True)
    if not is_mapping(data):
        hint = "for example `nodes: 4` and `operators: {none: zero, skip: identity}`"
        reading.fail("wrong-type", "a cell is a mapping of keys", path, hint)
        return {}
    for key in data:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            reading.fail("unknown-key", f"unknown key `{key}` in a cell", (*path, key), hint, key=True)
    edges = _edges(reading, data, path)
    operators = _operators(reading, data.get("operators"), path)
    dead = data.get("dead_edges", "removed")
    if dead not in ("removed", "counted"):
        reading.fail("wrong-value", "`dead_edges` must be `removed` or `counted`", (*path, "dead_edges"))
    numbering = data.get("numbering") or ""
    if numbering and str(numbering) not in NUMBERINGS:
        hint = did_you_mean(str(numbering), NUMBERINGS)
        reading.fail("wrong-value", f"there is no numbering `{numbering}`", (*path, "numbering"), hint)
    elif numbering and edges and operators and len(operators) ** len(edges) != count_of(numbering):
        message = f"`{numbering}` numbers {count_of(numbering):,} cells, not {len(operators)}^{len(edges)}"
        reading.fail("wrong-value", message, (*path, "numbering"), 'leave it out, or override it by `numbering: ""`')
    if len(reading.mistakes) > before:
        return {}
    cell = Cell(name, edges, operators, dead, numbering)
    span = reading.source.span(path, key=True)
    for k in range(len(edges)):
        label = cell.label(k)
        reading.choices[label] = Choice(label, tuple(operators), True, span, cell=name)
    return {name: cell}


def _edges(reading: Reading, data: dict[str, Any], path: Path_) -> tuple[Edge, ...]:
    """All i -> j with i < j of `nodes`, or the `edges` listed."""
    nodes = data.get("nodes")
    if isinstance(nodes, bool) or not isinstance(nodes, int) or not 2 <= nodes <= MAX_NODES:
        hint = "node 0 is the input, the last one the output"
        place, key = ((*path, "nodes"), False) if "nodes" in data else (path, True)
        reading.fail("wrong-value", f"`nodes` must be a whole number from 2 to {MAX_NODES}", place, hint, key=key)
        return ()
    if "edges" not in data:
        return tuple(sorted(combinations(range(nodes), 2), key=lambda e: (e[1], e[0])))
    listed = data["edges"]
    result: list[Edge] = []
    before = len(reading.mistakes)
    for k, edge in enumerate(listed if is_list(listed) else [listed]):
        at = (*path, "edges", k) if is_list(listed) else (*path, "edges")
        if not (is_list(edge) and len(edge) == 2 and all(type(n) is int for n in edge)):
            reading.fail("wrong-type", "an edge is two nodes", at, "for example `[0, 1]`")
        elif not 0 <= edge[0] < edge[1] < nodes:
            reading.fail(
                "bad-edge", f"an edge from node {edge[0]} to {edge[1]}", at, f"nodes go up from 0 to {nodes - 1}"
            )
        elif tuple(edge) in result:
            reading.fail("bad-edge", f"the edge {edge[0]} to {edge[1]} is given twice", at)
        else:
            result.append((edge[0], edge[1]))
    for node in range(1, nodes) if len(reading.mistakes) == before else ():
        if not any(j == node for _, j in result):
            reading.fail("bad-edge", f"no edge leads to node {node}", (*path, "edges"), f"add `[0, {node}]`")
    return tuple(sorted(result, key=lambda e: (e[1], e[0])))


def _operators(reading: Reading, data: Any, path: Path_) -> dict[str, Operator]:
    path = (*path, "operators")
    if not is_mapping(data) or not data:
        hint = "for example `operators: {none: zero, skip: identity, conv: [conv: {filters: channels}]}`"
        there = data is not None
        reading.fail("missing-key", "a cell needs `operators`", path if there else path[:-1], hint, key=not there)
        return {}
    result: dict[str, Operator] = {}
    for name, value in data.items():
        if not (name.replace("_", "a").replace(".", "a").isalnum() and name.isascii()):
            hint = "use letters, digits, `_` and `.`"
            reading.fail("bad-option", f"the operator `{name}` is not a word", (*path, name), hint, key=True)
        result[name] = _operator(reading, value, (*path, name))
    return result


def _operator(reading: Reading, data: Any, path: Path_) -> Operator:
    if data in (ZERO, IDENTITY):
        return data
    if not is_list(data) or not data:
        hint = "`zero` (no connection), `identity`, or for example `[relu, {conv: {filters: channels}}]`"
        reading.fail("wrong-type", "an operator is a word or a list of blocks", path, hint)
        return ZERO
    # Within a cell the only name is that of its input's channels: its decisions are the edges.
    choices, reading.choices, reading.own_names = reading.choices, {}, ("channels",)
    try:
        items = [_block(reading, item, (*path, k)) for k, item in enumerate(data)]
    finally:
        reading.choices, reading.own_names = choices, ()
    blocks = [item for item in items if isinstance(item, LayerSpec)]
    if not any(all(r in b.block.ranks and b.block.out_rank is None for b in blocks) for r in CELL_RANKS):
        words = " or ".join(f"`{b.block.name}`" for b in blocks if b.block.out_rank is not None)
        message = f"{words} gives a vector" if words else "these blocks take different inputs"
        reading.fail(
            "bad-operator", message, path, "an operator turns an image into an image, or a series into a series"
        )
    for k, item in enumerate(items):
        if item is not None and (not isinstance(item, LayerSpec) or item.repeat.options != (1,) or item.dtype):
            hint = "write the block once for each time it runs, with the data type of the space"
            reading.fail("bad-operator", "an operator is a plain list of blocks", (*path, k), hint)
    return tuple(blocks)


def _block(reading: Reading, data: Any, path: Path_) -> Item | None:
    if is_mapping(data) and "cell" in data:
        reading.fail("bad-operator", "a cell within a cell", path, "write the blocks")
        return None
    return reading.item(data, path, grouped=False)


def read_cell_use(reading: Reading, data: dict[str, Any], path: Path_, repeat: Repeat) -> LayerSpec | None:
    """`- cell: name` in a network, as a layer with a decision per edge."""
    for key in data:
        if key not in ("cell", "repeat", "numbered"):
            hint = did_you_mean(key, ("cell", "repeat", "numbered"))
            reading.fail("unknown-key", f"unknown key `{key}` beside `cell`", (*path, key), hint, key=True)
    name = str(data["cell"])
    if name not in reading.cells:
        if name not in reading.header.cells:
            hint = did_you_mean(name, reading.header.cells) if reading.header.cells else "describe it under `cells:`"
            reading.fail("unknown-cell", f"there is no cell `{name}`", (*path, "cell"), hint)
        return None
    cell = reading.cells[name]
    span = reading.source.span((*path, "cell"))
    labels = [cell.label(k) for k in range(len(cell.edges))]
    reading.used.update(labels)
    arguments = {f"edge{k + 1}": Expression(label, Name(label), span) for k, label in enumerate(labels)}
    numbered = reading.flag(data, "numbered", path)
    return LayerSpec(cell.block, arguments, numbered, None, repeat, span=span)
