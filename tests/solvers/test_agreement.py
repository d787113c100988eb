"""The engines agree with each other, and with networks walked layer by layer: same set, same order, same optima."""

from __future__ import annotations

import pytest
from hypothesis import given

from solvers.base import EXACT, SOLVERS, count, solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from tests.agreement import LOCAL, check_solvers
from tests.oracles import brute_force, count_by_sums
from tests.program_strategies import programs

METRICS = ("rom", "ram", "params", "macs", "flops", "entropy")


@pytest.mark.parametrize("solver", SOLVERS)
@given(program=programs())
def test_a_solver_finds_what_a_walk_of_every_network_finds(solver: str, program: Program) -> None:
    check_solvers(program, [solver])


@pytest.mark.parametrize("solver", EXACT)
@given(program=programs())
def test_counting_needs_no_set(solver: str, program: Program) -> None:
    tree = solve(program, "exhaustive").tree
    if solver in LOCAL and any(chain.residual for chain in program.chains):
        with pytest.raises(EngineError, match="not local"):
            count(program, solver)
    else:
        assert count(program, solver) == [tree.count(v) for v in range(len(program.chains))]


@given(programs())
def test_the_size_is_that_of_counting_by_sums(program: Program) -> None:
    tree = solve(program, "exhaustive").tree
    for v, chain in enumerate(program.chains):
        if program.ram_model == "pingpong" and not chain.residual:
            assert tree.count(v) == count_by_sums(chain)


@given(programs())
def test_optima_are_those_of_the_list(program: Program) -> None:
    fs = solve(program, "exhaustive")
    if not fs:
        return
    costs = [c.costs for c in fs]
    for metric in METRICS:
        values = [each[metric] for each in costs]
        least, largest = fs.metrics.extremes(metric)
        assert (least, largest) == (pytest.approx(min(values)), pytest.approx(max(values)))
        if metric != "ram":
            best = [c.costs[metric] for c in fs.top(metric, 7)]
            assert best == pytest.approx(sorted(values, reverse=True)[:7])
            assert len({str(c) for c in fs.top(metric, len(fs) + 5)}) == len(fs)


@given(programs())
def test_cp_sat_optima_equal_the_trees(program: Program) -> None:
    from solvers.cpsat.engine import optimum, reduced_bounds

    fs = solve(program, "exhaustive")
    for v, chain in enumerate(program.chains):
        label = chain.variant.label
        part = fs.where(variant=label)
        if not part:
            continue
        for metric in ("rom", "ram", "macs"):
            for sense, value in zip(("min", "max"), part.metrics.extremes(metric), strict=True):
                found = optimum(program, v, metric, sense)
                assert found is not None
                assert found.value == value
        if all(d.numeric for d in chain.variant.decisions):
            assert reduced_bounds(program, v) == tuple(high for _, high in fs.ranges(label).values())


@pytest.mark.parametrize("solver", EXACT)
@pytest.mark.parametrize(
    "constraint",
    [
        "M[1] == M[6]",
        "sum(M) <= 900",
        "M[i] >= M[i+1]",
        "M[1] * M[2] <= 20_000",
        "macs <= 10_000_000",
        "M[-1] % 10 == 0",
    ],
)
def test_constraints_that_are_not_local(constraint: str, solver: str) -> None:
    overrides = ["choices.M.step=98", "network.2.repeat=4", f"constraints=['{constraint}']"]
    program = compile_space(load_space("dscnn", overrides))
    assert len(solve(program, solver)) == len(brute_force(program))


def test_a_residual_constraint_is_solved_by_cp_sat_alone() -> None:
    overrides = ["choices.M.step=98", "network.2.repeat=4", "constraints=['M[1]*M[2]*M[3] <= M[4]*M[5]*M[6]']"]
    program = compile_space(load_space("dscnn", overrides))
    auto: FeasibleSet = solve(program)
    assert [str(c) for c in auto] == brute_force(program)


@pytest.mark.parametrize("solver", EXACT)
def test_constraints_that_leave_nothing_are_an_answer(solver: str) -> None:
    overrides = ["choices.M.step=56", "network.2.repeat=4", "constraints=['M[1] == M[2] + 1']"]
    program = compile_space(load_space("dscnn", overrides))
    assert program.chains[0].impossible == "`M[1] == M[2] + 1` does not hold"
    assert len(solve(program, solver)) == 0
