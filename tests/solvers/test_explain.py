"""Explanations: every number, every conflict and every way out against the list of all networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from solvers.explain import Explanation, LimitReport, Relaxation, VariantReport, explain, relations_apart
from spaces.errors import EngineError, ExpressionError
from spaces.language.expressions import evaluate
from spaces.language.reader import load_space, read_space
from spaces.language.space import NETWORK_VALUES, Space
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.constraints import ground
from spaces.program.graph import Budgets, Program
from spaces.program.terms import derived
from spaces.tensors import Infeasible
from tests.oracles import all_candidates
from tests.program_strategies import profiles, runtimes
from tests.strategies import bounds, constrained_spaces

SPACE = """
space: cut
input: {{channels: 2, height: 9, width: 8}}
choices:
  M: [4, 6, 9, 12]
network:
  - conv: {{filters: M, kernel: 3, stride: 2}}
  - conv: {{filters: M, kernel: 3}}
    repeat: [1, 2]
  - global_avg_pool
  - linear: {{units: 3}}
constraints: {constraints}
"""

CASES: list[tuple[list[str], dict[str, int]]] = [
    ([], {"rom": 10_000, "ram": 5_000}),
    ([], {"rom": 900, "ram": 5_000, "macs": 10_000}),
    ([], {"rom": 900, "ram": 500}),
    (["sum(M) >= 20"], {"rom": 4_000, "ram": 1_400}),
    (["sum(M) >= 20", "macs <= 12_000"], {"rom": 90_000}),
    (["M[1] * M[2] >= 60", "rom % 16 == 0", "ram <= 1_000"], {"rom": 5_000}),
    (["M[i] + 5 <= M[i+1]", "flops <= 30_000"], {"ram": 1_200}),
    (["max(M) >= 3 * min(M)", "min(M) >= 6"], {"rom": 9_000}),
    (["M[1] == 4", "rom + ram <= 2_000 and macs <= 9_000"], {}),
    (["rom * ram <= 3_000_000", "rom * ram >= 9_000_000", "ram >= 1_300"], {"macs": 15_000}),
]


#: How many examples the profile asks for; each here is a space, walked network by network.
MANY = settings().max_examples


class Oracle:
    """All networks of one variant of a space without constraints, and which limits each of them keeps.

    Layers are walked one by one and constraints evaluated as they stand; no table, graph or limit is used.
    """

    def __init__(self, free: Program, variant: int, space: Space) -> None:
        self.variant = free.chains[variant].variant
        self.trees = {c.text: trees for c in space.constraints if (trees := ground(c, self.variant))}
        self.relations = {
            c.text for c in space.constraints if c.text in self.trees and not c.names & set(NETWORK_VALUES)
        }
        self.costs: dict[str, dict[str, Any]] = {}
        self.satisfied: dict[str, set[str]] = {}
        for candidate in all_candidates(free):
            if candidate.position == variant:
                self.add(candidate)
        self.limit({})

    def add(self, candidate: Candidate) -> None:
        try:
            costs = totals(candidate)
        except Infeasible:
            return
        values = {**candidate.values, **derived(breakdown(candidate)), **costs}
        self.costs[str(candidate)] = costs
        self.satisfied[str(candidate)] = {
            text for text, trees in self.trees.items() if all(evaluate(tree, values) for tree in trees)
        }

    def limit(self, budgets: dict[str, int]) -> None:
        """Beside the constraints these budgets hold."""
        self.names = [*budgets, *self.trees]
        self.kept = {
            line: frozenset(self.satisfied[line] | {name for name, bound in budgets.items() if costs[name] <= bound})
            for line, costs in self.costs.items()
        }
        #: The sets of limits that some network keeps.
        self.maximal = set(self.kept.values())

    def within(self, limits: Iterable[str]) -> list[str]:
        """The networks that keep these limits."""
        return [line for line, kept in self.kept.items() if kept.issuperset(limits)]

    def least(self, metric: str, limits: Iterable[str]) -> int | None:
        return min((self.costs[line][metric] for line in self.within(limits)), default=None)

    def holds(self, limits: Iterable[str]) -> bool:
        return any(kept.issuperset(limits) for kept in self.maximal)

    def without(self, *names: str) -> set[str]:
        return set(self.names) - {*names}

    def subsets(self) -> list[tuple[str, ...]]:
        """Every set of limits, smallest first."""
        return [some for n in range(len(self.names) + 1) for some in combinations(self.names, n)]

    def conflicts(self) -> set[frozenset[str]]:
        """Every set of limits that no network keeps, though without any one of them some does."""
        return {
            frozenset(some)
            for some in self.subsets()
            if not self.holds(some) and all(self.holds(set(some) - {name}) for name in some)
        }

    def correction(self) -> int:
        """The fewest limits without which some network keeps the others."""
        return next(len(some) for some in self.subsets() if self.holds(self.without(*some)))


def oracles_of(program: Program) -> list[Oracle]:
    """Of each variant in which networks can exist at all."""
    free = without_constraints(program)
    found = [Oracle(free, v, program.space) for v in range(len(free.chains))]
    for oracle in found:
        oracle.limit(dict(program.budgets.items()))
    return [oracle for oracle in found if oracle.kept]


def without_constraints(program: Program) -> Program:
    space = replace(program.space, constraints=())
    return compile_space(space, ram_model=program.ram_model, runtime=program.runtime, latency=program.latency)


def check(program: Program, why: Explanation, oracles: list[Oracle]) -> None:
    possible = [report for report in why.variants if not report.impossible]
    assert [report.label for report in possible] == [oracle.variant.label for oracle in oracles]
    assert all(not report.limits and not report.feasible for report in why.variants if report.impossible)
    for report, oracle in zip(possible, oracles, strict=True):
        check_variant(report, oracle)
    check_relaxations(why, {oracle.variant.label: oracle for oracle in oracles})


def check_limit(limit: LimitReport, oracle: Oracle) -> None:
    others = oracle.without(limit.name)
    assert limit.alone == oracle.holds({limit.name})
    assert limit.others == oracle.holds(others)
    if limit.metric:
        assert limit.budget is not None
        for line, costs in oracle.costs.items():
            assert (costs[limit.metric] <= limit.budget) == (limit.name in oracle.kept[line])
        assert limit.least == oracle.least(limit.metric, set())
        assert limit.least_with_relations == oracle.least(limit.metric, oracle.relations)
        assert limit.least_with_others == oracle.least(limit.metric, others)
    else:
        assert (limit.budget, limit.least, limit.least_with_relations, limit.least_with_others) == (None,) * 4


def check_variant(report: VariantReport, oracle: Oracle) -> None:
    named = {limit.name for limit in report.limits}
    assert named <= set(oracle.names)
    # What is not named holds of every network.
    assert all(kept >= oracle.without(*named) for kept in oracle.maximal)
    for limit in report.limits:
        check_limit(limit, oracle)
    assert report.feasible == oracle.holds(oracle.names)
    assert len(report.conflicts) == len(oracle.conflicts())
    assert {frozenset(conflict) for conflict in report.conflicts} == oracle.conflicts()
    assert report.conflict == (min(report.conflicts, key=len) if report.conflicts else ())
    assert set(report.kept) <= (set(report.conflict) or named)
    assert len(report.kept) == (len(report.conflict) - 1 if report.conflict else len(named))
    check_smallest(report, oracle)


def check_smallest(report: VariantReport, oracle: Oracle) -> None:
    assert report.smallest is not None
    assert report.smallest.costs == pytest.approx(oracle.costs[report.smallest.text])
    assert oracle.kept[report.smallest.text].issuperset(report.kept)
    metrics = {limit.name: limit.metric for limit in report.limits}
    metric = next((metrics[n] for n in report.conflict or metrics if metrics[n]), "rom")
    assert report.smallest.costs[metric] == oracle.least(metric, report.kept)


def check_relaxations(why: Explanation, oracles: dict[str, Oracle]) -> None:
    assert why.feasible == any(oracle.holds(oracle.names) for oracle in oracles.values())
    for report in why.variants if not why.feasible else ():
        for limit in report.limits:
            if oracles[report.label].holds(oracles[report.label].without(limit.name)):
                assert limit.name in {r.name for r in why.relaxations}
    for relaxation in why.relaxations:
        check_way_out((relaxation,), oracles)
        metric, name = relaxation.metric, relaxation.name
        if metric:
            found = [o.least(metric, o.without(name)) for o in oracles.values()]
            assert relaxation.needed == min(value for value in found if value is not None)
    if why.feasible or why.relaxations:
        assert why.joint == ()
    elif oracles:
        assert len(why.joint) == min(oracle.correction() for oracle in oracles.values())
        check_way_out(why.joint, oracles)


def check_way_out(changes: tuple[Relaxation, ...], oracles: dict[str, Oracle]) -> None:
    """The network keeps all limits but those that change, and breaks these by as much as they are raised."""
    ((label, line),) = {(r.variant, r.network.text) for r in changes}
    oracle = oracles[label]
    assert oracle.kept[line] == oracle.without(*(r.name for r in changes))
    for r in changes:
        assert r.network.costs == pytest.approx(oracle.costs[line])
        assert (r.needed, r.budget is None) == (oracle.costs[line][r.metric] if r.metric else None, not r.metric)


@st.composite
def settings_of(draw: st.DrawFn, space: Space) -> dict[str, Any]:
    """A model of the RAM, and sometimes a latency profile or a runtime of its own."""
    found: dict[str, Any] = {"ram_model": draw(st.sampled_from(["pingpong", "liveness"]))}
    dtype = space.settings.dtype
    if not draw(st.integers(0, 3)):
        found["latency"] = draw(profiles(dtype))
    if dtype in ("int8", "float32") and not draw(st.integers(0, 3)):
        found["runtime"] = draw(runtimes(dtype))
    return found


@st.composite
def over_constrained(draw: st.DrawFn, max_size: int = 60) -> tuple[Program, list[Oracle]]:
    """A program without members: where constraints leave some, a budget is just too small for the best of them.

    Most constraints hold in some network, and all budgets do in some: they conflict with each other.
    """
    space = draw(constrained_spaces(max_size))
    try:
        program = compile_space(space, **draw(settings_of(space)))
        oracles = oracles_of(program)
    except (EngineError, ExpressionError):  # a type that a choice decides; no value for some networks
        assume(False)
    never = [c for c in space.constraints if not any(o.holds({c.text} & {*o.names}) for o in oracles)]
    assume(oracles and (not never or not draw(st.integers(0, 4))))
    costs = {m: np.array([each[m] for o in oracles for each in o.costs.values()]) for m in (*program.metrics, "ram")}
    budgets = {m: draw(bounds(np.unique(column))) for m, column in costs.items() if not draw(st.integers(0, 2))}
    for oracle in oracles:
        oracle.limit(budgets)
    fitting = {m: [o.costs[line][m] for o in oracles for line in o.within(o.names)] for m in costs}
    if fitting["rom"]:
        room = [m for m in costs if min(fitting[m]) > costs[m].min()] or ["ram"]
        assume(len(room) > 1 or not draw(st.integers(0, 9)))
        metric = draw(st.sampled_from(room))
        budgets[metric] = min(fitting[metric]) - 1
        for oracle in oracles:
            oracle.limit(budgets)
    return with_budgets(program, Budgets(**budgets)), oracles


def with_budgets(program: Program, budgets: Budgets) -> Program:
    return compile_space(
        program.space, budgets, ram_model=program.ram_model, runtime=program.runtime, latency=program.latency
    )


@settings(max_examples=MANY if MANY >= 1000 else 20)
@given(over_constrained())
def test_every_conflict_is_one_and_minimal(found: tuple[Program, list[Oracle]]) -> None:
    """Of a thousand spaces with `HYPOTHESIS_PROFILE=thorough`."""
    program, oracles = found
    why = explain(program)
    assert not why.feasible
    check(program, why, oracles)
    sizes = sorted({len(conflict) for report in why.variants for conflict in report.conflicts})
    event(f"sizes of conflicts: {sizes}")


@pytest.mark.parametrize(("constraints", "budgets"), CASES)
def test_every_number_is_that_of_the_list(constraints: list[str], budgets: dict[str, int]) -> None:
    program = compile_space(read_space(SPACE.format(constraints=constraints)), Budgets(**budgets))
    check(program, explain(program), oracles_of(program))


@pytest.mark.parametrize(("constraints", "budgets"), CASES)
def test_of_many_limits_conflicts_are_minimal_and_none_is_left(
    constraints: list[str], budgets: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solvers.conflicts.MAX_EXACT", 0)
    program = compile_space(read_space(SPACE.format(constraints=constraints)), Budgets(**budgets))
    for report, oracle in zip(explain(program).variants, oracles_of(program), strict=True):
        assert {frozenset(conflict) for conflict in report.conflicts} <= oracle.conflicts()
        assert oracle.holds(oracle.without(*(name for conflict in report.conflicts for name in conflict)))


def test_dscnn_on_a_small_mcu_needs_more_ram() -> None:
    why = explain(compile_space(load_space("dscnn"), Budgets(rom=1_000_000, ram=65_536)))
    assert not why.feasible
    assert [report.conflict for report in why.variants] == [("ram",)] * 3
    (relaxation,) = why.relaxations
    assert (relaxation.name, relaxation.budget, relaxation.needed, relaxation.variant) == ("ram", 65_536, 206_640, "6")
    assert relaxation.network.text == "dscnn/6: 84-84-84-84-84-84"
    limits = {limit.name: limit for limit in why.variants[0].limits}
    assert limits["rom"].least_with_others is None
    assert limits["rom"].alone
    assert (limits["ram"].least, limits["ram"].least_with_others) == (206_640, 206_640)


def test_a_space_that_is_not_empty_says_what_its_limits_leave() -> None:
    why = explain(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
    assert why.feasible
    assert why.relaxations == ()
    assert why.variants[0].conflict == ()
    assert why.variants[0].smallest is not None
    assert why.variants[0].smallest.text == "mlp2: 16-16"
    assert why.variants[0].limits == (LimitReport("rom", True, True, "rom", 13_600, 2_944, 2_944, 2_944),)


def test_a_variant_that_cannot_exist_says_why() -> None:
    text = "space: a\ninput: {channels: 1, height: 3, width: 3}\n"
    text += "network:\n  - conv: {filters: 2, padding: valid, kernel: 2}\n"
    why = explain(compile_space(read_space(text + "    repeat: [2, 3]\n"), Budgets(rom=10)))
    assert "vanishes" in why.variants[1].impossible
    assert (why.variants[1].feasible, why.variants[1].limits, why.variants[1].smallest) == (False, (), None)
    assert why.variants[0].conflict == ("rom",)
    assert why.relaxations[0].needed == (1 * 2 * 4 + 2 * 2 * 4) * 4


def test_no_limits_at_all() -> None:
    why = explain(compile_space(load_space("mlp2")))
    assert why.feasible
    assert why.variants[0].limits == ()
    assert why.variants[0].smallest is not None
    assert why.variants[0].smallest.costs["rom"] == 2_944


def test_a_constraint_without_metrics_in_a_variant_where_it_never_holds() -> None:
    why = explain(compile_space(load_space("dscnn", ["constraints=['depth <= 6']"]), Budgets(ram=65_536)))
    assert [report.conflict for report in why.variants] == [("ram",), ("depth <= 6",), ("depth <= 6",)]
    assert [(r.name, r.metric, r.needed, r.variant) for r in why.relaxations] == [("ram", "ram", 206_640, "6")]


def test_a_constraint_bounds_the_metric_that_it_names() -> None:
    """In int8 without biases ROM and parameters are the same numbers."""
    space = load_space("mlp2", ["constraints=['params <= 5']", "dtype=int8"])
    (report,) = explain(compile_space(space)).variants
    assert [(limit.name, limit.metric, limit.budget, limit.least) for limit in report.limits] == [
        ("params <= 5", "params", 5, 736)
    ]


def test_a_relation_without_a_value_does_not_hold_there() -> None:
    """The compiler never divides by zero here, since the first relation goes before the second; apart, it would."""
    program = compile_space(
        read_space(SPACE.format(constraints=["M[1] != 4", "40 // (M[1] - 4) >= 30"])), Budgets(ram=400)
    )
    (two, three) = explain(program).variants
    assert two.conflicts == three.conflicts == (("ram",), ("40 // (M[1] - 4) >= 30",))
    assert {limit.name: limit.alone for limit in two.limits} == {
        "ram": False,
        "M[1] != 4": True,
        "40 // (M[1] - 4) >= 30": False,
    }


def test_where_shapes_alone_leave_nothing_no_relation_is_blamed() -> None:
    text = "space: a\ninput: {channels: 1, height: 3, width: 3}\nchoices: {M: [1, 2]}\nnetwork:\n"
    text += "  - conv: {filters: M}\n  - conv: {filters: M, padding: valid, kernel: 4}\nconstraints: ['M[1] == 2']\n"
    why = explain(compile_space(read_space(text), Budgets(rom=10)))
    assert [report.impossible for report in why.variants] == ["the height vanishes: a window of 4 on 3"]
    assert (why.feasible, why.relaxations, why.joint) == (False, (), ())


def test_relations_alone_that_leave_nothing() -> None:
    constraints = ["M[1] > M[2]", "M[2] >= 6", "M[1] != 12", "M[2] > 5", "M[1] < 9"]
    (two, three) = explain(compile_space(read_space(SPACE.format(constraints=constraints)))).variants
    assert two.impossible == three.impossible == ""
    assert set(two.conflicts) == {("M[1] > M[2]", "M[2] >= 6", "M[1] < 9"), ("M[1] > M[2]", "M[2] > 5", "M[1] < 9")}


def test_the_fewest_limits_to_relax_may_be_relations_and_budgets() -> None:
    constraints = ["M[1] > M[2]", "M[1] < M[2]", "ram <= 800"]
    program = compile_space(read_space(SPACE.format(constraints=constraints)))
    why = explain(program)
    assert why.relaxations == ()
    assert [(r.name, r.metric, r.budget, r.needed, r.variant) for r in why.joint] == [
        ("ram <= 800", "ram", 800, why.joint[0].network.costs["ram"], "2"),
        ("M[1] < M[2]", "", None, None, "2"),
    ]
    check(program, why, oracles_of(program))


def test_a_bound_on_the_entropy_is_no_relation() -> None:
    program = compile_space(read_space(SPACE.format(constraints=["entropy >= 120", "M[2] < 12"])), Budgets(rom=2_000))
    why = explain(program)
    check(program, why, oracles_of(program))
    assert not why.feasible
    assert [limit.least_with_relations for limit in why.variants[0].limits if limit.metric] == [
        why.variants[0].limits[0].least
    ]


def test_relations_are_set_apart_under_the_same_ram_model() -> None:
    space = load_space("mlp2", ['constraints=["M[1] >= M[2]"]'])
    program = compile_space(space, Budgets(ram=400), ram_model="liveness")
    assert program.ram_model != space.ram_model
    assert relations_apart(program).ram_model == "liveness"
