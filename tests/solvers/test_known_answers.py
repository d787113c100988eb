"""Every library space has its known answers, and more than one engine gives them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

import nascompile as nc
from solvers.base import solve
from solvers.cpsat.engine import optimum
from solvers.explain import explain
from spaces.language.library import library
from spaces.program.graph import Program
from tests.known_answers import FILE, METRICS, compute
from tests.oracles import count_by_sums

ANSWERS: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
SMALL = ("mlp2", "dscnn", "autoencoder")
#: Of the cell spaces, which compile for seconds, one is enough for the slow engines.
ONE_OF_EACH = [name for name in ANSWERS if not name.startswith("nasbench201_")]


@cache
def compiled(space: str) -> Program:
    return nc.compile(space, mcu="ebs-small")


def test_every_library_space_has_an_entry() -> None:
    """But for PrototypeNAS's spaces, which `tests/spaces/test_groups.py` counts by a second method."""
    assert set(ANSWERS) == {name for name in library() if not name.startswith("prototype_")}


@pytest.mark.parametrize("space", ANSWERS)
def test_by_decision_diagram(space: str) -> None:
    assert compute(space) == ANSWERS[space]


@pytest.mark.parametrize("space", ["mlp2", "autoencoder"])
def test_the_very_set_by_brute_force(space: str) -> None:
    assert nc.reduce(space, mcu="ebs-small", solver="exhaustive").digest == ANSWERS[space]["digest"]


@pytest.mark.parametrize("space", SMALL)
def test_the_very_set_by_cp_sat(space: str) -> None:
    """Enumerated solution by solution; every member exactly once, or the count would differ."""
    fs = nc.reduce(space, mcu="ebs-small", solver="cp-sat")
    assert (fs.size, fs.digest) == (ANSWERS[space]["count"], ANSWERS[space]["digest"])


def test_cells_by_brute_force_and_cp_sat() -> None:
    program = compiled("nasbench201")
    for engine in ("exhaustive", "cp-sat"):
        assert solve(program, engine).digest == ANSWERS["nasbench201"]["digest"]


@pytest.mark.parametrize(
    ("space", "repeat", "depth"),
    [
        ("convmixer", "network.1.repeat=7", "8"),
        ("mobilenet", "network.2.repeat=6", "8"),
        ("dscnn", "network.2.repeat=5", "7"),
    ],
)
def test_a_depth_by_brute_force(space: str, repeat: str, depth: str) -> None:
    one = nc.reduce(space, mcu="ebs-small", overrides=[repeat], solver="exhaustive")
    assert one.size == ANSWERS[space]["variants"][depth]
    constant = nc.reduce(space, mcu="ebs-small")
    assert all(f"{space}/{depth}: {str(c).split(': ')[1]}" in constant for c in one.sample(500, seed=0))


@pytest.mark.parametrize("space", [name for name in ANSWERS if not name.startswith("nasbench201")])
def test_the_counts_by_summing_prefixes(space: str) -> None:
    """A dynamic programme without diagrams, for ping-pong RAM; the deepest variants take minutes, and are left out."""
    program = compiled(space)
    for chain in program.chains:
        if len(chain.stages) <= 11:
            assert count_by_sums(chain) == ANSWERS[space]["variants"][chain.variant.label]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("space", ONE_OF_EACH)
def test_the_extreme_costs_by_cp_sat(space: str, metric: str) -> None:
    program = compiled(space)
    # For the deepest of the large variants CP-SAT takes minutes to prove a largest cost (not a least one).
    for sense, known in zip(("min", "max"), ANSWERS[space]["extremes"][metric], strict=True):
        chains = [v for v, c in enumerate(program.chains) if sense == "min" or len(c.stages) <= 9]
        found = [o.value for o in (optimum(program, v, metric, sense) for v in chains) if o]
        if len(chains) == len(program.variants):
            assert (min if sense == "min" else max)(found) == known
        else:
            assert max(found) <= known


@pytest.mark.parametrize(
    ("ram", "rom", "counts"),
    [
        (262_144, 1_000_000, [4_160, 33_268, 130_285]),
        (262_144, 1_048_576, [4_160, 33_279, 131_070]),
        (256_000, 1_000_000, [4_096, 32_756, 129_773]),
    ],
)
def test_dscnn(ram: int, rom: int, counts: list[int]) -> None:
    fs = nc.reduce("dscnn", ram=ram, rom=rom)
    assert list(fs.counts.values()) == counts
    assert fs.program.size == 19_136_512


STRIDE_2 = ["network.0.conv.stride=2", "network.1.ds_conv.stride=1"]


@pytest.mark.parametrize(
    ("limits", "overrides", "counts"),
    [
        ({}, [], [184_323, 1_221_255, 7_011_290]),
        ({"flops": "20M"}, [], [2_356, 1_778, 753]),
        ({"flops": "50M"}, [], [152_002, 800_242, 3_410_133]),
        ({}, ["bias=true"], [183_581, 1_206_158, 6_829_426]),
    ],
)
def test_the_benchmark_problem(limits: dict[str, str], overrides: list[str], counts: list[int]) -> None:
    fs = nc.reduce("dscnn", rom=1_000_000, ram=256_000, overrides=[*STRIDE_2, *overrides], **limits)  # type: ignore[arg-type]
    assert list(fs.counts.values()) == counts


@pytest.mark.parametrize(
    ("depth", "flops", "count"),
    [(12, None, 18_916_350_788), (16, None, 49_300_565_649_322), (12, 75_000_000, 7_097_146_990)],
)
def test_the_scaled_benchmark(depth: int, flops: int | None, count: int) -> None:
    overrides = [*STRIDE_2, f"network.2.repeat={depth - 2}"]
    assert nc.reduce("dscnn", rom=125_000 * depth, ram=256_000, flops=flops, overrides=overrides).size == count


def test_the_tree_is_compact() -> None:
    """8,416,868 members; as a list of 16-bit options 131 MB."""
    fs = nc.reduce("dscnn", rom=1_000_000, ram=256_000, overrides=STRIDE_2)
    assert fs.size == 8_416_868
    assert (fs.node_count, fs.nbytes) == (9_931, 155_288)


def test_the_papers_fourteen_pairs() -> None:
    """EBS Fig. 3; any ROM budget of 3,392 to 3,423 weights gives them."""
    rows = {16: range(16, 97, 16), 32: range(16, 65, 16), 48: (16, 32), 64: (16,), 80: (16,)}
    expected = [f"mlp2: {m1}-{m2}" for m1, m2s in rows.items() for m2 in m2s]
    for weights in (3_392, 3_400, 3_423):
        assert [str(c) for c in nc.reduce("mlp2", rom=4 * weights)] == expected
    assert len(nc.reduce("mlp2", rom=4 * 3_391)) < 14 < len(nc.reduce("mlp2", rom=4 * 3_424))


def test_why_nothing_fits() -> None:
    why = explain(nc.compile("dscnn", ram="64KiB", rom="1MiB"))
    assert [v.conflict for v in why.variants] == [("ram",)] * 3
    (offer,) = why.relaxations
    assert (offer.name, offer.budget, offer.needed) == ("ram", 65_536, 206_640)
    assert nc.reduce("dscnn", ram=206_640, rom="1MiB")
    assert not nc.reduce("dscnn", ram=206_639, rom="1MiB")
