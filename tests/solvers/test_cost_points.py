"""The different costs of a set, against all of its members."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import solve
from solvers.sets import cost_table as tables
from solvers.sets.cost_points import cost_points
from solvers.sets.cost_table import cost_table
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.strategies import budgets_for, small_spaces

METRICS = ("rom", "ram", "macs")


@st.composite
def sets(draw: st.DrawFn) -> FeasibleSet:
    space = read_space(draw(small_spaces()))
    program: Program = compile_space(space, ram_model=draw(st.sampled_from(["pingpong", "liveness"])))
    return solve(compile_space(space, draw(budgets_for(program)), ram_model=program.ram_model), "exhaustive")


@given(sets(), st.data())
def test_they_are_those_of_the_members(fs: FeasibleSet, data: st.DataObject) -> None:
    members = list(fs)
    costs = [tuple(one.costs[name] for name in METRICS) for one in members]
    points = cost_points(fs)
    assert dict(zip(map(tuple, points.values.tolist()), points.members.tolist(), strict=True)) == Counter(costs)
    if not members:
        return
    limits = data.draw(st.sampled_from(costs))
    inside = [
        one for one, own in zip(members, costs, strict=True) if all(a <= b for a, b in zip(own, limits, strict=True))
    ]
    named = dict(zip(METRICS, limits, strict=True))
    assert points.count(**named) == len(inside)
    used = points.used(**named)
    for label, options in used.items():
        assert set(options) == {one.values[label] for one in inside if label in one.values}
    decisions = {label for label, _ in points.options}
    assert set(used) == {label for one in inside for label in one.values} & decisions

    # Pairs of nodes one by one and many together; costs looked up as they are and in units of their own.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_LARGE", data.draw(st.sampled_from([1, 4, 4096])))
        patch.setattr(tables, "_BLOCK", data.draw(st.sampled_from([3, 4096])))
        patch.setattr(tables, "_BITS", data.draw(st.sampled_from([3, 20])))
        table = cost_table(fs, METRICS, data.draw(st.integers(2, 3)))
    for at in itertools.product(*map(range, table.counts.shape)):
        named = {name: int(own[k]) for name, own, k in zip(METRICS, table.limits, at, strict=True)}
        assert table.counts[at] == points.count(**named)
        within = {option for option, there in zip(points.options, table.there[:, *at], strict=True) if there}
        assert within == {(label, option) for label, own in points.used(**named).items() for option in own}
    assert table.counts[-1, -1, -1] == len(members) == sum(table.between("rom"))


def test_counts_beyond_64_bits() -> None:
    layers = "\n".join("  - linear: {units: M}" for _ in range(70))
    text = f"space: deep\ninput: {{channels: 4}}\nchoices:\n  M: [4, 8]\nnetwork:\n{layers}\n"
    fs = solve(compile_space(read_space(text), Budgets()))
    points, table = cost_points(fs), cost_table(fs, steps=3)
    assert points.count() == 2**70 == table.counts[-1, -1, -1]
    named = {name: int(own[1]) for name, own in zip(table.metrics, table.limits, strict=True)}
    assert 0 < points.count(**named) == table.counts[1, 1, 1] < 2**70


def test_a_library_space() -> None:
    fs = nc.reduce("dscnn", mcu="stm32f412")
    points = cost_points(fs)
    assert int(points.members.sum()) == fs.size == 168_509
    table = cost_table(fs, METRICS, 20)
    counts = table.counts
    assert counts[-1, -1, -1] == fs.size
    for at in np.argwhere(counts)[::400].tolist():
        named = {name: int(own[k]) for name, own, k in zip(METRICS, table.limits, at, strict=True)}
        assert counts[tuple(at)] == points.count(**named)
    tight = nc.reduce("dscnn", mcu="stm32f412", ram=100_000, rom=500_000, macs=4_000_000)
    assert points.count(ram=100_000, rom=500_000, macs=4_000_000) == tight.size
    assert np.all(np.diff(counts, axis=0) >= 0)
    with pytest.raises(EngineError, match="more than 100 different costs"):
        cost_points(fs, most=100)
    for bound in ({"most": 100}, {"pairs": 1000}):
        with pytest.raises(EngineError, match="different costs"):
            cost_table(fs, METRICS, **bound)
