"""Relaxed sets: exact bounds, exactly uniform draws, exact membership, and a refusal of all else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

import nascompile as nc
from solvers import relaxed
from solvers.base import solve, verify
from solvers.relaxed import Units, relax
from solvers.sets import relaxed_set
from solvers.sets.ranking import shuffled
from solvers.sets.relaxed_set import RelaxedSet, exactly, load_set
from spaces.errors import CandidateError, EngineError, SetFileError
from spaces.language.reader import load_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.solvers.test_agreement import programs

CELLS = """
space: cells
input: {channels: 2, height: 6, width: 6}
choices: {M: [2, 4, 6]}
cells:
  c:
    nodes: 3
    operators: {none: zero, skip: identity, conv: [{conv: {filters: channels, kernel: 3}}]}
network:
  - conv: {filters: M, kernel: 3}
  - cell: c
  - global_avg_pool
  - linear: {units: 2}
"""


def mlp2(**budgets: int) -> Program:
    return compile_space(load_space("mlp2"), Budgets(**budgets))


def residual() -> Program:
    """A constraint that no tree knows, on a space of several variants."""
    overrides = ["choices.M.step=98", "network.2.repeat=[2, 3]", "constraints=['ram <= rom * 2']"]
    return compile_space(load_space("dscnn", overrides), Budgets(rom=350_000))


def pingpong() -> Program:
    """A ping-pong RAM budget on variants of two depths."""
    overrides = ["choices.M.step=56", "network.2.repeat=[1, 2]"]
    return compile_space(load_space("dscnn", overrides), Budgets(rom=250_000, ram=350_000), ram_model="pingpong")


def cells() -> Program:
    from spaces.language.reader import read_space

    return compile_space(read_space(CELLS), Budgets(macs=6_000))


#: Programs of few networks, and how coarsely they are relaxed.
SMALL: dict[str, tuple[Callable[[], Program], int]] = {
    "one budget": (lambda: mlp2(rom=13_600), 2),
    "two budgets": (lambda: mlp2(rom=20_000, macs=9_000), 2),
    "variants and sizes": (pingpong, 3),
    "residual": (residual, 4),
    "cells": (cells, 2),
}


def small(name: str) -> RelaxedSet:
    make, resolution = SMALL[name]
    program = make()
    return relax(program, Units(program).quanta(resolution, ram=True))


@pytest.fixture(scope="module")
def mine() -> RelaxedSet:
    """14 members, of 18 networks of the outer set."""
    return relax(mlp2(rom=13_600), {"rom": 2048})


class TestBounds:
    """`tests.agreement` compares them with every network, wherever solvers are."""

    @given(program=programs(), resolution=st.integers(1, 4))
    def test_finer_quanta_give_nearer_bounds(self, program: Program, resolution: int) -> None:
        units = Units(program)
        finer, coarser = (relax(program, units.quanta(k, ram=True)) for k in (resolution + 1, resolution))
        low, high = finer.between
        assert coarser.between[0] <= low <= high <= coarser.between[1]
        assert not finer.outer - coarser.outer
        assert not coarser.inner_set - finer.inner_set

    def test_exact_where_there_is_room(self) -> None:
        fs = solve(mlp2(rom=13_600), "relaxed")
        assert isinstance(fs, RelaxedSet)
        assert (fs.between, fs.quanta, fs.rounding) == ((14, 14), {}, "nothing rounded")
        assert fs.outer == solve(mlp2(rom=13_600))
        assert fs.estimate() == relaxed_set.Estimate(14, 14, 14, level=0.95, draws=0, kept=0, seed=0)

    def test_more_memory_gives_smaller_quanta(self, monkeypatch: pytest.MonkeyPatch) -> None:
        program = compile_space(load_space("dscnn", ["network.2.repeat=14"]), Budgets(rom=3_000_001, macs=50_000_001))
        exact = solve(program).between[0]
        found: list[RelaxedSet] = []
        for memory in (1, 1 << 21, 1 << 23):
            monkeypatch.setattr(relaxed, "MEMORY", memory)
            found.append(relaxed.solve(program))
        quanta = [fs.quanta["rom"] for fs in found]
        assert all(quanta)
        assert sorted(quanta, reverse=True) == quanta
        assert len(set(quanta)) == 3
        for fs in found:
            low, high = fs.between
            estimate = fs.estimate(2_000, level=0.999)
            assert low <= estimate.low <= exact <= estimate.high <= high

    def test_a_limit_too_large_at_any_quantum_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        program = mlp2(rom=13_600, macs=9_000)
        monkeypatch.setattr(relaxed, "chain_tree", _refusing(relaxed.chain_tree, lambda chain: bool(chain.limits)))
        fs = solve(program, "relaxed")
        assert isinstance(fs, RelaxedSet)
        assert (fs.between, fs.left_out) == ((0, 64), ["rom", "macs"])
        assert fs.rounding == "`rom` left out, `macs` left out"
        members = list(map(str, solve(program)))
        assert sorted(map(str, fs.sample(len(members), seed=0))) == members

    def test_sizes_are_rounded_only_where_they_must_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        program = pingpong()
        monkeypatch.setattr(relaxed, "MEMORY", 1)
        exact = relaxed.solve(program)
        assert "rom" in exact.quanta
        assert "ram" not in exact.quanta
        bound = program.budgets.ram
        refuse = _refusing(relaxed.chain_tree, lambda chain: chain.ram_limit == bound)
        monkeypatch.setattr(relaxed, "chain_tree", refuse)
        rounded = relaxed.solve(program)
        assert rounded.quanta["ram"]
        assert rounded.between[0] <= exact.between[0] <= exact.between[1] <= rounded.between[1]

    def test_auto_goes_on_relaxed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise EngineError.of("too-large", "too large")

        monkeypatch.setattr("solvers.diagram.solve", refuse)
        assert solve(mlp2(rom=13_600)).between == (14, 14)
        with pytest.raises(EngineError, match="too large"):
            solve(mlp2(rom=13_600), "diagram")

    def test_memory_that_was_stated_decides(self) -> None:
        """Half of it is for the trees, whatever is usual."""
        program = compile_space(load_space("dscnn", ["network.2.repeat=14"]), Budgets(rom=3_000_001, macs=50_000_001))
        little, much = (solve(program, "relaxed", max_memory=memory) for memory in (1, 1 << 40))
        assert isinstance(little, RelaxedSet)
        assert little.quanta
        assert isinstance(much, RelaxedSet)
        assert much.quanta == {}

    def test_nothing_fits(self) -> None:
        fs = solve(mlp2(rom=1), "relaxed")
        assert fs.between == (0, 0)
        assert not fs
        assert fs.draws(3, random.Random(0)) == []


def _refusing(tree: Callable[..., Any], too_large: Callable[[Any], bool]) -> Callable[..., Any]:
    """`chain_tree` where memory is short."""

    def refusing(chain: Any, *rest: Any) -> Any:
        if too_large(chain):
            raise EngineError.of("too-large", "too large")
        return tree(chain, *rest)

    return refusing


class TestDraws:
    @pytest.mark.parametrize("name", SMALL)
    def test_every_member_and_only_members(self, name: str) -> None:
        fs = small(name)
        members = sorted(map(str, solve(fs.program, "exhaustive")))
        low, high = fs.between
        assert low < len(members) < high
        drawn = [str(fs_member) for fs_member in fs.outer.at(fs.draws(high, random.Random(3)))]
        assert sorted(drawn) == members
        assert sorted(str(c) for c in fs.outer if c in fs) == members
        assert sum(fs.count(str(c)) for c in fs.outer) == len(members)

    @pytest.mark.parametrize("name", SMALL)
    def test_one_draw_is_uniform(self, name: str) -> None:
        """Chi-square at the level 0.1 %; 30 draws for each member."""
        fs = small(name)
        members = [str(c) for c in solve(fs.program, "exhaustive")]
        counts = Counter(str(next(fs.outer.at(fs.draws(1, random.Random(k))))) for k in range(30 * len(members)))
        assert chisquare([counts[member] for member in members]).pvalue > 0.001

    def test_several_draws_are_uniform_in_every_order(self, mine: RelaxedSet) -> None:
        """Chi-square at the level 0.1 % over the 182 ordered pairs of different members."""
        members = [str(c) for c in solve(mine.program)]
        counts = Counter(tuple(map(str, mine.sample(2, seed=k))) for k in range(30 * 182))
        assert chisquare([counts[pair] for pair in permutations(members, 2)]).pvalue > 0.001
        assert sum(counts.values()) == sum(counts[pair] for pair in permutations(members, 2))

    def test_one_seed_gives_one_sample(self, mine: RelaxedSet) -> None:
        assert mine.sample(5, seed=7) == mine.sample(5, seed=7)
        assert mine.sample(5, seed=7)[:2] == mine.sample(2, seed=7)
        assert len({tuple(mine.sample(5, seed=k)) for k in range(9)}) > 1
        assert mine.sample(0, seed=1) == []

    def test_no_more_than_there_are(self, mine: RelaxedSet) -> None:
        assert len(mine.sample(14, seed=0)) == 14
        with pytest.raises(ValueError, match="cannot draw 15 different members from a set of 14"):
            mine.sample(15, seed=0)

    def test_too_few_to_find(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relaxed_set, "MISSES", 2_000)
        program = compile_space(load_space("dscnn"), Budgets(rom=1))
        fs = relax(program, {"rom": None})
        with pytest.raises(EngineError, match="none of 2,000 draws in a row fits") as caught:
            fs.sample(1, seed=0)
        assert caught.value.diagnostics[0].code == "too-few"
        assert "`rom` left out" in caught.value.diagnostics[0].hint
        with pytest.raises(EngineError, match="draws in a row"):
            bool(fs)
        assert fs.estimate(500).value == 0

    @given(st.integers(0, 200), st.integers(0, 10))
    def test_a_shuffle_has_everything_once(self, count: int, seed: int) -> None:
        assert sorted(shuffled(count, random.Random(seed))) == list(range(count))

    def test_a_shuffle_is_uniform(self) -> None:
        """Chi-square at the level 0.1 % over the 24 orders of four."""
        orders = Counter(tuple(shuffled(4, random.Random(k))) for k in range(2_400))
        assert chisquare([orders[order] for order in permutations(range(4))]).pvalue > 0.001


class TestEstimate:
    def test_interval_is_that_of_clopper_and_pearson(self, mine: RelaxedSet) -> None:
        found = mine.estimate(draws=200, seed=4, level=0.9)
        interval = binomtest(found.kept, 200).proportion_ci(0.9, "exact")
        assert (found.low, found.high) == (max(13, int(18 * interval.low)), int(18 * interval.high))
        assert found.value == int(18 * found.kept / 200)
        assert (found.draws, found.seed, found.level) == (200, 4, 0.9)

    def test_it_holds_the_count_as_often_as_it_says(self) -> None:
        fs = relax(mlp2(rom=13_600), {"rom": 1 << 13})
        assert fs.between == (5, 30)
        held = sum(found.low <= 14 <= found.high for found in (fs.estimate(100, seed, 0.95) for seed in range(200)))
        assert held >= 185

    @pytest.mark.parametrize(("kept", "ends"), [(0, (0.0, 0.0362)), (100, (0.9638, 1.0))])
    def test_none_and_all(self, kept: int, ends: tuple[float, float]) -> None:
        assert relaxed_set._clopper_pearson(kept, 100, 0.95) == pytest.approx(ends, abs=1e-4)


class TestWhere:
    @pytest.mark.parametrize("name", SMALL)
    def test_restricts_all_three_sets(self, name: str) -> None:
        fs = small(name)
        exact = solve(fs.program, "exhaustive")
        variant = exact.program.variants[-1]
        decision = variant.decisions[0]
        for option in decision.options:
            choices = {decision.choice: {1: [option]}}
            part, right = fs.where(**choices), exact.where(**choices)
            low, high = part.between
            assert low <= right.size <= high
            assert sorted(str(c) for c in part.outer if c in part) == sorted(map(str, right))
            assert part.program is fs.program

    def test_says_what_it_is(self, mine: RelaxedSet) -> None:
        part = mine.where(M={1: 16})
        assert part.origin == "rom <= 13,600 where M = {1: 16}"
        assert part.where(M={2: 16}).between == (1, 1)
        assert "mlp2: 48-32" in mine
        assert "mlp2: 48-32" not in part
        with pytest.raises(CandidateError, match="there is no choice"):
            mine.where(N=3)


class TestFile:
    @pytest.mark.parametrize("name", SMALL)
    def test_round_trip(self, name: str, tmp_path: Path) -> None:
        fs = small(name)
        again = load_set(fs.save(tmp_path / "a.nasset"))
        assert isinstance(again, RelaxedSet)
        assert again == fs
        assert (again.between, again.quanta, again.rounding) == (fs.between, fs.quanta, fs.rounding)
        assert again.sample(3, seed=1) == fs.sample(3, seed=1)
        assert again.inner_set == fs.inner_set
        assert verify(again)

    def test_a_part_of_a_set(self, mine: RelaxedSet, tmp_path: Path) -> None:
        part = mine.where(M={1: [16, 48]})
        again = nc.load_set(part.save(tmp_path / "a.nasset"))
        assert again == part != mine
        assert again.origin == part.origin
        with pytest.raises(SetFileError, match="made by set operations"):
            verify(again)

    def test_an_exact_set_is_no_relaxed_one(self, mine: RelaxedSet, tmp_path: Path) -> None:
        exact = solve(mine.program)
        assert isinstance(load_set(exact.save(tmp_path / "e.nasset")), nc.FeasibleSet)
        with pytest.raises(SetFileError, match="holds a relaxed set"):
            nc.FeasibleSet.load(mine.save(tmp_path / "r.nasset"))

    def test_other_quanta_are_another_set(self, mine: RelaxedSet) -> None:
        other = relax(mine.program, {"rom": 4096})
        assert other != mine
        assert other.digest != mine.digest
        assert len({mine, other, relax(mine.program, {"rom": 2048})}) == 2
        assert mine != solve(mine.program)


class TestRefusals:
    @pytest.mark.parametrize(
        ("ask", "what"),
        [
            (len, "`len`"),
            (lambda fs: fs.size, "`size`"),
            (lambda fs: fs.counts, "`counts`"),
            (list, "going through it"),
            (lambda fs: fs[0], "a member by its rank"),
            (lambda fs: fs.index("mlp2: 16-16"), "a rank"),
            (lambda fs: fs.at([0]), "members by their ranks"),
            (lambda fs: fs.rows([0]), "members by their ranks"),
            (lambda fs: fs.to_numpy(), "a list of the members"),
            (lambda fs: fs.ranges(""), "a reduced range"),
            (lambda fs: fs.used(""), "the options in use"),
            (lambda fs: fs.histograms(""), "a histogram"),
            (lambda fs: fs.metrics, "an optimum"),
            (lambda fs: fs.best("rom"), "the best member"),
            (lambda fs: fs.top("rom", 3), "the best members"),
            (lambda fs: fs & fs, "`&`"),
            (lambda fs: fs | solve(fs.program), "`|`"),
            (lambda fs: solve(fs.program) - fs, "`-`"),
            (lambda fs: exactly(fs, "this"), "this"),
        ],
    )
    def test_says_why_and_what_to_do(self, mine: RelaxedSet, ask: Callable[[RelaxedSet], object], what: str) -> None:
        with pytest.raises(EngineError) as caught:
            ask(mine)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "relaxed-set"
        assert diagnostic.message == (
            f"the set is relaxed: {what} needs all members in order, which a relaxed set does not hold"
        )
        assert "hold it exactly: larger steps, fewer budgets, more memory (--max-memory)" in diagnostic.hint

    def test_says_what_it_is(self, mine: RelaxedSet) -> None:
        assert repr(mine) == (
            "<RelaxedSet mlp2: between 13 and 18 of 64 (rom <= 13,600; rom rounded to multiples of 2,048)>"
        )
        assert mine.counts_between == {"": (13, 18)}
        assert bool(mine)
        assert (mine.node_count, mine.nbytes) == (mine.tree.node_count, mine.tree.nbytes)

    def test_strangers_are_no_members(self, mine: RelaxedSet) -> None:
        for stranger in ("dscnn/6: 84-84-84-84-84-84", "mlp2: 17-16", "mlp2: 16", 5, None):
            assert stranger not in mine


def test_the_case_of_the_design() -> None:
    """Six layers of 128 widths each under 256 KiB, to multiples of 1,024: 4.4e12 networks, bounds 5 % apart."""
    text = """
space: tight128
input: {channels: 1, height: 16, width: 16}
choices:
  M: {start: 1, stop: 128, step: 1}
network:
  - conv: {filters: M}
    repeat: 6
  - global_avg_pool
  - linear: {units: 2}
"""
    from spaces.language.reader import read_space

    fs = relax(compile_space(read_space(text), Budgets(rom=256 * 1024)), {"rom": 1024})
    low, high = fs.between
    assert 335e9 < low < high < 360e9
    found = fs.estimate(2_000)
    assert low < found.low < found.value < found.high < high
    assert all(c.costs["rom"] <= 256 * 1024 for c in fs.sample(20, seed=0))
    assert fs.program.size == prod([128] * 6)
    assert np.all(fs.holds(fs.draws(100, random.Random(0))))
