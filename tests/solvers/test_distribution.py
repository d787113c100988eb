"""The distribution of a sum over a set agrees with adding it up member by member."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers.sets.distribution
from solvers.base import solve
from solvers.sets.distribution import Distribution, distribution
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.metrics import lift
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Chain
from tests.strategies import budgets_for, small_spaces


def members(fs: FeasibleSet, variant: int) -> np.ndarray:
    """The option indices of the members of a variant."""
    ranks = range(fs._starts[variant], fs._starts[variant + 1])
    length = len(fs.program.chains[variant].stages)
    return np.concatenate([rows[:, :length] for _, rows in fs.rows(ranks)])


def sums(chain: Chain, rows: np.ndarray, name: str) -> np.ndarray:
    """A quantity of the stages, added up along each row."""
    states, total = chain.states(rows), np.full(len(rows), float(chain.base[name]))
    for t, stage in enumerate(chain.stages):
        table = stage.column(name)
        total += table[states[:, t], rows[:, t]]
    return total


def of(fs: FeasibleSet, variant: int, name: str, bins: int = 2048) -> Distribution:
    lifted = lift(fs.program, fs.tree, variant)
    return distribution(lifted, lifted.edges(name), fs.program.chains[variant].base[name], bins)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(["log_width", "log_width", "rom", "macs"]), st.sampled_from([1, 7, 100, 2048]))
def test_every_member_is_counted_once_where_it_belongs(data: st.DataObject, name: str, bins: int) -> None:
    space = read_space(data.draw(small_spaces()))
    fs = solve(compile_space(space, data.draw(budgets_for(compile_space(space)))))
    for v, chain in enumerate(fs.program.chains):
        if not fs.counts[chain.variant.label]:
            continue
        found, rows = of(fs, v, name, bins), members(fs, v)
        exact = sums(chain, rows, name)
        assert 0 <= found.error <= len(chain.stages) * found.quantum / 2 * (1 + 1e-9)
        assert (np.diff(found.paths[-1].starts) <= bins + len(chain.stages) + 1).all()
        places = [found.place(row) for row in rows.tolist()]
        numbers = [number for number, _ in places]
        assert np.abs(found.values[numbers] - exact).max() <= found.error + 1e-6
        assert Counter(numbers) == dict(enumerate(found.counts.tolist()))
        assert len(set(places)) == len(rows)
        assert all(0 <= position < found.counts[number] for number, position in places)
        assert [found.row(*place) for place in places] == rows.tolist()
        assert np.array_equal(found.states[numbers], chain.states(rows)[:, -1])


def test_whole_numbers_are_exact() -> None:
    """With bins enough for every sum there is no error: the histogram of the ROM is the true one."""
    fs = solve(compile_space(load_space("mlp2"), Budgets(rom=60_000)))
    found = of(fs, 0, "rom", 4_000)
    histogram: Counter[float] = Counter()
    for value, count in zip(found.values.tolist(), found.counts.tolist(), strict=True):
        histogram[value] += count
    assert found.error == 0
    assert histogram == Counter(float(c.costs["rom"]) for c in fs)


def test_logarithms_of_small_numbers_have_a_good_quantum() -> None:
    """The widths of dscnn are 28 times 3 to 10: some quantum errs by far less than half of it per layer."""
    fs = solve(compile_space(load_space("dscnn"), Budgets(rom=1_000_000)))
    found = of(fs, 0, "log_width")
    layers = len(fs.program.chains[0].stages)
    assert found.error < 0.3 * layers * found.quantum / 2


def test_powers_of_two_have_no_error() -> None:
    """Their logarithms are whole numbers, whatever the number of bins."""
    text = "space: w\ninput: {channels: 4}\nchoices:\n  M: [2, 4, 8, 32]\nnetwork:\n"
    fs = solve(compile_space(read_space(text + "  - repeat: 3\n    linear: {units: M}\n")))
    found = of(fs, 0, "log_width", bins=15)
    assert (found.quantum, found.error) == (1.0, 0.0)
    assert {round(value) for value in found.values.tolist()} == {*range(3, 14), 15}


def test_counts_beyond_64_bits_are_exact() -> None:
    """dscnn with 32 layers and no budget, 8^32 members: the counts are the coefficients of a power of a polynomial."""
    fs = solve(compile_space(load_space("dscnn", ["network.2.repeat=30"])))
    found = of(fs, 0, "log_width", 400)
    assert fs.size == 8**32 == int(found.counts.sum())
    last = fs.program.chains[0].stages[-1]
    steps = np.rint(((w := last.column("log_width")[0]) - w[0]) / found.quantum).astype(int).tolist()
    power = {0: 1}
    for _ in range(32):
        after: Counter[int] = Counter()
        for total, ways in power.items():
            for step in steps:
                after[total + step] += ways
        power = after
    histogram: Counter[int] = Counter()
    for value, count in zip(found.values.tolist(), found.counts.tolist(), strict=True):
        histogram[round((value - found.base) / found.quantum)] += count
    assert histogram == power
    row = [(7 * k + 3) % 8 for k in range(32)]
    assert found.row(*found.place(row)) == row
    assert isinstance(found.place(row)[1], int)


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = solve(compile_space(load_space("mlp2")))
    with pytest.raises(EngineError, match="`bins` = 0"):
        of(fs, 0, "log_width", 0)
    monkeypatch.setattr(solvers.sets.distribution, "MAX_WORK", 10)
    with pytest.raises(EngineError, match="transitions; at most 10 are made"):
        of(fs, 0, "log_width")


def test_large_diagrams_get_fewer_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that is stated grows accordingly, and holds."""
    fs = solve(compile_space(load_space("mlp2")))
    fine = of(fs, 0, "log_width")
    monkeypatch.setattr(solvers.sets.distribution, "MAX_WORK", 2_000)
    coarse = of(fs, 0, "log_width")
    assert coarse.quantum > fine.quantum
    assert fine.error < coarse.error
    numbers = [coarse.place(candidate.row)[0] for candidate in fs]
    exact = sums(fs.program.chains[0], members(fs, 0), "log_width")
    assert np.abs(coarse.values[numbers] - exact).max() <= coarse.error + 1e-9
