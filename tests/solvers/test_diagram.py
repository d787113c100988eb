"""The diagrams of random limits on random graphs, alone and conjoined, against a list of every path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers import conjoin, interval
from solvers import diagram as engine
from solvers.base import count, solve
from solvers.conjoin import conjoined, conjoined_count
from solvers.interval import Interval, interval_part
from solvers.part import Part, structure
from solvers.pingpong import pingpong_part
from solvers.sets import tree
from solvers.sets.tree import Tree, join, reduce_chain
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Chain, Limit


@dataclass
class Graph:
    """A random layered graph of which every state can be completed, and every path through it."""

    allowed: list[np.ndarray]
    paths: list[tuple[int, ...]]

    def along(self, columns: Sequence[np.ndarray], path: tuple[int, ...]) -> list[int]:
        """The entries of columns [states, options] that a path meets."""
        state, met = 0, []
        for table, column, x in zip(self.allowed, columns, path, strict=True):
            met.append(int(column[state, x]))
            state = int(table[state, x])
        return met


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    depth = draw(st.integers(1, 5))
    states = [1, *(draw(st.integers(1, 3)) for _ in range(depth))]
    options = [draw(st.integers(1, 4)) for _ in range(depth)]
    allowed = []
    alive = np.ones(states[-1], np.bool_)
    for t in range(depth - 1, -1, -1):
        entries = st.lists(st.integers(-1, states[t + 1] - 1), min_size=options[t], max_size=options[t])
        table = np.array([draw(entries) for _ in range(states[t])], np.int32)
        table = np.where((table >= 0) & alive[table], table, -1)
        fallback = int(np.flatnonzero(alive)[0])
        table[(table < 0).all(axis=1), 0] = fallback
        alive = np.ones(states[t], np.bool_)
        allowed.append(table.astype(np.int32))
    allowed.reverse()
    paths: list[tuple[tuple[int, ...], int]] = [((), 0)]
    for table in allowed:
        paths = [((*p, x), int(n)) for p, s in paths for x, n in enumerate(table[s]) if n >= 0]
    return Graph(allowed, [p for p, _ in paths])


@st.composite
def columns_of(draw: st.DrawFn, graph: Graph) -> tuple[np.ndarray, ...]:
    scale = draw(st.sampled_from([1, 3, 1000, 2**40]))
    shift = draw(st.integers(-3, 3))
    most = draw(st.sampled_from([2, 9, 50]))
    return tuple(
        scale * np.array(draw(st.lists(st.integers(0, most), min_size=t.size, max_size=t.size))).reshape(t.shape)
        + shift
        for t in graph.allowed
    )


@st.composite
def limits_of(draw: st.DrawFn, graph: Graph) -> Limit:
    columns = draw(columns_of(graph))
    sums = sorted({sum(graph.along(columns, p)) for p in graph.paths})
    bound = draw(st.sampled_from(sums)) + draw(st.sampled_from([0, 0, -1, 1]))
    return Limit("rom", columns, bound, budget=bound, metric="rom")


@dataclass
class Case:
    graph: Graph
    parts: list[Part]
    members: list[tuple[int, ...]]


@st.composite
def cases(draw: st.DrawFn, most: int = 5) -> Case:
    """A graph, the diagrams of some limits on it, and the paths that keep them."""
    graph = draw(graphs())
    members = graph.paths
    parts: list[Part | None] = []
    for _ in range(draw(st.integers(0, most))):
        limit = draw(limits_of(graph))
        parts.append(interval_part(graph.allowed, limit))
        members = [p for p in members if sum(graph.along(limit.columns, p)) <= limit.bound]
    if draw(st.booleans()):
        even, odd = draw(columns_of(graph)), draw(columns_of(graph))
        even, odd = (tuple(np.maximum(c, 0) for c in columns) for columns in (even, odd))
        rams = {p: max(0, *graph.along(even, p)) + max(2, *graph.along(odd, p)) for p in graph.paths}
        limit = draw(st.sampled_from(sorted(rams.values()))) - draw(st.integers(0, 1))
        columns = [{"even": e, "odd": o} for e, o in zip(even, odd, strict=True)]
        stages = [SimpleNamespace(column=own.__getitem__) for own in columns]
        chain = cast("Chain", SimpleNamespace(stages=stages, base={"even": 0, "odd": 2}))
        parts.append(pingpong_part(chain, graph.allowed, limit))
        members = [p for p in members if rams[p] <= limit]
    return Case(graph, [p for p in parts if p] or [structure(graph.allowed)], members)


def tree_of(graph: Graph, members: list[tuple[int, ...]]) -> Tree:
    """The canonical tree of listed members, from the tree of their prefixes."""
    levels = []
    nodes: dict[tuple[int, ...], int] = {(): 1} if members else {}
    for t, table in enumerate(graph.allowed):
        after = {p: k for k, p in enumerate(sorted({m[: t + 1] for m in members}), 1)}
        level = np.zeros((len(nodes) + 1, table.shape[1]), np.int32)
        for prefix, k in after.items():
            level[nodes[prefix[:-1]], prefix[-1]] = k if t + 1 < len(graph.allowed) else 1
        levels.append(level)
        nodes = after
    return join([reduce_chain(levels, 1 if members else 0)])


def listed(part: Part, t: int, node: int) -> list[tuple[int, ...]]:
    """The completions of a node of level t."""
    if not node or t == len(part.levels):
        return [()] * bool(node)
    return [(x, *rest) for x, child in enumerate(part.levels[t][node]) for rest in listed(part, t + 1, int(child))]


@pytest.fixture(params=["as they are", "in small blocks", "in several words"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With blocks and words as they are, and so small that there are many of them."""
    if request.param == "in small blocks":
        monkeypatch.setattr(tree, "ROW_BLOCK", 3)
        monkeypatch.setattr(interval, "ROW_BLOCK", 3)
    if request.param == "in several words":
        monkeypatch.setattr(conjoin, "_WORD", 3)
        monkeypatch.setattr(conjoin, "_LIMB", 2)


@pytest.mark.usefixtures("sizes")
class TestConjoined:
    @given(case=cases())
    def test_it_is_the_tree_of_the_listed_members(self, case: Case) -> None:
        made = join([conjoined(case.parts)])
        expected = tree_of(case.graph, case.members)
        assert made.roots == expected.roots
        assert made.digest == expected.digest

    @given(case=cases())
    def test_the_count_is_that_of_the_list(self, case: Case) -> None:
        assert conjoined_count(case.parts, len(case.graph.paths)) == len(case.members)


@pytest.mark.usefixtures("sizes")
class TestInterval:
    @given(case=cases(most=1))
    def test_no_node_more_than_prefixes_can_tell_apart(self, case: Case) -> None:
        """The nodes of a state are reached, and differ in their completions."""
        for diagram in case.parts:
            if not isinstance(diagram, Interval):
                continue
            for t, level in enumerate(diagram.levels):
                assert all(node in diagram.levels[t - 1] for node in range(1, len(level)) if t)
                kinds = {(diagram.states[t][node], *listed(diagram, t, node)) for node in range(1, len(level))}
                assert len(kinds) == len(level) - 1

    @given(data=st.data(), graph=graphs())
    def test_a_limit_that_binds_nothing_has_no_diagram(self, data: Any, graph: Graph) -> None:
        limit = data.draw(limits_of(graph))
        sums = [sum(graph.along(limit.columns, p)) for p in graph.paths]
        assert (interval_part(graph.allowed, limit) is None) == (max(sums) <= limit.bound)


class TestLargeSums:
    def test_what_64_bits_cannot_tell_apart_is_refused(self) -> None:
        """Where the state and the sum together are too large; with fewer states the same sums are fine."""
        for states in (8, 4096):
            allowed = [np.arange(states, dtype=np.int32).reshape(1, -1), np.zeros((states, 3), np.int32)]
            columns = tuple(np.arange(t.size).reshape(t.shape) % 5 * (2**51 + 1) + t % 7 for t in allowed)
            limit = Limit("rom", columns, 2**52, budget=2**52, metric="rom")
            if states == 8:
                made = interval_part(allowed, limit)
                assert made is not None
                sums = [int(columns[0][0, x] + columns[1][x, y]) for x in range(8) for y in range(3)]
                assert conjoined_count([made], 24) == sum(value <= 2**52 for value in sums)
            else:
                with pytest.raises(EngineError, match="62 bits"):
                    interval_part(allowed, limit)


class TestTightening:
    def test_tuples_are_about_as_many_as_nodes(self) -> None:
        """Two sums that go together, as ROM and MACs do: as pairs come, there are far more of them than nodes."""
        numbers = np.random.default_rng(3)
        depth, options = 12, 4
        costs = [np.sort(numbers.integers(0, 30, (1, options))) for _ in range(depth)]
        allowed = [np.zeros((1, options), np.int32) for _ in range(depth)]
        parts: list[Interval] = []
        for shrinking in (False, True):
            columns = tuple(cost * (depth - t if shrinking else 1) for t, cost in enumerate(costs))
            bound = int(sum(column.mean() for column in columns))
            made = interval_part(allowed, Limit("rom", columns, bound, budget=bound, metric="rom"))
            assert isinstance(made, Interval)
            parts.append(made)
        levels, root = conjoined(parts)
        reduced, _ = reduce_chain(levels, root)
        made, left = sum(map(len, levels)), sum(map(len, reduced))
        pairs, as_they_come = {(1, 1)}, 0
        for one, two in zip(parts[0].levels, parts[1].levels, strict=True):
            as_they_come += len(pairs)
            both = [(int(a), int(b)) for i, j in pairs for a, b in zip(one[i], two[j], strict=True)]
            pairs = {(a, b) for a, b in both if a and b}
        assert left <= made <= 1.4 * left
        assert made <= 0.6 * as_they_come

    def test_a_limit_that_another_implies_takes_no_part(self) -> None:
        allowed = [np.zeros((1, 4), np.int32)] * 3
        columns = tuple(np.arange(4).reshape(1, 4) for _ in range(3))
        tight, loose = (
            interval_part(allowed, Limit("rom", columns, bound, budget=bound, metric="rom")) for bound in (4, 6)
        )
        assert tight is not None
        assert loose is not None
        levels, root = conjoined([loose, tight])
        assert root == tight.root
        assert all(np.array_equal(a, b) for a, b in zip(levels, tight.levels, strict=True))


def test_states_that_lead_nowhere_ask_for_no_size() -> None:
    """The last state of a level is looked up in place of none, where an option is impossible."""
    text = """
space: small
input: {channels: 1, height: 3, width: 3}
choices: {K: [[3, 1], [3, 2]], A: [relu, none]}
network:
  - {conv: {filters: 2, groups: last(K), activation: A}, batch_norm: false}
"""
    program = compile_space(read_space(text), Budgets(ram=108), ram_model="pingpong")
    assert solve(program, "diagram") == solve(program, "exhaustive")


REPEATED = """
space: repeated
input: {channels: 3, height: 8, width: 8}
choices: {M: [2, 3, 5], K: [1, 3], W: {options: [1, 2], shared: true}}
network:
  - conv: {filters: 4 * W, kernel: K}
    repeat: [1, 2, 3]
  - ds_conv: {filters: M, stride: 2}
    repeat: [1, 3]
  - global_avg_pool
  - linear: {units: 2}
constraints: ["M[2] >= 3", "sum(M) <= 12"]
"""


@pytest.mark.parametrize("ram_model", ["pingpong", "liveness"])
@pytest.mark.parametrize(("rom", "ram"), [(700, None), (900, 900), (10**6, 1200), (600, 1200), (1, None), (None, 1)])
class TestVariantsTogether:
    """Variants that are joined, and the same each on its own, as where memory is short."""

    def test_they_have_the_set_and_the_counts_of_each_alone(
        self, ram_model: str, rom: int | None, ram: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = compile_space(read_space(REPEATED), Budgets(rom=rom, ram=ram, macs=20_000), ram_model=ram_model)
        together, counts = solve(program, "diagram"), count(program, "diagram")
        assert together.digest == solve(program, "exhaustive").digest
        monkeypatch.setattr(engine, "_together", lambda *_: None)
        assert together.digest == solve(program, "diagram").digest
        assert counts == count(program, "diagram") == list(together.counts.values())

    def test_halves_are_joined_where_all_are_too_large(
        self, ram_model: str, rom: int | None, ram: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = compile_space(read_space(REPEATED), Budgets(rom=rom, ram=ram, macs=20_000), ram_model=ram_model)
        expected = solve(program, "exhaustive")
        joined, tried = engine.joined, list[int]()

        def short(chains: Sequence[Chain], *more: Any) -> Chain:
            tried.append(len(chains))
            if len(chains) > 3:
                raise EngineError.of("too-large", "no memory")
            return joined(chains, *more)

        monkeypatch.setattr(engine, "joined", short)
        assert solve(program, "diagram").digest == expected.digest
        assert count(program, "diagram") == list(expected.counts.values())
        assert {6, 3} <= set(tried)


def test_stages_that_variants_begin_with_are_made_once() -> None:
    chains = compile_space(read_space(REPEATED)).chains
    begin = [chain.stages[:2] for chain in chains[2:]]
    assert all(a is b for own in begin for a, b in zip(own, begin[0], strict=True))
    assert chains[0].stages[0] is chains[-1].stages[0]
