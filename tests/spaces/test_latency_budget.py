"""Latency as a cost: tables, walks and operators give the same integer, and every engine the same feasible set."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.costs.latency import LatencyProfile
from spaces.costs.latency_file import profile_text, read_profile
from spaces.costs.prices import LatencyError, Terms, half_up
from spaces.language.reader import load_space, read_space
from spaces.program.breakdown import totals
from spaces.program.candidate import candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.runtimes.tflite_micro import executed
from tests.agreement import check_solvers
from tests.program_strategies import profiles
from tests.strategies import bounds, possible_rows, small_spaces, to_yaml


@st.composite
def timed(draw: st.DrawFn, constrained: bool = True) -> Program:
    """A program with latencies but no budgets."""
    space = read_space(draw(small_spaces(max_size=200, constrained=constrained)))
    return compile_space(space, latency=draw(profiles(space.settings.dtype)))


@st.composite
def budgeted(draw: st.DrawFn, constrained: bool = True) -> Program:
    """A program with a latency budget that some network just keeps, or misses by a nanosecond, or more."""
    program = draw(timed(constrained))
    known = np.concatenate([[0], *(costs["latency"] for costs in all_costs(program))])
    return compile_space(program.space, Budgets(latency=draw(bounds(known))), latency=program.latency)


def all_costs(program: Program) -> list[dict[str, np.ndarray]]:
    return [program.costs(v, possible_rows(program, v)) for v, c in enumerate(program.chains) if not c.impossible]


@given(timed(), st.data())
def test_tables_walks_and_operators_agree(program: Program, data: st.DataObject) -> None:
    profile = program.latency
    assert profile is not None
    v = data.draw(st.integers(0, len(program.variants) - 1))
    rows = possible_rows(program, v)
    if not len(rows):
        return
    rows = rows[data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8))]
    for row, latency in zip(rows, program.costs(v, rows)["latency"].tolist(), strict=True):
        candidate = candidate_of(program, v, row)
        steps = candidate.steps
        by_layer = sum(profile.layer_ns(step.ops, step.x.shape) for step in steps)
        by_operator = sum(
            profile.op_ns(op.kind, op.macs, op.outputs) for s in steps for op in executed(s.ops, s.x.shape)
        )
        assert latency == totals(candidate)["latency"] == by_layer + profile.network_ns
        assert by_layer == by_operator
        if profile.energy:
            by_operator = sum(
                half_up(profile.energy.op_amount(op.kind, op.macs, op.outputs))
                for s in steps
                for op in executed(s.ops, s.x.shape)
            )
            energy = int(program.costs(v, np.array([row]))["energy"][0])
            assert energy == totals(candidate)["energy"] == by_operator + profile.energy.network_nj


@given(budgeted())
def test_the_engines_agree(program: Program) -> None:
    check_solvers(program)


@given(budgeted())
def test_optima_of_the_latency_are_those_of_the_list(program: Program) -> None:
    fs = solve(program, "exhaustive")
    values = sorted(c.costs["latency"] for c in fs)
    if values:
        assert fs.metrics.extremes("latency") == (values[0], values[-1])
        assert [c.costs["latency"] for c in fs.top("latency", 5)] == values[::-1][:5]


@given(budgeted(constrained=False))
def test_a_constraint_limits_as_a_budget_does(program: Program) -> None:
    bound = program.budgets.latency
    document = program.space.document.source.data | {"constraints": [f"latency <= {bound}"]}
    other = compile_space(read_space(to_yaml(document)), latency=program.latency)
    assert [str(c) for c in solve(other)] == [str(c) for c in solve(program)]


@given(st.sampled_from(["int8", "float32"]).flatmap(profiles), st.integers(1, 10**9), st.integers(0, 10**7))
def test_a_profile_at_another_clock_is_held_exactly_by_its_file(profile: LatencyProfile, clock: int, macs: int) -> None:
    """Were it written in rounded nanoseconds, a budget could drop a network when a set file is opened again."""
    source = profile if profile.clock_hz else LatencyProfile("p", "int8", clock_hz=480_000_000, default=profile.default)
    moved = source.at_clock(clock)
    assert read_profile(profile_text(moved), "p.yaml") == moved
    exact = (source.default or Terms()).of(macs, 7) * (Fraction(source.clock_hz, clock) if source.unit == "ns" else 1)
    if source.unit == "cycles":
        exact = exact * 10**9 / clock
    assert abs(moved.op_ns("other", macs, 7) - exact) <= Fraction(1, 2)


def test_without_a_profile_there_is_no_latency() -> None:
    program = compile_space(load_space("mlp2"))
    assert "latency" not in program.costs(0, np.zeros((1, 2), int))
    assert "latency" not in program.metrics
    with pytest.raises(LatencyError, match="the latency budget needs a latency profile"):
        compile_space(load_space("mlp2"), Budgets(latency=1))


def test_a_set_file_keeps_latencies(tmp_path_factory: pytest.TempPathFactory) -> None:
    profile = LatencyProfile("mine", "int8", default=Terms(mac=Fraction("2.5")), table={"linear": {"18-32": 7}})
    program = compile_space(load_space("mlp2", ["dtype=int8"]), Budgets(latency=3000), latency=profile)
    fs = solve(program)
    path = fs.save(tmp_path_factory.mktemp("set") / "a.nasset")
    again = FeasibleSet.load(path)
    assert again.program.latency == profile
    assert [c.costs for c in again] == [c.costs for c in fs]
    assert len(fs)


@pytest.mark.parametrize("mcu", ["rp2040", "stm32f412", "psoc-edge-e84", "ra8m1"])
def test_loops_of_our_c_limit_on_every_core(mcu: str) -> None:
    """Of many layers at once, whatever a core's loops are; of one they are walked."""
    given = {"mcu": mcu, "runtime": "nascompile-c", "latency_profile": "nascompile-c", "overrides": ["dtype=int8"]}
    program = nc.compile("mlp2", **given)
    some = [candidate_of(program, 0, row) for row in possible_rows(program, 0)[::7]]
    found = [one.costs["latency"] for one in some]
    assert found == [totals(one)["latency"] for one in some]
    limit = sorted(found)[4]
    assert 0 < len(nc.reduce("mlp2", **given, latency=limit)) < program.size
