"""A FeasibleSet behaves like the sorted list of its members, whatever its size."""

from __future__ import annotations

import copy
import pickle
import random
import tracemalloc
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import solve
from solvers.cpsat.engine import optimum
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.ranking import distinct_draws
from spaces.errors import CandidateError, EngineError
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from tests.strategies import budgets_for, small_spaces


@st.composite
def sets(draw: st.DrawFn) -> FeasibleSet:
    space = read_space(draw(small_spaces()))
    program: Program = compile_space(space)
    return solve(compile_space(space, draw(budgets_for(program))), "exhaustive")


@pytest.fixture(scope="module")
def dscnn() -> FeasibleSet:
    return nc.reduce("dscnn", mcu="ebs-small")


@pytest.fixture(scope="module")
def huge() -> FeasibleSet:
    """dscnn with 16 layers of 25x5: 49,300,565,649,322 members."""
    overrides = ["network.0.conv.stride=2", "network.1.ds_conv.stride=1", "network.2.repeat=14"]
    return nc.reduce("dscnn", rom=2_000_000, ram=256_000, overrides=overrides)


@given(sets(), st.randoms(use_true_random=False))
def test_a_set_is_a_sorted_sequence(fs: FeasibleSet, source: random.Random) -> None:
    members = list(fs)
    assert len(members) == len(fs) == fs.size == sum(fs.counts.values())
    assert members == sorted(members)
    for rank in source.sample(range(len(members)), min(20, len(members))):
        assert fs[rank] == members[rank] == fs[rank - len(members)]
        assert fs.index(members[rank]) == rank == fs.index(str(members[rank]))
        assert members[rank] in fs
    table = fs.to_numpy()
    assert np.array_equal(fs[:], table)
    assert np.array_equal(fs[::-2], table[::-2])
    for member, row in zip(members, table, strict=True):
        chosen = [member.values[d.label] for d in member.variant.decisions]
        assert (
            list(row[: len(chosen)]) == pytest.approx(chosen)
            if table.dtype != object
            else list(row[: len(chosen)]) == chosen
        )
        assert all(v == -1 for v in row[len(chosen) :])
    with pytest.raises(IndexError):
        fs[len(members)]


@given(sets())
def test_membership_is_exact(fs: FeasibleSet) -> None:
    everything = solve(compile_space(fs.program.space), "exhaustive")
    members = {str(c) for c in fs}
    assert [str(c) in members for c in everything] == [c in fs for c in everything]


@given(sets(), sets())
def test_set_algebra(a: FeasibleSet, other: FeasibleSet) -> None:
    constant = solve(compile_space(a.program.space), "exhaustive")
    b = FeasibleSet(a.program, constant.where(variant=constant[0].variant.label).tree, "test", 0.0) if constant else a
    one, two = {str(c) for c in a}, {str(c) for c in b}
    assert {str(c) for c in a & b} == one & two
    assert {str(c) for c in a | b} == one | two
    assert {str(c) for c in a - b} == one - two
    assert {str(c) for c in constant - a} == {str(c) for c in constant} - one
    assert (a & constant) == a
    assert (a | constant) == constant
    assert not (a - constant)
    if a.program.space.text != other.program.space.text:
        with pytest.raises(EngineError, match="different spaces"):
            a & other


@given(sets(), st.data())
def test_subsets(fs: FeasibleSet, data: st.DataObject) -> None:
    everything = solve(compile_space(fs.program.space), "exhaustive")
    part = fs.where(variant=data.draw(st.sampled_from(list(fs.program.by_label))))
    for a, b in ((fs, everything), (part, fs), (everything, part), (fs, fs), (part, everything - part)):
        mine, others = {str(c) for c in a}, {str(c) for c in b}
        assert (a <= b, a < b, a >= b, a > b) == (mine <= others, mine < others, mine >= others, mine > others)


def test_sets_compare_with_sets_of_their_space_only(dscnn: FeasibleSet) -> None:
    with pytest.raises(EngineError, match="`dscnn` and `mlp2` are different spaces"):
        dscnn <= nc.reduce("mlp2")  # noqa: B015 - it raises
    with pytest.raises(TypeError):
        dscnn <= 3  # noqa: B015


@given(sets())
def test_a_set_travels(fs: FeasibleSet) -> None:
    if fs:
        fs.best("entropy")
        assert fs[0].steps
    for again in (pickle.loads(pickle.dumps(fs)), copy.deepcopy(fs), copy.copy(fs)):
        assert again == fs
        assert [str(c) for c in again] == [str(c) for c in fs]
        assert (again.description, again.engine, again.seconds) == (fs.description, fs.engine, fs.seconds)
        assert list(again) == list(fs)
        if fs:
            assert again[0].costs == fs[0].costs


class TestPickle:
    """What goes to other processes is small, and candidates of one program share it."""

    def test_candidates_share_their_program(self, dscnn: FeasibleSet) -> None:
        one, many = (len(pickle.dumps(dscnn.sample(n, seed=0))) for n in (1, 101))
        assert one < 1_500
        assert many - one < 100 * 40
        again = pickle.loads(pickle.dumps(dscnn.sample(5, seed=0)))
        assert again == dscnn.sample(5, seed=0)
        assert len({id(c.program) for c in again}) == 1

    def test_those_that_come_one_by_one_share_it_too(self, dscnn: FeasibleSet) -> None:
        again = [pickle.loads(pickle.dumps(c)) for c in dscnn.sample(5, seed=0)]
        assert len({id(c.program) for c in again}) == 1

    def test_a_program_is_compiled_as_it_was(self) -> None:
        program = nc.compile("dscnn", mcu="stm32f412", latency="90ms", latency_profile="nascompile-c",
                             runtime="nascompile-c", overrides=["dtype=int8"])  # fmt: skip
        again = pickle.loads(pickle.dumps(program))
        assert again.space.text == program.space.text
        assert (again.runtime, again.latency) == (program.runtime, program.latency)
        assert (again.budgets, again.target, again.ram_model) == (program.budgets, program.target, program.ram_model)
        row = np.zeros((1, 6), np.int64)
        assert again.costs(0, row) == program.costs(0, row)
        assert copy.deepcopy(program) is program
        assert copy.deepcopy(program.space) is program.space

    @pytest.mark.parametrize("how", ["fork", "spawn"])
    def test_a_pool(self, how: str) -> None:
        drawn = nc.reduce("mlp2", rom=13_600).sample(8, seed=0)
        with get_context(how).Pool(2) as pool:
            assert pool.map(rom_of, drawn) == [c.costs["rom"] for c in drawn]


def rom_of(candidate: Candidate) -> int | float:
    return candidate.costs["rom"]


def test_candidates_of_different_spaces_are_different(dscnn: FeasibleSet) -> None:
    other = nc.reduce("dscnn", mcu="ebs-small", overrides=["dtype=int8", "choices.M.step=56"])
    one, two = dscnn[0], nc.parse_candidate(other.program, str(dscnn[0]))
    assert str(one) == str(two)
    assert one != two
    assert len({one, two, dscnn[0], pickle.loads(pickle.dumps(one))}) == 2
    assert sorted([one, two]) == sorted([two, one])
    assert two not in dscnn
    assert one == nc.parse_candidate(nc.compile("dscnn", rom=1), str(one))
    differ = r"they differ in `dtype` \(int8, float32\), `choices.M.step` \(56, 28\)"
    with pytest.raises(CandidateError, match=f"another space `dscnn`: {differ}"):
        dscnn.index(two)
    with pytest.raises(EngineError, match=f"`dscnn` and `dscnn` are different spaces: {differ}"):
        other & dscnn


@pytest.mark.parametrize("sense", ["maximize", "minimum", "", "MAX", None])
def test_a_sense_that_is_none(sense: Any, dscnn: FeasibleSet) -> None:
    for ask in (dscnn.best, lambda metric, sense: dscnn.top(metric, 3, sense), partial(optimum, dscnn.program, 0)):
        for metric in ("rom", "ram") if ask == dscnn.best else ("rom",):
            with pytest.raises(EngineError) as caught:
                ask(metric, sense)
            assert str(caught.value) == f"`sense` = {sense!r} [wrong-value]\n  it is `max` or `min`"


def test_a_metric_that_is_none(dscnn: FeasibleSet) -> None:
    for ask in (dscnn.best, dscnn.metrics.extremes, lambda metric: dscnn.top(metric, 3)):
        with pytest.raises(EngineError, match="there is no metric `foo` here"):
            ask("foo")
    with pytest.raises(EngineError, match="`k` = -1"):
        dscnn.top("rom", -1)
    assert dscnn.top("rom", 0) == []


def test_what_they_are_at_a_glance(dscnn: FeasibleSet) -> None:
    limits = "rom <= 1,000,000, ram <= 262,144"
    assert repr(dscnn) == f"<FeasibleSet dscnn: 167,713 of 19,136,512 ({limits})>"
    assert repr(dscnn.program) == f"<Program dscnn on ebs-small: 19,136,512 networks, {limits}>"
    assert repr(dscnn.program.space) == "<Space dscnn: float32>"
    assert repr(dscnn[0]) == "<Candidate dscnn/6: 84-84-84-84-84-84>"


@given(sets())
def test_ranges_and_histograms_count_the_members(fs: FeasibleSet) -> None:
    for chain in fs.program.chains:
        label = chain.variant.label
        members = [c for c in fs if c.variant.label == label]
        histograms = fs.histograms(label)
        for d in chain.variant.decisions:
            values = [c.values[d.label] for c in members]
            assert histograms[d.label] == {v: values.count(v) for v in d.options if v in values}
            if members and d.numeric:
                assert fs.ranges(label)[d.label] == (min(values), max(values))


def test_restriction(dscnn: FeasibleSet) -> None:
    part = dscnn.where(variant=6, M={1: 84, 2: [84, 112]})
    expected = [str(c) for c in islice(dscnn, dscnn.counts["6"]) if c["M"][0] == 84 and c["M"][1] in (84, 112)]
    assert [str(c) for c in part] == expected
    assert dscnn.where(M=84).size == 3
    assert part.description == "rom <= 1,000,000, ram <= 262,144 where variant 6, M = {1: 84, 2: [84, 112]}"
    for wrong, text in (({"N": 1}, "no choice `N`"), ({"M": 85}, "cannot be 85"), ({"M": {9: 84}}, r"no M\[9\]")):
        with pytest.raises(CandidateError, match=text):
            dscnn.where(**wrong)
    with pytest.raises(CandidateError, match="no variant `9`"):
        dscnn.where(variant=9)


def test_sampling_is_uniform_without_replacement() -> None:
    fs = nc.reduce("mlp2", rom=13_600)
    assert sorted(map(str, fs.sample(14, seed=1))) == sorted(map(str, fs))
    assert fs.sample(5, seed=3) == fs.sample(5, seed=3)
    drawn = [fs.index(fs.sample(1, seed=s)[0]) for s in range(4_000)]
    expected = len(drawn) / 14
    chi_square = sum((drawn.count(k) - expected) ** 2 / expected for k in range(14))
    assert chi_square < 34.5  # 13 degrees of freedom, 0.1 % level; the seeds are fixed
    with pytest.raises(ValueError, match="15 different members from a set of 14"):
        fs.sample(15)


def test_draws_from_ranges_of_any_size() -> None:
    drawn = distinct_draws(10**40, 1000, random.Random(0))
    assert len(set(drawn)) == 1000
    assert all(0 <= k < 10**40 for k in drawn)


def test_a_set_beyond_two_to_the_63() -> None:
    """Without budgets the count is the product of the options, here 8^24 = 2^72."""
    fs = nc.reduce("dscnn", overrides=["network.2.repeat=22"])
    assert fs.size == 8**24
    last = fs[fs.size - 1]
    assert set(last["M"]) == {280}
    assert fs.index(last) == 8**24 - 1
    assert all(c in fs for c in fs.sample(10, seed=0))
    assert fs.histograms("")["M[1]"] == dict.fromkeys(range(84, 281, 28), 8**23)


def test_a_huge_set_is_never_listed(huge: FeasibleSet) -> None:
    assert huge.size == 49_300_565_649_322
    huge.tree.counts  # noqa: B018 - counted once, before memory is watched
    tracemalloc.start()
    sample = huge.sample(2_000, seed=0)
    first = list(islice(huge, 2_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000
    assert all(huge.index(c) == k for k, c in enumerate(first))
    assert len(set(sample)) == 2_000
    ranks = np.array([huge.index(c) for c in sample]) / huge.size
    assert abs(ranks.mean() - 0.5) < 0.03


def test_a_set_of_another_space_is_no_home(dscnn: FeasibleSet) -> None:
    stranger = nc.reduce("mlp2")[0]
    assert stranger not in dscnn
    assert "mlp2: 16-16" not in dscnn
    assert "dscnn/6: 84-84" not in dscnn
    with pytest.raises(ValueError, match="is not in the set"):
        dscnn.index("dscnn/6: 280-280-280-280-280-280")


def test_the_empty_set() -> None:
    fs = nc.reduce("mlp2", rom=100)
    assert not fs
    assert list(fs) == []
    assert fs.to_numpy().shape == (0, 2)
    assert fs.sample(0) == []
    assert fs.ranges("") == {}
    with pytest.raises(EngineError, match="the set is empty"):
        fs.best("rom")


def test_ranges_of_words_keep_the_order_of_the_file() -> None:
    text = "space: w\ninput: {channels: 2}\nchoices:\n  A: [relu6, none, relu]\n"
    text += "network:\n  - linear: {units: 3, activation: A}\n"
    fs = solve(compile_space(read_space(text)))
    assert fs.ranges("") == {"A[1]": ("relu6", "relu")}
    assert fs.where(A=["relu6", "none"]).ranges("") == {"A[1]": ("relu6", "none")}
