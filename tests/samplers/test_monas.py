"""MONAS as published: always a feasible cell, the same for the same seed, and weights that weigh."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samplers.monas.cell_sets import within
from samplers.monas.paper import MonasPaper, found_cell
from samplers.monas.rules import Round
from samplers.proxies.ranking import ranks
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.costs.latency_profiles import load_profile
from spaces.errors import EngineError
from spaces.language.cell import live_edges
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets

SPACE = """
space: tiny
input: {channels: 2, height: 8, width: 8}
dtype: int8
bias: true
ram_model: liveness
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, activation: none}}]
      wide: [relu, {conv: {filters: channels, kernel: 5, activation: none}}]
network:
  - conv: {filters: 3, activation: none}
  - cell: cell
  - relu
  - global_avg_pool
  - linear: {units: 4}
"""
SERIES = """
space: series
input: {channels: 2, length: 8}
cells: {cell: {nodes: 2, operators: {none: zero, skip: identity}}}
network: [{cell: cell}, flatten]
"""
IMAGES = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def tiny(**budgets: int) -> FeasibleSet:
    return solve(compile_space(read_space(SPACE), Budgets(**budgets), latency=load_profile("stm32h747")))


WHOLE = tiny()
COSTS = sorted({c.costs["rom"] for c in WHOLE})


def run(fs: FeasibleSet, **arguments: object) -> list[Round]:
    given = {"repeats": 1, **arguments}
    return list(MonasPaper(**given).search(fs, IMAGES))  # type: ignore[arg-type]


@settings(max_examples=12)
@given(st.sampled_from(COSTS), st.integers(1, 3), st.integers(0, 99))
def test_a_search_ends_at_a_feasible_cell(rom: int, prune: int, seed: int) -> None:
    fs = tiny(rom=rom)
    rounds = run(fs, prune=prune, seed=seed)
    found = found_cell(fs, rounds)
    assert found in fs
    assert any(live_edges(found.program.space.cells["cell"], [(found.values[f"cell[{k}]"],) for k in (1, 2, 3)]))
    assert all(len(names) == 1 for names in rounds[-1].after.values())
    for before, after in pairwise(rounds):
        assert after.before == before.after
        assert within(fs, before.after)
    for found in rounds:
        for edge, names in found.before.items():
            assert len(names) - prune <= len(found.after[edge]) <= len(names)


def test_an_operator_that_every_feasible_cell_needs_is_kept() -> None:
    only = WHOLE.where(None, cell={1: "conv", 2: "none", 3: "skip"})
    assert only.size == 1
    rounds = run(only)
    assert str(found_cell(only, rounds)) == "tiny: |conv~0|+|none~0|skip~1|"
    assert {"needed", "pruned"} <= {row.fate for found in rounds for row in found.rows}


def test_the_same_seed_is_the_same_search_whatever_came_before() -> None:
    whole = run(WHOLE, seed=3)
    torch.randn(7)
    assert run(WHOLE, seed=3) == whole
    sampler = MonasPaper(seed=3, repeats=1)
    for k in range(1, len(whole)):
        assert list(sampler.search(WHOLE, IMAGES, whole[:k])) == whole[k:]


def test_progress_counts_every_measurement() -> None:
    seen: list[tuple[int, int, int]] = []
    list(MonasPaper(repeats=1).search(WHOLE, IMAGES, (), lambda r, _, k, n: seen.append((r, k, n))))
    assert [(k, n) for r, k, n in seen if r == 1] == [(k, 12) for k in range(12)]


@pytest.mark.parametrize("weight", ["lam", "mu"])
def test_a_heavy_weight_finds_a_cheap_cell(weight: str) -> None:
    metric = {"lam": "flops", "mu": "latency"}[weight]
    cheap = [found_cell(WHOLE, run(WHOLE, seed=s, **{weight: 0.99})).costs[metric] for s in range(2)]
    costs = [c.costs[metric] for c in WHOLE]
    assert max(cheap) <= np.quantile(costs, 0.2)


def test_the_papers_score() -> None:
    """Eq. 3, by hand, on the indicators of a round."""
    rounds = run(WHOLE, lam=0.6)
    rows = rounds[0].rows
    k, regions, flops = (np.array([getattr(r, n) for r in rows]) for n in ("k", "regions", "flops"))
    for j, found in enumerate(rows):
        # Ranks by counting: how many come before, and half of the equals.
        rank_k = (k < k[j]).sum() + ((k == k[j]).sum() - 1) / 2
        rank_r = (regions > regions[j]).sum() + ((regions == regions[j]).sum() - 1) / 2
        rank_f = (flops < flops[j]).sum() + ((flops == flops[j]).sum() - 1) / 2
        assert found.score == pytest.approx(0.2 * rank_k + 0.2 * rank_r + 0.6 * rank_f)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, float("inf")]), min_size=1, max_size=12))
def test_ranks_share_ties(values: list[float]) -> None:
    got = ranks(np.array(values))
    assert [sum(v < w for v in values) + (values.count(w) - 1) / 2 for w in values] == got.tolist()


def test_it_chooses_different_cells() -> None:
    sampler = MonasPaper(repeats=1)
    cells = sampler.choose(WHOLE, 3, lambda one, *_: list(one.search(WHOLE, IMAGES)))
    assert len(set(cells)) == len(cells) >= 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"lam": 1.0}, "bad-weight"),
        ({"lam": 0.5, "mu": 0.5}, "bad-weight"),
        ({"mu": float("nan")}, "bad-weight"),
        ({"prune": 0}, "bad-count"),
        ({"repeats": 0}, "bad-count"),
    ],
)
def test_parameters_that_cannot_be(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(EngineError) as caught:
        run(WHOLE, **arguments)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_sets_that_cannot_be_searched() -> None:
    for fs, sampler, code in (
        (solve(compile_space(load_space("mlp2"))), MonasPaper(), "no-cell-space"),
        (tiny(rom=1), MonasPaper(), "empty-set"),
        (solve(compile_space(read_space(SERIES))), MonasPaper(), "no-images"),
        (WHOLE.where(None, cell={1: "none", 2: "none"}), MonasPaper(), "no-connected-cell"),
        (solve(compile_space(read_space(SPACE))), MonasPaper(mu=0.5), "no-latency-profile"),
    ):
        with pytest.raises(EngineError) as caught:
            list(sampler.search(fs, IMAGES))
        assert [d.code for d in caught.value.diagnostics] == [code]
