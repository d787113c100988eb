"""Explanations: every number and every conflict against the list of all networks."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from solvers.explain import Explanation, LimitReport, VariantReport, explain
from spaces.language.expressions import evaluate
from spaces.language.reader import load_space, read_space
from spaces.program.breakdown import breakdown, derived, totals
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.constraints import ground
from spaces.program.graph import Budgets, Program
from tests.oracles import all_candidates

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


def program_of(constraints: list[str], budgets: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> Program:
    # Local relations are in the tables for good, so let every constraint be one that can be taken away.
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", 0)
    return compile_space(read_space(SPACE.format(constraints=constraints)), Budgets(**budgets))


class Oracle:
    """All networks of one variant, and which limits each keeps."""

    def __init__(self, program: Program, variant: int) -> None:
        self.program = program
        candidates = [c for c in all_candidates(program) if c.position == variant]
        self.costs = [totals(c) for c in candidates]
        self.kept = [self.keeps(c) for c in candidates]
        self.names = list(self.kept[0])

    def keeps(self, candidate: Candidate) -> dict[str, bool]:
        costs = totals(candidate)
        names = {**candidate.values, **derived(breakdown(candidate)), **costs}
        kept = {name: costs[name] <= bound for name, bound in self.program.budgets.items()}
        for constraint in self.program.space.constraints:
            trees = ground(constraint, candidate.variant)
            if trees:
                kept[constraint.text] = all(evaluate(tree, names) for tree in trees)
        return kept

    def least(self, metric: str, limits: set[str]) -> int | None:
        return min(
            (c[metric] for c, kept in zip(self.costs, self.kept, strict=True) if all(map(kept.get, limits))),
            default=None,
        )

    def holds(self, limits: tuple[str, ...] | set[str]) -> bool:
        return any(all(map(kept.get, limits)) for kept in self.kept)

    def fewest(self) -> int:
        """The size of the smallest conflict; 0 where all limits hold together."""
        sizes = range(1, len(self.names) + 1)
        return next((n for n in sizes for some in combinations(self.names, n) if not self.holds(some)), 0)


def check_limit(limit: LimitReport, oracle: Oracle) -> None:
    others = set(oracle.names) - {limit.name}
    assert limit.alone == oracle.holds((limit.name,))
    assert limit.others == oracle.holds(others)
    if limit.metric:
        assert limit.least == oracle.least(limit.metric, set())
        assert limit.least_with_others == oracle.least(limit.metric, others)
    else:
        assert (limit.budget, limit.least, limit.least_with_others) == (None, None, None)


def check_variant(report: VariantReport, oracle: Oracle) -> None:
    assert {limit.name for limit in report.limits} == set(oracle.names)
    for limit in report.limits:
        check_limit(limit, oracle)
    assert report.feasible == oracle.holds(set(oracle.names))
    assert len(report.conflict) == oracle.fewest()
    assert not report.conflict or not oracle.holds(report.conflict)
    assert report.smallest is not None
    metrics = {limit.name: limit.metric for limit in report.limits}
    first = next((n for n in report.conflict or metrics if metrics[n]), None)
    kept = set(report.conflict) - {first or report.conflict[0]} if report.conflict else set(oracle.names)
    metric = metrics[first] if first else "rom"
    assert report.smallest.costs[metric] == oracle.least(metric, kept)


@pytest.mark.parametrize("most", [8, 0], ids=["subsets", "deletion"])
@pytest.mark.parametrize(("constraints", "budgets"), CASES)
def test_every_number_is_that_of_the_list(
    constraints: list[str], budgets: dict[str, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = program_of(constraints, budgets, monkeypatch)
    oracles = [Oracle(program, v) for v in range(2)]
    if most:
        why = explain(program)
        assert [report.label for report in why.variants] == ["2", "3"]
        for report, oracle in zip(why.variants, oracles, strict=True):
            check_variant(report, oracle)
        check_relaxations(why, oracles)
        return
    monkeypatch.setattr("solvers.explain.MAX_EXACT", 0)
    for report, oracle in zip(explain(program).variants, oracles, strict=True):
        assert bool(report.conflict) == (not oracle.holds(set(oracle.names)))
        # Minimal: no part of the conflict is one.
        assert all(oracle.holds(set(report.conflict) - {name}) for name in report.conflict)
        assert not report.conflict or not oracle.holds(report.conflict)


def check_relaxations(why: Explanation, oracles: list[Oracle]) -> None:
    assert why.feasible == any(oracle.holds(set(oracle.names)) for oracle in oracles)
    if why.feasible:
        assert why.relaxations == ()
        return
    expected: dict[str, Any] = {}
    for report, oracle in zip(why.variants, oracles, strict=True):
        for limit in report.limits:
            others = set(oracle.names) - {limit.name}
            if oracle.holds(others):
                needed = oracle.least(limit.metric, others) if limit.metric else None
                known = expected.get(limit.name, needed)
                expected[limit.name] = needed if needed is None else min(needed, known)
    assert {r.name: r.needed for r in why.relaxations} == expected
    for r in why.relaxations:
        assert r.needed is None or r.network.costs[r.metric] == r.needed
        assert r.network.text.startswith(f"cut/{r.variant}: ")


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
    assert why.variants[0].limits == (LimitReport("rom", "rom", 13_600, 2_944, 2_944, True, True),)


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
