"""Switches and groups with a decided depth: what they mean, what they refuse, and the spaces of PrototypeNAS."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import torch

from solvers.base import solve
from spaces.errors import NascompileError
from spaces.language.reader import load_space, read_space
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Chain, Program
from tests.agreement import check_solvers
from tests.oracles import all_candidates, brute_force

BASE = """\
space: s
input: {channels: 2, height: 16, width: 16}
choices:
  M: [2, 4]
  W: {options: [2, 4], shared: true}
  D: {options: [0, 1, 2], shared: group}
  K: {options: [[3, 1], [3, 2]], shared: group}
network:
  - switch: kind
    cases:
      plain:
        - conv: {filters: W}
      deep:
        - group: g
          depth: 1 + D
          blocks:
            - conv: {filters: W, kernel: first(K), stride: last(K)}
            - conv: {filters: 2 * W, stride: last(K)}
            - conv: {filters: 3 * W}
  - linear: {units: M}
"""


def program(text: str = BASE, **budgets: int) -> Program:
    return compile_space(read_space(text), Budgets(**budgets))


def test_each_case_is_a_variant_with_its_own_decisions():
    chains = program().chains
    assert [c.variant.label for c in chains] == ["plain", "deep"]
    assert [[d.label for d in c.variant.decisions] for c in chains] == [["W", "M[1]"], ["D[1]", "W", "K[1]", "M[1]"]]
    assert [c.variant.size for c in chains] == [4, 24]
    assert chains[1].variant.constants == {"kind": "deep"}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_depth_says_how_many_blocks_there_are(depth: int):
    candidate = parse_candidate(program(), f"s/deep: {depth}-2-3x1-4")
    layers = breakdown(candidate)
    assert [t.out.shape.channels for t in layers] == [*[2, 4, 6][: depth + 1], 4]
    assert [t.number for t in layers] == list(range(1, depth + 3))
    assert totals(candidate) == pytest.approx(candidate.costs)
    assert len(list(candidate.build().layers)) == depth + 2
    assert candidate.build()(torch.zeros(1, 2, 16, 16)).shape == (1, 4)


@pytest.mark.parametrize("ram_model", ["pingpong", "liveness"])
def test_ping_pong_buffers_follow_the_layers_that_are_there(ram_model: str):
    found = compile_space(read_space(BASE), Budgets(ram=3_000), ram_model=ram_model)
    assert all(totals(c) == pytest.approx(c.costs) for c in all_candidates(found))
    assert 0 < len(brute_force(found)) < found.size
    check_solvers(found)


def test_where_takes_a_case():
    fs = solve(program())
    assert len(fs.where(kind="deep")) == 24
    assert len(fs.where(kind=["plain"])) == 4
    assert len(fs.where(D={1: 0})) == 8


def test_a_switch_within_a_case_is_taken_only_there():
    nested = BASE.replace(
        "        - conv: {filters: W}\n",
        "        - switch: size\n          cases: {small: [conv: {filters: W}], large: [conv: {filters: 9}]}\n",
    )
    assert [c.variant.label for c in program(nested).chains] == ["plain.small", "plain.large", "deep"]


def test_two_switches_of_one_name_are_one_choice():
    twice = BASE + "  - switch: kind\n    cases: {plain: [relu], deep: [linear: {units: 3}]}\n"
    chains = program(twice).chains
    assert [c.variant.label for c in chains] == ["plain", "deep"]
    assert [c.variant.layers[-1].spec.block.name for c in chains] == ["relu", "linear"]


def test_declared_options_leave_cases_out():
    declared = BASE.replace("  M: [2, 4]\n", "  M: [2, 4]\n  kind: {options: [deep], shared: true}\n")
    assert [c.variant.label for c in program(declared).chains] == [""]
    assert program(declared).size == 24


def test_constraints_apply_where_their_choices_are():
    limited = BASE + 'constraints: ["W >= 4", "D[1] == 1"]\n'
    members = [str(c) for c in solve(program(limited))]
    assert members == brute_force(program(limited))
    assert members == [f"s/plain: 4-{m}" for m in (2, 4)] + [
        f"s/deep: 1-4-{k}-{m}" for k in ("3x1", "3x2") for m in (2, 4)
    ]


MISTAKES = [
    ("depth: 1 + D", "depth: 2 + D", ["15:18 bad-depth: `2 + D` gives a depth of 4 for D = 2; a depth is a whole number from 1 to 3, the number of blocks in the group"]),
    ("depth: 1 + D", "depth: M", ["15:18 not-shared: `depth` depends on `M`, which each layer decides anew; add `shared: group` to the choice `M`"]),
    ("filters: 3 * W", "filters: M", ["15:18 decides-nothing: `M` decides nothing where the block that uses it is absent: each layer decides it anew; give `M` the key `shared: group`, and use it in the group's first block, too"]),
    ("filters: W, kernel: first(K), stride: last(K)", "filters: W", ["15:18 decides-nothing: `K` decides nothing where the block that uses it is absent: its first block does not use it; give `K` the key `shared: group`, and use it in the group's first block, too"]),
    ("depth: 1 + D", "depth: [1, 2]", ["15:18 wrong-type: `depth` is a whole number or an expression over choices; for example `depth: 1 + D`, with `D: {options: [0, 1, 2], shared: group}` among the choices"]),
    ("depth: 1 + D", "deep: 1 + D", ["15:11 unknown-key: unknown key `deep` in a group; did you mean `depth`?"]),
    ("switch: kind", "switch: M", ["9:13 not-shared: the switch `M` is a choice that is not shared; add `shared: true` to it"]),
    ("switch: kind", "switch: W", ["10:5 unknown-case: the switch `W` has no case `2`; known: deep, plain"]),
    ("switch: kind", "switch: rom", ["9:13 bad-name: `rom` cannot name a switch; use letters, digits and `_`, and no name of a cell or a cost"]),
    ("    cases:\n", "    case:\n", ["10:5 unknown-key: unknown key `case` beside `switch`; did you mean `cases`?"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_mistakes(old: str, new: str, expected: list[str]):
    assert old in BASE
    with pytest.raises(NascompileError) as caught:
        program(BASE.replace(old, new))
    found = [
        f"{d.span.line}:{d.span.column} {d.code}: {d.message}" + (f"; {d.hint}" if d.hint else "")
        for d in caught.value.diagnostics
    ]
    assert found[: len(expected)] == expected


def test_numbered_layers_cannot_be_named_where_some_are_absent():
    with pytest.raises(NascompileError, match="speaks of numbered layers"):
        program(BASE + 'constraints: ["height[1] >= 4"]\n')


# -- the spaces of PrototypeNAS --------------------------------------------------------------------------------------

CASES = [
    *(
        ("prototype_image", a)
        for a in ("mobilenet_v2", "resnet18", "squeezenet", "mbednet", "efficientnet_b0", "mcunet")
    ),
    *(("prototype_timeseries", a) for a in ("inception_time", "mbednet_1d")),
    ("prototype_detection", ""),
]
SMALL = {
    "W": "{options: [0.1, 0.3], shared: true}",
    "D": "{options: [0, 2], shared: group}",
    "K": "{options: [[3, 1], [5, 2]], shared: group}",
    "S": "{options: [0.5], shared: group}",
}


def small(name: str, architecture: str, **choices: str) -> Program:
    overrides = [f"choices.{k}={v}" for k, v in {**SMALL, **choices}.items()]
    if architecture:
        overrides.append(f"choices.architecture={{options: [{architecture}], shared: true}}")
    return compile_space(load_space(name, overrides))


@pytest.mark.parametrize(("name", "architecture"), CASES)
def test_a_small_prototype_space_is_what_its_networks_are(name: str, architecture: str):
    """Tables equal networks walked block by block, and the diagram equals the list, under budgets that cut."""
    free = small(name, architecture)
    assert free.size == 2 * (2 * 2 * 1) ** 4
    fs = solve(free)
    drawn = fs.sample(6, seed=1)
    assert all(totals(c) == pytest.approx(c.costs) for c in drawn)
    middle = sorted((c.costs["rom"], c.costs["ram"]) for c in fs.sample(41, seed=2))[20]
    tight = compile_space(free.space, Budgets(rom=middle[0], ram=max(c.costs["ram"] for c in drawn) - 1))
    found = solve(tight, "diagram")
    assert 0 < found.size < free.size
    assert found == solve(tight, "exhaustive")


@pytest.mark.parametrize(("name", "architecture"), CASES)
def test_a_prototype_computes_what_it_counts(name: str, architecture: str):
    program = small(name, architecture, W="{options: [0.1], shared: true}", S="{options: [0.9], shared: group}")
    (candidate,) = solve(program).sample(1, seed=3)
    net = candidate.build(batch_norm="folded").eval()
    assert sum(p.numel() for p in net.parameters()) == candidate.costs["params"]
    out = net(torch.zeros(1, *program.space.input.dims))
    last = candidate.steps[-1].out
    assert tuple(out.shape[1:]) == last.dims


def count_by_halves(chain: Chain, middle: int, ram: int) -> int:
    """The members of a chain under one additive limit and a limit on live RAM, by meeting in the middle.

    Every prefix's cost is met with the sorted costs of every way to go on from its state.
    """
    (limit,) = chain.limits
    tables = [np.where(s.column("peak") <= ram, s.next, -1) for s in chain.stages]

    def extend(states, sums, stages):
        for t in stages:
            state = np.repeat(states, tables[t].shape[1])
            option = np.tile(np.arange(tables[t].shape[1]), len(states))
            sums = np.repeat(sums, tables[t].shape[1]) + limit.columns[t][state, option]
            states = tables[t][state, option]
            states, sums = states[states >= 0], sums[states >= 0]
        return states, sums

    states, sums = extend(np.zeros(1, np.int64), np.zeros(1, np.int64), range(middle))
    total = 0
    for state in np.unique(states):
        _, rest = extend(np.array([state]), np.zeros(1, np.int64), range(middle, len(tables)))
        total += int(np.searchsorted(np.sort(rest), limit.bound - sums[states == state], "right").sum())
    return total


def test_the_whole_detection_space_counted_by_halves():
    """The diagram's exact count is that of an independent method, and that in the text of the space."""
    space = load_space("prototype_detection")
    counts = []
    for rom, ram in ((1 << 20, 320 << 10), (200_000, 256 << 10)):
        found = compile_space(space, Budgets(rom=rom, ram=ram))
        counts.append(solve(found).size)
        assert counts[-1] == count_by_halves(found.chains[0], 7, ram)
    assert found.size == 10 * prod([4 * 6 * 5] * 4)
    assert 0 < counts[1] < counts[0] < found.size
    assert all(f"{number:,}" in space.doc for number in (found.size, counts[0]))
