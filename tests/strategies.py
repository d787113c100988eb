"""Random small spaces and budgets. Every space compiles, is small enough to list, and uses the language widely.

A network is drawn first, block by block, with literals and choices as parameters; constraints are then drawn knowing
what the network decides and costs, so that they cut somewhere in the middle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from spaces.blocks import BLOCKS as REGISTERED
from spaces.errors import SpaceError
from spaces.language.cell import Cell
from spaces.language.expressions import parse
from spaces.language.layer import Choice
from spaces.language.reader import read_space
from spaces.language.space import NETWORK_VALUES, Space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.vocabulary import BARE, BLOCKS, CHOICES, COUNTS, IMAGE_OPERATORS, NUMERIC, OPERATORS, REPEATS, TO_VECTOR


def _series(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {f"{key}1d" if isinstance(value, dict) else key: value for key, value in block.items()}


@st.composite
def cell_documents(
    draw: st.DrawFn, rank: int, nodes: st.SearchStrategy[int], operators: st.SearchStrategy[int]
) -> dict[str, Any]:
    """A cell as plain data: nodes with random edges, and some operators for images (rank 2) or series (rank 1)."""
    count = draw(nodes)
    pool = OPERATORS | IMAGE_OPERATORS
    if rank == 1:
        pool = {n: [_series(b) for b in some] if isinstance(some, list) else some for n, some in OPERATORS.items()}
    number = draw(operators)
    some = draw(st.lists(st.sampled_from(list(pool)), min_size=number, max_size=number, unique=True))
    keys: dict[str, Any] = {"nodes": count, "operators": {name: pool[name] for name in some}}
    if draw(st.booleans()):
        pairs = [[i, j] for j in range(1, count) for i in range(j)]
        one_each = [[draw(st.integers(0, j - 1)), j] for j in range(1, count)]
        more = draw(st.lists(st.sampled_from(pairs), max_size=len(pairs)))
        keys["edges"] = [pair for pair in pairs if pair in one_each or pair in more]
    if draw(st.booleans()):
        keys["dead_edges"] = draw(st.sampled_from(["removed", "counted"]))
    return keys


def edges_of(cell: dict[str, Any]) -> int:
    """The number of edges of a cell given as plain data."""
    return len(cell.get("edges", range(cell["nodes"] * (cell["nodes"] - 1) // 2)))


@dataclass
class _Network:
    """Draws a network; keeps the number of its combinations below `room`."""

    draw: Any
    room: int
    rank: int
    choices: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=lambda: set(CHOICES))

    def sizes(self, text: str) -> dict[str, int]:
        found = {}
        for name in names_in(text):
            data = self.choices.setdefault(name, self.draw(st.sampled_from(CHOICES[name])))
            found[name] = len(read_options(data))
        return found

    def value(self, literals: list[Any], expressions: list[str], grouped: bool, times: int) -> Any:
        """A literal, or an expression where the room allows one."""
        expressions = [e for e in expressions if self.names.issuperset(names_in(e))]
        if expressions and self.draw(st.integers(0, 2)):
            more = ["G", "2 * G"] * 4 if grouped and "G" in expressions else []
            text = self.draw(st.sampled_from(expressions + more))
            before = set(self.choices)
            sizes = self.sizes(text)
            cost = 1
            for name, size in sizes.items():
                shared = name in ("S", "W", "L")
                cost *= size ** (0 if shared and name in before else 1 if shared else times)
            if self.room // cost >= 1 and (grouped or "G" not in sizes):
                self.room //= cost
                return text
            for name in set(self.choices) - before:
                del self.choices[name]
        return self.draw(st.sampled_from(literals))

    def window(self, grouped: bool, times: int, series: bool, pool: bool = False) -> dict[str, Any]:
        if not pool and not self.draw(st.integers(0, 3)):
            kernel = self.value([2], ["first(K)"], grouped, times)
            # One decision gives both: the second use of `K` here is the first's.
            return {"kernel": kernel, "stride": "last(K)" if kernel == "first(K)" else 2}
        pairs = [] if series else [[3, 1], [1, 2]]
        keys = {"kernel": self.draw(st.sampled_from([1, 2, 3, *pairs]))}
        keys["stride"] = self.draw(st.sampled_from([1, 1, 1, 2, *([] if series else [[2, 1]])]))
        paddings = ["same", "same", "valid", 1, *([] if series else [[0, 1]])]
        return keys | {"padding": self.value(paddings, ["P"], grouped, times)}

    def arguments(self, block: str, grouped: bool, times: int) -> dict[str, Any]:
        kind, series = block.removesuffix("1d"), block.endswith("1d")
        keys: dict[str, Any] = {}
        if kind == "linear":
            keys["units"] = self.value([1, 4, 7], COUNTS, grouped, times)
        elif kind in ("fire", "yolo_head"):
            both = ("squeeze", "expand") if kind == "fire" else ("classes", "anchors")
            keys |= {key: self.value([1, 2, 3], COUNTS, grouped, times) for key in both}
        elif kind not in ("depthwise", "max_pool", "avg_pool", *BARE, *TO_VECTOR):
            keys["filters"] = self.value([2, 4, 6], COUNTS, grouped, times)
        if kind in ("conv", "depthwise", "ds_conv", "inverted_residual"):
            keys |= self.window(grouped, times, series)
        if kind in ("max_pool", "avg_pool"):
            keys |= self.window(grouped, times, series, pool=True)
        if kind in ("residual", "preact_residual", "convmixer", "fire", "sppf", "shuffle_unit") and self.draw(
            st.booleans()
        ):
            keys["kernel"] = self.draw(st.sampled_from([1, 3] if series else [1, 3, [3, 5]]))
        if kind == "residual" and self.draw(st.booleans()):
            keys["second_kernel"] = self.value([1, 3], ["first(K)"], grouped, times)
        if kind == "inception":
            keys["kernel"] = self.value([3, 4, 9], ["N + 2", "4 * first(K)"], grouped, times)
            keys["bottleneck"] = self.value([0, 1, 3], ["N"], grouped, times)
        if kind in ("fire", "inception", "residual", "preact_residual", "shuffle_unit"):
            keys["stride"] = self.value([1, 2], ["last(K)"], grouped, times)
        if kind == "conv":
            keys["groups"] = self.value([1, 1, 1, 2], ["last(K)"], grouped, times)
        if kind == "inverted_residual":
            keys["expansion"] = self.value([1, 2, 3], ["N", "S"], grouped, times)
            keys["squeeze"] = self.value([0, 1, 2], ["N", "M - 1"], grouped, times)
        if kind in ("inverted_residual", "inception"):
            keys["residual"] = self.value([True, False], ["R"], grouped, times)
        if "activation" in REGISTERED[block].params:
            keys["activation"] = self.value(["relu", "none", "relu6", "hard_swish"], ["A"], grouped, times)
        return {k: v for k, v in keys.items() if self.draw(st.integers(0, 7)) or k not in REGISTERED[block].defaults}

    def layer(self, grouped: bool, times: int) -> dict[str, Any]:
        block = self.draw(st.sampled_from(BLOCKS[self.rank]))
        to_vector = self.rank > 0 and block in TO_VECTOR
        if to_vector and times > 1:
            # What may come twice must take what it gives.
            block, to_vector = "pointwise", False
        repeat = 1 if to_vector else self.draw(st.sampled_from(REPEATS))
        most = self.most(repeat)
        if to_vector:
            self.rank = 0
        item: dict[str, Any] = {block: self.arguments(block, grouped, times * most) or None}
        if repeat != 1:
            item["repeat"] = repeat
        if not self.draw(st.integers(0, 7)):
            item["dtype"] = self.value(["int8", "int16", "float16"], ["T"], grouped, times * most)
        if not self.draw(st.integers(0, 9)):
            item["numbered"] = self.draw(st.booleans())
        item |= {flag: self.draw(st.booleans()) for flag in ("bias", "batch_norm") if not self.draw(st.integers(0, 9))}
        return item

    def most(self, repeat: Any) -> int:
        """The most times that a repeat may give; its variants are paid for here."""
        if isinstance(repeat, str):
            if "L" not in self.choices:
                self.choices["L"] = self.draw(st.sampled_from(CHOICES["L"]))
                self.room //= len(read_options(self.choices["L"]))
            return max(parse(repeat).evaluate({"L": v}) for v in read_options(self.choices["L"]))
        if isinstance(repeat, int):
            return repeat
        values = read_options(repeat)
        self.room = max(1, self.room // len(values))
        return int(max(values))

    def items(self, count: int) -> list[Any]:
        return [self.item() for _ in range(count)]

    def item(self) -> Any:
        if self.rank and not self.draw(st.integers(0, 7)) and (self.cells or self.cell()):
            return {"cell": "cell"} | ({"repeat": 2} if self.draw(st.booleans()) else {})
        if not self.draw(st.integers(0, 11)):
            return self.switch()
        if not self.draw(st.integers(0, 7)):
            return self.deep_group()
        return self.short(self.layer(False, 1)) if self.draw(st.integers(0, 5)) else self.group()

    def switch(self) -> dict[str, Any]:
        """Two cases that give what they take, so that either can stand before what follows."""
        self.room = max(1, self.room // 2)
        cases = {name: [self.layer(False, 2) for _ in range(self.draw(st.integers(1, 2)))] for name in ("one", "two")}
        return {"switch": "arch", "cases": cases}

    def cell(self) -> bool:
        """Draw the network's cell, if there is room for its options."""
        cell = self.draw(cell_documents(self.rank, st.integers(2, 3), st.integers(2, 3)))
        cost = len(cell["operators"]) ** edges_of(cell)
        if self.room // cost < 1:
            return False
        self.room //= cost
        self.cells["cell"] = cell
        return True

    def group(self) -> dict[str, Any]:
        repeat = self.draw(st.sampled_from([1, 2, [1, 2], "L"]))
        times = self.most(repeat)
        blocks = [self.layer(True, times) for _ in range(self.draw(st.integers(1, 2)))]
        return {"group": "stage", "blocks": blocks} | ({"repeat": repeat} if repeat != 1 else {})

    def deep_group(self) -> dict[str, Any]:
        """A group with a decided depth: no choice may decide nothing where a block is absent."""
        self.room = max(1, self.room // 2)
        self.names = {"G", "S", "W"}
        blocks = [self.layer(True, 2) for _ in range(self.draw(st.integers(1, 2)))]
        self.names = set(CHOICES)
        if "G" in names_in(json.dumps(blocks[1:])):
            blocks.reverse()
        if "G" in names_in(json.dumps(blocks[1:])):
            blocks.append(blocks[0])
        self.choices["D"] = CHOICES["D"][0]
        depth = self.draw(st.sampled_from(["D", "3 - D"]))
        return {"group": "deep", "blocks": [blocks[0], *blocks], "depth": depth}

    @staticmethod
    def short(item: dict[str, Any]) -> Any:
        """`{flatten: null}` may be written `flatten`."""
        return next(iter(item)) if list(item.values()) == [None] else item


@st.composite
def block_arguments(draw: st.DrawFn, block: str) -> dict[str, Any]:
    """What a random space may give a block."""
    return _Network(draw, 1000, REGISTERED[block].ranks[-1]).arguments(block, grouped=True, times=1)


def names_in(text: str) -> list[str]:
    """The choices that a text mentions: here, and only here, every capital letter is one."""
    return sorted(set(filter(str.isupper, text)))


def read_options(data: Any) -> list[Any]:
    """The options of a choice as a file gives them."""
    if isinstance(data, dict) and "options" in data:
        return data["options"]
    if not isinstance(data, dict):
        return data if isinstance(data, list) else [data]
    step = data.get("step", 1)
    return [data["start"] + k * step for k in range(round((data["stop"] - data["start"]) / step) + 1)]


@st.composite
def documents(draw: st.DrawFn, max_size: int) -> dict[str, Any]:
    """A space without constraints, as plain data."""
    rank = draw(st.sampled_from([2, 2, 1, 0]))
    keys: dict[str, Any] = {"space": "small", "input": {"channels": draw(st.integers(1, 6))}}
    side = st.integers(3, 12)
    keys["input"] |= {2: {"height": draw(side), "width": draw(side)}, 1: {"length": draw(side)}, 0: {}}[rank]
    network = _Network(draw, max_size, rank)
    items = network.items(draw(st.sampled_from([1, 2, 3, 3, 4])))
    options = {
        "dtype": ["int8", "float16"],
        "bias": [True],
        "batch_norm": ["kept"],
        "count_activations": [True],
        "ram_model": ["liveness"],
    }
    for key, values in options.items():
        if not draw(st.integers(0, 3)):
            keys[key] = draw(st.sampled_from(values))
    used = names_in(json.dumps(items))
    if network.cells:
        keys["cells"] = network.cells
    return {**keys, "choices": {n: d for n, d in network.choices.items() if n in used}, "network": items}


def to_yaml(document: dict[str, Any]) -> str:
    """A line per top-level key and per item of a list; what is within is JSON, which YAML contains."""
    lines = []
    for key, value in document.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"  - {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def compiled(text: str) -> Program | None:
    """The program of a space; None where no network of it can exist, or a constraint speaks of none."""
    try:
        return compile_space(read_space(text))
    except SpaceError as error:
        if not {d.code for d in error.diagnostics} <= {"impossible-space", "no-such-index", "no-fixed-layers"}:
            raise
        return None


@st.composite
def small_spaces(draw: st.DrawFn, max_size: int = 2000, constrained: bool = True) -> str:
    """The YAML text of a space that compiles and has at most about `max_size` networks."""
    document = draw(documents(max_size))
    program = compiled(to_yaml(document))
    assume(program is not None)
    assert program is not None
    if not constrained or not draw(st.integers(0, 2)):
        return to_yaml(document)
    possible = sorted(set(_constraints(draw, program)))
    if draw(st.booleans()):
        # What is said in fewer ways would else be rare.
        possible = [text for text in possible if re.search(r" in \[|:|entropy|// \(|/ \(|- ", text)] or possible
    chosen = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=2, unique=True))
    text = to_yaml({**document, "constraints": chosen})
    return text if compiled(text) else to_yaml(document)


@st.composite
def constrained_spaces(draw: st.DrawFn, max_size: int) -> Space:
    """A space of up to six variants with up to five constraints, most of them relations; they may leave nothing."""
    document = draw(documents(max_size))
    assume(len(document["choices"]) > 1 or "cells" in document)
    program = compiled(to_yaml(document))
    assume(program is not None)
    assert program is not None
    assume(program.size > 6 and len(program.chains) < 7)
    possible = sorted(set(_constraints(draw, program)))
    on_costs = [c for c in possible if parse(c).names & set(NETWORK_VALUES)]
    relations = sorted(set(possible) - set(on_costs))
    chosen = draw(st.lists(st.sampled_from(on_costs), min_size=0 if relations else 1, max_size=2, unique=True))
    chosen += draw(st.lists(st.sampled_from(relations), min_size=1, max_size=3, unique=True)) if relations else []
    program = compiled(to_yaml({**document, "constraints": chosen}))
    assume(program is not None)
    assert program is not None
    return program.space


def _constraints(draw: st.DrawFn, program: Program) -> Iterator[str]:
    """Conditions that can be said about a program's networks."""
    costs = cost_samples(program)
    for metric in ("rom", "ram", "params", "macs", "flops"):
        bound = int(draw(st.sampled_from(costs[metric])))
        yield from (f"{metric} <= {bound}", f"{metric} + 1 > {bound}", f"2 * {metric} < {bound} * 3")
    yield f"rom + 3 * macs <= {int(draw(st.sampled_from((costs['rom'] + 3 * costs['macs']).tolist())))}"
    yield from ("ram <= rom + 200", "macs // 2 <= rom * 3", "max(rom, ram) >= 40")
    yield from _about_entropy(draw, costs["entropy"])
    some = ", ".join(str(int(draw(st.sampled_from(costs["ram"])))) for _ in range(2))
    yield from (f"ram in [{some}]", f"ram not in [{some}]", "rom == ram or macs // (rom - ram) != 1")
    depth = max(chain.variant.depth for chain in program.chains)
    if depth:
        yield from ("channels[-1] >= 3", "max(width) <= 6", "sum(height) >= depth", "channels[1] % 2 == 0")
        yield from (f"height[{depth}] <= height[1]", "ram < channels[1] * 500")
        yield from ("max(channels[:1]) >= 3", f"sum(width[1:{(depth + 1) // 2}]) <= 9", "channels[-1] in [2, 3, 4]")
    if depth > 1:
        yield from ("channels[i] <= channels[i+1]", "width[i] * height[i] >= width[i+1]")
    for cell in program.space.cells.values():
        yield from _about_edges(draw, cell, min(c.variant.count(cell.name) for c in program.chains))
    for name, choice in program.space.choices.items():
        if choice.cell:
            continue
        yield from _about(draw, choice, max(c.variant.count(name) for c in program.chains), depth)


def _about_entropy(draw: st.DrawFn, attained: np.ndarray) -> Iterator[str]:
    """Bounds on the entropy: often that of a network, to the last digit."""
    value = draw(st.sampled_from(attained.tolist()))
    yield from (f"entropy {op} {value!r}" for op in (">=", ">", "<=", "<"))
    yield from (f"{value!r} <= entropy <= {2 * value!r}", f"entropy >= {value - 1:.3f} and rom >= 2")


def _about(draw: st.DrawFn, choice: Choice, count: int, depth: int) -> Iterator[str]:
    """Conditions about the decisions of one choice."""
    name = choice.name
    some = draw(st.sampled_from(choice.options))
    if name in ("S", "W", "L"):
        yield from (f"{name} <= {float(some)}", f"{name} != {float(some)} or depth < 3")
    elif not count:
        return
    elif name in NUMERIC:
        value = float(some)
        yield from (f"{name}[1] >= {value}", f"{name}[-1] * 2 <= {value + 4}", f"not ({name}[1] == {value})")
        yield from (f"sum({name}) <= {value * count}", f"max({name}) - min({name}) <= {value}", f"{name}[1] % 2 != 1")
        yield from (f"1 <= {name}[i] <= 6", f"{name}[i] < i + 5", f"sum({name}) * 10 <= ram")
        other = draw(st.sampled_from(choice.options))
        yield from (
            f"{name}[1] in [{value}, {float(other)}]",
            f"{name}[i] not in [{value}]",
            f"sum({name}[:2]) <= {2 * value}",
        )
        yield from (f"sum({name}[1:{count}]) != {value * count}", f"max({name}[i:i+1]) >= {value}")
        yield f"{name}[1] != {value} and {name}[-1] / ({name}[1] - {value}) >= -1"
        yield f"{name}[-1] == {value} or rom // ({name}[-1] - {value}) >= 40"
        if count > 2:
            yield f"{name}[i] >= {name}[i-2]"
            yield from (f"sum({name}[2:]) >= sum({name}[:-2])", f"min({name}[i-1:i+1]) <= {value}")
        if count > 1:
            yield from (f"{name}[i] {op} {name}[i+1]" for op in (">=", "<=", "==", "!="))
            yield from (f"{name}[1] == {name}[-1]", f"{name}[1] + {name}[2] <= {2 * value}")
            yield f"{name}[-1] / {name}[-2] <= 2"
        if depth:
            yield f"channels[1] >= {name}[1]"
    elif name == "K":
        yield from ("first(K[1]) >= 2", "last(K[i]) <= first(K[1])")
    elif name in ("A", "P", "T"):
        yield from (f'{name}[1] == "{some}"', f'{name}[i] != {name}[1] or {name}[i] == "{some}"')
        yield from (f'{name}[-1] in ["{some}"]', f'{name}[i] not in ["{some}", "{choice.options[0]}"]')
    elif name == "R":
        yield from ("R[1] == true", "not R[-1]")


def _about_edges(draw: st.DrawFn, cell: Cell, count: int) -> Iterator[str]:
    """Conditions about the operators of a cell."""
    name, some = cell.name, draw(st.sampled_from(list(cell.operators)))
    yield from (f'{name}[1] == "{some}"', f'{name}[-1] != "{some}"', f'{name}[i] != "{some}" or depth < 2')
    yield f'{name}[i] in ["{some}", "{next(iter(cell.operators))}"]'
    if count > 1:
        yield from (f"{name}[1] == {name}[2]", f"{name}[i] != {name}[i+1]", f'not ({name}[2] == "{some}") or ram < 900')


def rows_of(program: Program, position: int) -> np.ndarray:
    """All option combinations of a variant, in order."""
    sizes = [len(d.options) for d in program.variants[position].decisions]
    rows = list(product(*map(range, sizes)))
    return np.array(rows, np.int64).reshape(len(rows), len(sizes))


def possible_rows(program: Program, position: int) -> np.ndarray:
    """The option combinations that describe a network."""
    chain, rows = program.chains[position], rows_of(program, position)
    return rows[:0] if chain.impossible else rows[(chain.states(rows) >= 0).all(axis=1)]


def cost_samples(program: Program) -> dict[str, np.ndarray]:
    """The costs of every possible network, in order."""
    metrics = ("rom", "params", "macs", "flops", "ram", "ram_pingpong", "ram_liveness", "entropy", *program.priced)
    found = [{metric: np.zeros(0, np.int64) for metric in metrics}]
    found += [program.costs(v, possible_rows(program, v)) for v, c in enumerate(program.chains) if not c.impossible]
    return {metric: np.concatenate([costs[metric] for costs in found]) for metric in metrics}


@st.composite
def bounds(draw: st.DrawFn, attained: np.ndarray) -> int:
    """A bound on values: one that is attained exactly, one just below it, or one up to the next, a third each."""
    known = np.unique(attained).tolist()
    k = draw(st.integers(0, len(known) - 1))
    match draw(st.sampled_from(["exact", "missed", "between"])):
        case "exact":
            return known[k]
        case "missed":
            return max(known[0], known[k] - 1)
    return draw(st.integers(known[k], known[k + 1] - 1 if k + 1 < len(known) else known[k] + 3))


@st.composite
def budgets_for(draw: st.DrawFn, program: Program) -> Budgets:
    """Budgets of which each, alone, keeps some networks of a program and usually drops some."""
    costs = cost_samples(program)
    limits = {}
    for metric in ("rom", "ram", "flops", "macs", "params", *program.priced):
        if draw(st.integers(0, 2)) and costs[metric].size:
            limits[metric] = draw(bounds(costs[metric]))
    return Budgets(**limits)
