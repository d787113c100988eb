"""Cells: what is emitted computes the cell's definition, is counted right, and runs as counted."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import solve
from spaces.costs.layer import LAYER_COSTS, layer_cost
from spaces.errors import CandidateError
from spaces.language.cell import Cell, live_edges, lower_cell
from spaces.language.reader import load_space, read_space
from spaces.operators import Ops
from spaces.operators.memory import peak_bytes
from spaces.program.breakdown import totals
from spaces.program.candidate import Candidate, candidate_of, parse_candidate
from spaces.program.cell_patterns import CellPatterns
from spaces.program.cell_text import cell_word
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.program.isomorphism import representatives
from spaces.program.variants import unroll
from spaces.program.with_overrides import with_overrides
from spaces.runtimes.ebs import Ebs
from spaces.runtimes.nascompile_c import NascompileC
from spaces.tensors import Infeasible, Shape, Tensor
from tests.agreement import check_solvers
from tests.strategies import budgets_for, cell_documents, compiled, edges_of, possible_rows, to_yaml

TABLE = Path(__file__).parents[3] / "shared" / "data" / "nb201" / "nb201_cifar10.csv.gz"
CELL = load_space("nasbench201").cells["cell"]

Term = tuple[Any, ...]
#: A symbolic value: a multiset of terms, sorted by their text; `()` is zero.
Value = tuple[Term, ...]
INPUT: Value = (("input",),)


def added(values: Sequence[Value]) -> Value:
    return tuple(sorted((term for value in values for term in value), key=repr))


def applied(ops: Ops, k: int, operands: Sequence[Value]) -> Value:
    """What the k-th operator makes of its operands: a sum, or a term that names it and what it is applied to."""
    op = ops[k]
    if op.kind == "zeros":
        return ()
    if op.kind in ("concat", "mul"):
        # The order of these operands matters.
        return ((op.kind, op.activation, *operands),)
    total = added(operands)
    if op.kind in ("add", "identity") and op.activation == "none":
        return total
    if op.kind == "scale":
        return (("scale", op.scale, total),)
    return ((op.kind, op.out, op.kernel, op.stride, op.pads, op.groups, op.activation, op.norm, total),)


def executed(ops: Ops) -> Value:
    """Run operators on buffers: an in-place operator overwrites its last operand's, whoever still wants to read it."""
    buffer, memory = [0], {0: INPUT}
    for k, op in enumerate(ops):
        result = applied(ops, k, [memory[buffer[s]] for s in op.inputs])
        buffer.append(buffer[op.inputs[-1]] if op.in_place else k + 1)
        memory[buffer[-1]] = result
    return memory[buffer[-1]]


def by_definition(cell: Cell, x: Shape, chosen: Sequence[Sequence[str]], strict: bool) -> Value:
    """The cell as NAS-Bench-201 defines it: every node the sum over its edges, nothing ever overwritten.

    An edge of several operators is their mean, as in a super-network.

    With `strict` operators run on zeros, too; without, what is applied to zero is zero.
    """
    values, shapes = {0: INPUT}, {0: x}
    for node in range(1, cell.last + 1):
        terms: list[Value] = []
        found: set[Shape] = set()
        for (i, j), names in zip(cell.edges, chosen, strict=True):
            for operator in [cell.operators[n] for n in names if n not in cell.zeros] if j == node else []:
                value, shape = (values[i], shapes[i])
                if not strict and not value:
                    continue
                for spec in operator if isinstance(operator, tuple) else ():
                    ops = spec.own(spec.block.lower(shape, **spec.evaluate({"channels": shape.channels})))
                    held = [value]
                    for k, op in enumerate(ops):
                        held.append(applied(ops, k, [held[s] for s in op.inputs]))
                    value, shape = held[-1], ops[-1].out
                terms.append(value if len(names) == 1 else (("scale", 1 / len(names), value),))
                found.add(shape)
        if len(found) > 1:
            raise Infeasible("shapes differ")
        values[node], shapes[node] = added(terms), found.pop() if found else x
    return values[cell.last]


@st.composite
def cells(draw: st.DrawFn, most_nodes: int = 5) -> Cell:
    """A cell of random edges and operators, read from its text, on an image of 4 channels."""
    keys = draw(cell_documents(rank=2, nodes=st.integers(2, most_nodes), operators=st.integers(1, 5)))
    keys = {"space": "s", "input": {"channels": 4, "height": 8, "width": 8}, "cells": {"cell": keys}}
    return read_space(to_yaml({**keys, "network": [{"cell": "cell"}]})).cells["cell"]


@st.composite
def chosen_cells(draw: st.DrawFn, most: int = 3) -> tuple[Cell, tuple[tuple[str, ...], ...]]:
    """A cell and the operators of each edge: several, as in a super-network, or one."""
    cell = draw(cells())
    some = st.lists(st.sampled_from(list(cell.operators)), min_size=1, max_size=most, unique=True).map(tuple)
    return cell, tuple(draw(some) for _ in cell.edges)


X = Shape(4, 8, 8)


# -- the graph that is emitted -----------------------------------------------------------------------------------------


@given(chosen_cells())
def test_what_is_emitted_is_the_cell(case: tuple[Cell, tuple[tuple[str, ...], ...]]) -> None:
    """Order, sums, aliases, missing paths, and that no tensor is overwritten which is still to be read."""
    cell, chosen = case
    try:
        expected = by_definition(cell, X, chosen, strict=cell.dead_edges == "counted")
        ops = lower_cell(cell, X, chosen)
    except Infeasible:
        assume(False)
        raise
    assert executed(ops) == expected
    assert all(source <= k for k, op in enumerate(ops) for source in op.inputs)


@pytest.mark.parametrize("dead_edges", ["removed", "counted"])
def test_every_cell_of_the_benchmark_is_emitted_right(dead_edges: str) -> None:
    """And its memory is reused wherever it can be: a sum or a ReLU in place exactly where an operand is not needed."""
    cell = replace(CELL, dead_edges=dead_edges)
    for names in product(cell.operators, repeat=6):
        chosen = [(name,) for name in names]
        ops = lower_cell(cell, X, chosen)
        assert executed(ops) == by_definition(cell, X, chosen, strict=dead_edges == "counted")
        for k, op in enumerate(ops):
            # Where dead edges run, one may alias a tensor for nobody, which then is kept.
            if op.kind in ("add", "relu") and dead_edges == "removed":
                later = {s for other in ops[k + 1 :] if other.kind != "zeros" for s in other.inputs}
                assert op.in_place == any(s not in later for s in op.inputs)


def test_shapes_that_cannot_meet() -> None:
    text = (
        "space: s\ninput: {channels: 4, height: 8, width: 8}\ncells:\n  cell:\n    nodes: 3\n    operators:\n"
        "      skip: identity\n      half: [max_pool]\nnetwork:\n  - cell: cell\n"
    )
    program = compile_space(read_space(text))
    assert [str(c) for c in solve(program, "diagram")] == [
        "s: |skip~0|+|skip~0|skip~1|",
        "s: |skip~0|+|half~0|half~1|",
        "s: |half~0|+|half~0|skip~1|",
    ]
    with pytest.raises(Infeasible, match="operators of shapes 4x8x8 and 4x4x4 meet in a node of `cell`"):
        lower_cell(program.space.cells["cell"], X, [("skip",), ("skip",), ("half",)])


@given(chosen_cells(most=1))
def test_live_edges_are_those_on_a_path(case: tuple[Cell, tuple[tuple[str, ...], ...]]) -> None:
    cell, chosen = case
    there = [edge for edge, (name,) in zip(cell.edges, chosen, strict=True) if name not in cell.zeros]
    graph = nx.DiGraph(there)
    graph.add_nodes_from((0, cell.last))
    on_paths = {edge for path in nx.all_simple_paths(graph, 0, cell.last) for edge in pairwise(path)}
    assert [edge for edge, alive in zip(cell.edges, live_edges(cell, chosen), strict=True) if alive] == [
        edge for edge in there if edge in on_paths
    ]


@given(chosen_cells())
def test_dead_edges_never_cost_less(case: tuple[Cell, tuple[tuple[str, ...], ...]]) -> None:
    cell, chosen = case
    try:
        removed, counted = (
            lower_cell(replace(cell, dead_edges=way), X, chosen) for way in ("removed", "counted")
        )  # fmt: skip
    except Infeasible:
        assume(False)
        raise
    assert peak_bytes(removed, X.size, 1) <= peak_bytes(counted, X.size, 1)
    assert sum(op.weights for op in removed) <= sum(op.weights for op in counted)
    assert sum(op.macs for op in removed) <= sum(op.macs for op in counted)
    if all(live_edges(cell, chosen)):
        assert removed == counted


# -- compiled spaces with a cell ---------------------------------------------------------------------------------------


@st.composite
def cell_spaces(draw: st.DrawFn) -> dict[str, Any]:
    """A space with a cell of at most 27 choices between other layers, as plain data."""
    rank = draw(st.sampled_from([1, 2]))
    cell = draw(cell_documents(rank=rank, nodes=st.integers(2, 3), operators=st.integers(2, 3)))
    shape = {"length": 8} if rank == 1 else {"height": 8, "width": 6}
    conv = "conv1d" if rank == 1 else "conv"
    network = [{conv: {"filters": "M"}}, {"cell": "cell", "repeat": draw(st.sampled_from([1, 2, [1, 2]]))}]
    if draw(st.booleans()):
        network += [{conv: {"filters": "6", "stride": 2}}, {"cell": "cell"}]
    return {
        "space": "small",
        "input": {"channels": 2, **shape},
        "dtype": draw(st.sampled_from(["float32", "int8"])),
        "bias": draw(st.booleans()),
        "batch_norm": draw(st.sampled_from(["folded", "kept"])),
        "ram_model": draw(st.sampled_from(["liveness", "pingpong"])),
        "choices": {"M": [2, 4]},
        "cells": {"cell": cell},
        "network": [*network, "global_avg_pool", {"linear": {"units": 3}}],
    }


def possible(document: dict[str, Any]) -> Program:
    """A program, if any of its networks can exist."""
    program = compiled(to_yaml(document))
    assume(program is not None)
    assert program is not None
    return program


@given(cell_spaces(), st.data())
def test_tables_are_sums_over_the_network(document: dict[str, Any], data: st.DataObject) -> None:
    program = possible(document)
    for v, chain in enumerate(program.chains):
        rows = [] if chain.impossible else possible_rows(program, v)
        if len(rows):
            candidate = candidate_of(program, v, data.draw(st.sampled_from([tuple(row) for row in rows])))
            walked = totals(candidate)
            assert walked.pop("entropy") == pytest.approx(candidate.costs["entropy"], rel=1e-12)
            assert walked == {name: cost for name, cost in candidate.costs.items() if name != "entropy"}
            assert parse_candidate(program, str(candidate)) == candidate


@pytest.mark.parametrize("name", ["nasbench201", "nasbench201_benchmark"])
def test_cells_of_one_pattern_differ_by_their_operators(name: str) -> None:
    """With code bytes for every kind, those between the edges too."""
    code = {kind: 10 * k + 1 for k, kind in enumerate(("conv", "add", "zeros", "identity", "relu", "avg_pool"))}
    program = compile_space(load_space(name), runtime=Ebs(code))
    rows = np.random.default_rng(0).integers(0, 5, (60, 6))
    costs = program.costs(0, rows)
    for k, row in enumerate(rows.tolist()):
        walked = totals(candidate_of(program, 0, row))
        assert {name: column[k] for name, column in costs.items()} == walked


@pytest.mark.parametrize("latency", [None, "nascompile-c"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", ["nasbench201", "nasbench201_benchmark"])
def test_cells_of_one_pattern_share_the_code_of_their_kernels(name: str, dtype: str, latency: str | None) -> None:
    """Of our own C each kernel is there once, and a sum takes what its size says."""
    program = nc.compile(name, mcu="stm32l432", ships=dtype, latency_profile=latency)
    rows = np.random.default_rng(0).integers(0, 5, (60, 6))
    costs = program.costs(0, rows)
    for k, row in enumerate(rows.tolist()):
        walked = totals(candidate_of(program, 0, row))
        assert {name: column[k] for name, column in costs.items()} == walked


#: Operators that lay out tensors of other sizes, none of their own, or that overwrite what they read, early or late.
LAID_OUT: dict[str, Any] = {
    "broad": [{"conv": {"filters": 12, "kernel": 1}}, {"conv": {"filters": 4, "kernel": 3}}],
    "narrow": ["relu", {"conv": {"filters": 1, "kernel": 1}}, {"conv": {"filters": 4, "kernel": 3}}],
    "late": [{"conv": {"filters": 4, "kernel": 3}}, "relu"],
    "early": ["relu", {"conv": {"filters": 4, "kernel": 3}}],
    "relu": ["relu"],
}


@given(cell_documents(2, st.integers(2, 5), st.integers(1, 4)), st.data())
def test_a_pattern_says_what_walking_says(keys: dict[str, Any], data: st.DataObject) -> None:
    """On inputs of any size, whatever operators lay out in memory."""
    more = data.draw(st.lists(st.sampled_from(list(LAID_OUT)), unique=True))
    keys = {**keys, "operators": keys["operators"] | {name: LAID_OUT[name] for name in more}}
    dtype = data.draw(st.sampled_from(["int8", "float32"]))
    space = read_space(to_yaml({
        "space": "s", "dtype": dtype, "input": {"channels": 4, "height": 8, "width": 8}, "cells": {"cell": keys},
        "network": [{"cell": "cell"}],
    }))  # fmt: skip
    runtime = NascompileC.unmeasured(data.draw(st.sampled_from(["Cortex-M7", "Cortex-M0+"])), dtype)
    cell = space.cells["cell"]
    patterns = CellPatterns(cell, space.settings, runtime, None)
    drawn = st.lists(st.integers(0, len(cell.words) - 1), min_size=len(cell.edges), max_size=len(cell.edges))
    chosen = cell.reduced(np.array(data.draw(st.lists(drawn, min_size=1, max_size=20))))
    for side in (8, 5):
        x = Tensor(Shape(4, side, side), dtype, 2)
        found = patterns.costs(x, chosen)
        assume(found is not None)
        assert found is not None
        for row, costs in zip(chosen.tolist(), found[0].tolist(), strict=True):
            walked = layer_cost(cell.lower(x.shape, row), x, x, space.settings, runtime)
            assert costs == [*(getattr(walked, name) for name in LAYER_COSTS), walked.kernels]


CONSTRAINTS = [
    'cell[1] == "SOME"',
    'not (cell[-1] == "SOME")',
    'cell[2] != "SOME" or M[1] >= 3',
    "cell[i] != cell[i+1]",
]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A cell space with constraints on its edges, compiled for budgets."""
    document = draw(cell_spaces())
    cell = document["cells"]["cell"]
    some = draw(st.sampled_from(list(cell["operators"])))
    known = [c.replace("SOME", some) for c in CONSTRAINTS[: 4 if edges_of(cell) > 1 else 2]]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True))
    free = possible({**document, "constraints": chosen})
    return compile_space(free.space, draw(budgets_for(free)), ram_model=free.space.ram_model)


@given(programs())
def test_engines_agree(program: Program) -> None:
    check_solvers(program)


# -- the benchmark's table ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark() -> Program:
    return compile_space(load_space("nasbench201_benchmark"))


@pytest.fixture(scope="module")
def removed() -> Program:
    return compile_space(load_space("nasbench201"))


@pytest.mark.skipif(not TABLE.is_file(), reason=f"{TABLE} is not here")
def test_the_benchmarks_table(benchmark: Program) -> None:
    with gzip.open(TABLE, "rt") as file:
        table = list(csv.DictReader(file))
    assert len(table) == benchmark.size == 15_625
    rows = np.array([[int(row[f"e{e}"]) for e in ("01", "02", "12", "03", "13", "23")] for row in table])
    costs = benchmark.costs(0, rows)
    assert costs["params"].tolist() == [int(row["params_c10"]) for row in table]
    # The benchmark's "FLOPs" are multiply-accumulates and one addition per bias of the classifier.
    assert (costs["macs"] + 10).tolist() == [int(row["flops_c10"]) for row in table]
    for index, row in enumerate(table):
        candidate = candidate_of(benchmark, 0, rows[index])
        assert str(candidate) == f"nasbench201_benchmark: {row['arch']}"
        assert candidate.number == index
        assert parse_candidate(benchmark, row["arch"]).row == candidate.row
    assert parse_candidate(benchmark, "13714") == candidate_of(benchmark, 0, rows[13_714])
    first = representatives(CELL, rows)
    assert first.tolist() == [int(row["iso_rep_idx"]) for row in table]
    assert len(set(first.tolist())) == 6_466


def test_macs_and_params_are_a_plane(benchmark: Program) -> None:
    """They depend on the numbers of 1x1 and 3x3 convolutions alone."""
    rows = np.array(list(product(range(5), repeat=6)))
    n1, n3 = (rows == 2).sum(axis=1), (rows == 3).sum(axis=1)
    costs = benchmark.costs(0, rows)
    assert (costs["macs"] + 10 == 7_783_050 + 3_932_160 * n1 + 35_389_440 * n3).all()
    assert (costs["params"] == 73_306 + 28_000 * n1 + 243_040 * n3).all()


RECORDS = [
    (0, [(15_647_370, 129_306), (15_653_220, 135_156), (3_919_480, 136_456)]),
    (11, [(113_951_370, 802_426), (113_957_220, 808_276), (28_495_480, 809_576)]),
    (284, [(11_715_210, 101_306), (11_721_060, 107_156), (2_936_440, 108_456)]),
]


@pytest.mark.parametrize(("index", "known"), RECORDS)
def test_the_benchmarks_records(benchmark: Program, index: int, known: list[tuple[int, int]]) -> None:
    """NATS-Bench's own test records: FLOPs and parameters for CIFAR-10, CIFAR-100 and ImageNet16-120."""
    member = parse_candidate(benchmark, str(index))
    small = ["input.height=16", "input.width=16"]
    for classes, overrides, expected in zip((10, 100, 120), ([], [], small), known, strict=True):
        costs = totals(with_overrides(member, [f"choices.classes.options=[{classes}]", *overrides]))
        assert (costs["macs"] + classes, costs["params"]) == expected


def test_what_other_tools_print(benchmark: Program) -> None:
    for index, macs, params in ((13_714, 153.27, 1.073), (3_558, 121.82, 0.858)):
        costs = parse_candidate(benchmark, str(index)).costs
        assert (round(costs["macs"] / 1e6, 2), round(costs["params"] / 1e6, 3)) == (macs, params)


def test_overrides_are_compiling_anew(benchmark: Program, removed: Program) -> None:
    keys = ["dtype=int8", "bias=true", "batch_norm=folded", "cells.cell.dead_edges=removed"]
    for index in (0, 11, 284, 1_651, 13_714):
        there = totals(with_overrides(parse_candidate(benchmark, str(index)), keys))
        expected = parse_candidate(removed, str(index)).costs
        assert {n: there[n] for n in expected if n != "entropy"} == {
            n: v for n, v in expected.items() if n != "entropy"
        }
    with pytest.raises(CandidateError, match="changes what a network of `nasbench201_benchmark` decides"):
        with_overrides(parse_candidate(benchmark, "0"), ["cells.cell.nodes=3", 'cells.cell.numbering=""'])


def test_removing_dead_edges_never_costs_more_in_the_benchmark() -> None:
    ways = [replace(CELL, dead_edges=way) for way in ("removed", "counted")]
    saved = np.zeros(3, np.int64)
    for names in product(CELL.operators, repeat=6):
        chosen = [(name,) for name in names]
        less, more = (
            np.array([peak_bytes(ops, X.size, 1), sum(op.weights for op in ops), sum(op.macs for op in ops)])
            for ops in (lower_cell(cell, X, chosen) for cell in ways)
        )
        assert (less <= more).all()
        if all(alive or name == "none" for alive, (name,) in zip(live_edges(CELL, chosen), chosen, strict=True)):
            assert (less[1:] == more[1:]).all()
        saved += less < more
    assert (saved > 1_000).all()


# -- what runs ---------------------------------------------------------------------------------------------------------

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.spaces.test_network import check_counts, check_liveness, check_shapes  # noqa: E402

RUN = """
space: run
input: {channels: 3, height: 9, width: 8}
bias: BIAS
batch_norm: NORM
cells:
  cell:
    nodes: 4
    operators:
      none: zero
      skip: identity
      conv1: [relu, {conv: {filters: channels, kernel: 1, activation: none}}]
      conv3: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
      deep: [{depthwise: {activation: relu}}, {pointwise: {filters: channels, activation: none}}, norm]
      pool: [{avg_pool: {kernel: 3, stride: 1, padding: same}}]
    dead_edges: DEAD
network:
  - cell: cell
"""


def convolved(x: torch.Tensor, modules: Iterator[nn.Module], kept: bool) -> torch.Tensor:
    conv = next(modules)
    assert isinstance(conv, nn.Conv2d)
    x = functional.conv2d(x, conv.weight, conv.bias, padding=conv.kernel_size[0] // 2, groups=conv.groups)
    return normed(x, modules) if kept else x


def normed(x: torch.Tensor, modules: Iterator[nn.Module]) -> torch.Tensor:
    norm = next(modules)
    assert isinstance(norm, nn.BatchNorm2d)
    return functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def operated(name: str, x: torch.Tensor, modules: Iterator[nn.Module], kept: bool) -> torch.Tensor:
    """One operator, with the next weights."""
    if name == "pool":
        return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    if name == "deep":
        return normed(convolved(convolved(x, modules, kept).relu(), modules, kept), modules)
    return convolved(x.relu(), modules, kept)


def reference(
    candidate: Candidate, net: nn.Module, x: torch.Tensor, runs: Sequence[bool], counts: Sequence[bool]
) -> torch.Tensor:
    """A cell, straightforwardly, with the weights of a module: `runs` are the edges it has, `counts` those added."""
    cell = candidate.program.space.cells["cell"]
    kept = candidate.program.space.settings.batch_norm_kept
    modules = iter([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)])
    nodes = [x, *(torch.zeros_like(x) for _ in range(cell.last))]
    for (i, j), name, run, count in zip(cell.edges, candidate["cell"], runs, counts, strict=True):
        if run and name != "none":
            out = nodes[i] if name == "skip" else operated(name, nodes[i], modules, kept)
            nodes[j] = nodes[j] + out if count else nodes[j]
    assert next(modules, None) is None
    return nodes[-1]


def candidate_with(names: Sequence[str], bias: bool, norm: str, dead: str) -> Candidate:
    """A candidate of the space above, none of whose 46,656 cells is compiled."""
    text = RUN.replace("BIAS", str(bias).lower()).replace("NORM", norm).replace("DEAD", dead)
    space = read_space(text)
    return parse_candidate(
        Program(space, unroll(space), Budgets(), "", "liveness"), cell_word(space.cells["cell"], names)
    )


def shaken(net: nn.Module) -> nn.Module:
    """In eval mode, with batch norms that have statistics of their own."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                assert values is not None
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return net.eval()


NAMES = st.lists(
    st.sampled_from(["none", "none", "skip", "conv1", "conv3", "deep", "pool"]), min_size=6, max_size=6
)  # fmt: skip
BATCH = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))


@given(NAMES, st.booleans(), st.sampled_from(["folded", "kept"]), st.sampled_from(["removed", "counted"]))
def test_a_module_computes_the_cell(names: list[str], bias: bool, norm: str, dead: str) -> None:
    candidate = candidate_with(names, bias, norm, dead)
    cell = candidate.program.space.cells["cell"]
    runs = live_edges(cell, [(n,) for n in names]) if dead == "removed" else [True] * 6
    net = shaken(candidate.build())
    with torch.no_grad():
        torch.testing.assert_close(net(BATCH), reference(candidate, net, BATCH, runs, runs))


@given(NAMES)
def test_dead_edges_do_not_matter_where_zero_stays_zero(names: list[str]) -> None:
    """Without biases and with fresh batch norms the module that runs dead edges gives what the live ones give."""
    candidate = candidate_with(names, False, "kept", "counted")
    live = live_edges(candidate.program.space.cells["cell"], [(n,) for n in names])
    net = candidate.build().eval()
    with torch.no_grad():
        torch.testing.assert_close(net(BATCH), reference(candidate, net, BATCH, [True] * 6, live))


@pytest.mark.parametrize("program", ["benchmark", "removed"])
def test_modules_of_the_benchmark(program: str, request: pytest.FixtureRequest) -> None:
    random = np.random.default_rng(0)
    for index in random.choice(15_625, 15, replace=False):
        candidate = parse_candidate(request.getfixturevalue(program), str(index))
        check_counts(candidate)
        check_liveness(candidate)
        check_shapes(candidate)
