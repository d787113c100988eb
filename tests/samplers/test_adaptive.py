"""Adaptive sampling: the protocol, the parts of its surrogate, and that it learns."""

from __future__ import annotations

import json
import math
import random
from itertools import groupby, pairwise

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, norm

from samplers import UniformSampler
from samplers.bayesian.adaptive import AdaptiveSampler, expected_improvement, normal_scores
from samplers.bayesian.features import COSTS, Features
from samplers.bayesian.gaussian_process import fit_gaussian_process
from samplers.bayesian.paths import PathLengths
from samplers.entropy import EntropySampler
from samplers.testing import SamplerConformance, example_set
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets


class TestAdaptiveSampler(SamplerConformance):
    many = 14

    def make(self, seed):
        return AdaptiveSampler(start=3, pool=200, seed=seed)


@pytest.fixture(scope="module")
def layers() -> FeasibleSet:
    """Three linear layers, 445 members."""
    return solve(compile_space(load_space("mlp2", ["network.0.repeat=3"]), Budgets(rom=150_000)))


CELL = """
space: cells
input: {channels: 3, height: 8, width: 8}
cells:
  cell:
    nodes: 4
    operators: {none: zero, skip: identity, conv: [{conv: {filters: channels, kernel: 3}}]}
network:
  - conv: {filters: 4, kernel: 3}
  - cell: cell
  - global_avg_pool
  - linear: {units: 2}
"""


@pytest.fixture(scope="module")
def cells() -> FeasibleSet:
    """3^6 cells."""
    return solve(compile_space(read_space(CELL)))


def best_of(sampler, fs, objective, n):
    found = []
    for candidate in sampler.ask(fs, n):
        found.append(objective(candidate))
        sampler.tell(candidate, {"accuracy": found[-1]})
    return max(found)


def wins(fs, objective, n, seeds=20):
    """Seeds by which the adaptive sampler ends above the uniform one, and below."""
    pairs = [
        (best_of(AdaptiveSampler(seed=s, start=5), fs, objective, n), best_of(UniformSampler(seed=s), fs, objective, n))
        for s in range(seeds)
    ]
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


def test_it_finds_a_bend_of_layers_faster_than_uniform_draws(layers):
    """A sign test over 20 seeds at the level 1 %: the best of 15 where layers should widen, then narrow."""

    def objective(candidate):
        a, b, c = candidate["M"]
        return -(((a - 48) / 32) ** 2) - ((b - 96) / 32) ** 2 - ((c - 32) / 32) ** 2

    more, less = wins(layers, objective, 15)
    assert binomtest(more, more + less, alternative="greater").pvalue < 0.01


def test_it_finds_a_cell_faster_than_uniform_draws(cells):
    """A sign test over 20 seeds at the level 1 %: the best of 15 where some operators go together."""

    def objective(candidate):
        edges = candidate["cell"]
        good = sum(a == "conv" and b == "skip" for a, b in pairwise(edges))
        return good - (edges[0] == "skip") + math.log(1 + candidate.costs["macs"]) / 10

    more, less = wins(cells, objective, 15)
    assert binomtest(more, more + less, alternative="greater").pvalue < 0.01


def test_it_climbs_in_a_set_too_large_to_list():
    """Of millions of members of three depths, 40 asked come nearer to a target than the best of 5,000 uniform draws."""
    fs = solve(compile_space(load_space("dscnn"), Budgets(rom=1_000_000)))

    def objective(candidate):
        widths = np.array(candidate["M"])
        return -float(((widths - np.linspace(280, 84, len(widths))) ** 2).mean()) - 1_000 * (len(widths) != 7)

    drawn = max(objective(candidate) for candidate in fs.sample(5_000, seed=0))
    assert best_of(AdaptiveSampler(start=5, pool=300, seed=0), fs, objective, 40) > drawn


def test_it_starts_as_entropy_sampling(layers):
    """Until `start` candidates were asked, and while fewer than two are told, both propose the same."""
    adaptive, entropy = AdaptiveSampler(start=6, seed=2), EntropySampler(seed=2)
    first = [str(c) for c in entropy.ask(layers, 9)]
    assert [str(c) for c in adaptive.ask(layers, 9)] == first


def test_units_do_not_matter(layers):
    """Only the order of what is told counts, and `min` is `max` of the negative."""

    def driven(sampler, objective, value):
        lines = []
        for candidate in sampler.ask(layers, 12):
            lines.append(str(candidate))
            sampler.tell(candidate, {objective: value(candidate.costs["macs"])})
        return lines

    plain = driven(AdaptiveSampler(start=4, seed=1), "accuracy", lambda v: v)
    assert driven(AdaptiveSampler(start=4, seed=1), "accuracy", lambda v: math.exp(v / 1e4) - 7) == plain
    assert driven(AdaptiveSampler("loss", "min", start=4, seed=1), "loss", lambda v: -v) == plain


def test_a_batch_is_spread(cells):
    """Candidates asked before any of them is told are not all next to each other: each counts as told of."""
    sampler = AdaptiveSampler(start=8, seed=0)
    for candidate in sampler.ask(cells, 8):
        sampler.tell(candidate, {"accuracy": -candidate.costs["macs"]})
    batch = [c.row for c in sampler.ask(cells, 6)]
    apart = [sum(x != y for x, y in zip(a, b, strict=True)) for a in batch for b in batch if a < b]
    assert len(set(batch)) == 6
    assert max(apart) >= 3


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"direction": "up"}, "`direction`"), ({"start": 0}, "`start`"), ({"pool": 0}, "`pool`")],
)
def test_parameters_that_cannot_be(parameters, named):
    with pytest.raises(EngineError, match=named):
        AdaptiveSampler(**parameters).ask(example_set("small"), 1)


# -- features --------------------------------------------------------------------------------------------------------


def test_features_tell_all_members_apart(layers, cells):
    for fs in (layers, cells, example_set("medium"), solve(compile_space(load_space("dscnn"), Budgets(rom=250_000)))):
        ranks = range(min(len(fs), 3000))
        assert len(np.unique(Features(fs)(ranks).round(9), axis=0)) == len(ranks)


def test_groups_are_scaled_alike(layers, cells):
    """Two members, drawn independently, are at a mean squared distance of 1 in each group."""
    for fs in (layers, cells):
        features = Features(fs)
        columns = features(range(len(fs)))
        for group in features.groups.values():
            assert cdist(columns[:, group], columns[:, group], "sqeuclidean").mean() == pytest.approx(1)


def test_the_distance_of_options_is_the_number_of_differences(cells):
    features = Features(cells)
    columns = features(range(0, len(cells), 7))[:, features.groups["options"]]
    rows = np.array([c.row for c in cells.at(range(0, len(cells), 7))])
    squared = ((columns[:, None] - columns) ** 2).sum(axis=2)
    different = (rows[:, None] != rows).sum(axis=2)
    assert np.allclose(squared, different * squared.max() / different.max())


def test_sizes_are_the_places_of_values(layers):
    features = Features(layers)
    columns = features(range(len(layers)))[:, features.groups["sizes"]]
    for k in range(3):
        values = np.array([c["M"][k] for c in layers])
        assert np.corrcoef(columns[:, k], values)[0, 1] == pytest.approx(1)


def test_costs_are_logarithms(layers):
    features = Features(layers)
    columns = features(range(len(layers)))[:, features.groups["costs"]]
    costs = [name for name in COSTS if name not in ("latency", "energy")]
    for column, name in zip(columns.T, costs, strict=True):
        values = np.array([c.costs[name] for c in layers], float)
        wanted = values if name == "entropy" else np.log1p(values)
        assert np.corrcoef(column, wanted)[0, 1] == pytest.approx(1)


def test_the_same_decision_of_two_variants_is_one_column():
    """Networks of six and of seven layers that agree in the first six differ in depth and in what is missing."""
    fs = solve(compile_space(load_space("dscnn"), Budgets(rom=250_000)))
    features = Features(fs)
    a, b = (fs.index(f"dscnn/{n}: {'-'.join(['84'] * n)}") for n in (6, 7))
    same = features([a])[0] == features([b])[0]
    assert list(features.groups) == ["options", "sizes", "costs", "paths"]
    assert same[features.groups["sizes"]].sum() == 6 + 1  # the eighth layer is missing from both


def walked(ops):
    """The operators of every path from a layer's input to its output, one by one."""
    readers = {k: [n for n, op in enumerate(ops, start=1) if k in op.inputs] for k in range(len(ops) + 1)}
    whole, waiting = [], [(0, ())]
    while waiting:
        at, path = waiting.pop()
        whole += [path] if at == len(ops) else []
        waiting += [(n, (*path, ops[n - 1])) for n in readers[at]]
    return [path for path in whole if all(op.kind != "zeros" for op in path)]


@pytest.mark.parametrize("space", ["nasbench201", "nasbench201_benchmark", "mobilenet", "cells"])
def test_paths_are_those_of_the_graphs(space, cells):
    """Lengths of many networks at once are those of every path of each of their layers."""
    program = cells.program if space == "cells" else compile_space(load_space(space))
    lengths, source = PathLengths(program), random.Random(1)
    for _ in range(60 if space == "cells" else 12):
        position = source.randrange(len(program.variants))
        row = [source.randrange(len(decision.options)) for decision in program.variants[position].decisions]
        candidate, wanted = candidate_of(program, position, row), np.zeros(3)
        for step in candidate.steps:
            paths = walked(step.ops)
            weighted = [sum(op.has_weights for op in path) for path in paths]
            every = [sum(op.kind not in ("add", "identity") for op in path) for path in paths]
            wanted += [max(weighted), 1 / (1 + min(weighted)), 1 / (1 + min(every))] if paths else 0
        assert np.allclose(lengths(candidate.position, np.array([candidate.row]))[0], wanted), str(candidate)


# -- the surrogate ---------------------------------------------------------------------------------------------------


def test_predictions_are_those_of_scikit_learn():
    """Its Gaussian process with this kernel, this noise and this mean has the same posterior."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

    source = np.random.default_rng(3)
    x, new = source.normal(size=(14, 3)), source.normal(size=(5, 3))
    y = x @ (1.0, -0.5, 0.2) + np.sin(3 * x[:, 0]) + 0.1 * source.normal(size=14)
    process = fit_gaussian_process(x, y, [slice(0, 2), slice(2, 3)])
    one, other = process.weights
    matern = Matern(length_scale=np.array([one, one, other]) ** -0.5, nu=2.5)
    product = ConstantKernel(process.variance * process.linear * 2 / 2) * DotProduct(
        sigma_0=0.0, sigma_0_bounds="fixed"
    )
    theirs = GaussianProcessRegressor(
        ConstantKernel(process.variance) * matern + product, alpha=process.variance * process.noise, optimizer=None
    ).fit(x, y - process.mean)
    mean, deviation = theirs.predict(new, return_std=True)
    assert np.allclose(process.predict(new)[0], mean + process.mean)
    assert np.allclose(process.predict(new)[1], deviation)


def test_a_trend_goes_on_beyond_the_points():
    """A plane, seen on one side: without a linear part what is far away would be the mean again."""
    x = np.random.default_rng(8).uniform(-1, 0, size=(30, 2))
    process = fit_gaussian_process(x, x @ (2.0, -1.0), [slice(0, 2)])
    mean, _ = process.predict(np.array([[4.0, 0.0], [0.0, 4.0]]))
    assert np.allclose(mean, [8.0, -4.0], atol=0.8)


def test_values_told_again_tell_the_noise():
    """The same points, each measured three times: in one case all three agree, in the other they do not."""
    source = np.random.default_rng(9)
    x = np.repeat(source.uniform(size=(8, 1)), 3, axis=0)
    y = np.sin(4 * x[:, 0])
    clean, noisy = (fit_gaussian_process(x, y + s * source.normal(size=24), [slice(0, 1)]) for s in (0.0, 0.5))
    assert noisy.noise > 10 * clean.noise
    fs = example_set("medium")
    sampler = AdaptiveSampler(objective="macs", start=3, seed=0)
    for candidate in list(sampler.ask(fs, 6)):
        for k in range(3):
            sampler.tell(candidate, {"macs": candidate.costs["macs"] + 10.0 * k}, again=k > 0)
    assert [len(list(group)) for _, group in groupby(rank for rank, _ in sampler.run_.measured)] == [3] * 6
    means = [(rank, {"macs": fs[rank].costs["macs"] + 10.0}) for rank in sampler.run_.asked]
    assert sampler.run_.told == means
    restored = AdaptiveSampler(objective="macs", start=3, seed=0)
    restored.restore(fs, json.loads(json.dumps(sampler.state())))
    assert restored.run_.told == means
    assert list(map(str, restored.ask(fs, 2))) == list(map(str, sampler.ask(fs, 2)))
    with pytest.raises(EngineError, match="never told"):
        sampler.tell(fs[next(r for r in sampler.run_.asked if r not in sampler.run_.values)], {"macs": 1}, again=True)


def test_a_believing_process_keeps_its_means():
    source = np.random.default_rng(4)
    x, y, waiting = source.normal(size=(10, 2)), source.normal(size=10), source.normal(size=(3, 2))
    process = fit_gaussian_process(x, y, [slice(0, 2)])
    believing = process.believing(waiting)
    everywhere = source.normal(size=(50, 2))
    assert np.allclose(believing.predict(everywhere)[0], process.predict(everywhere)[0])
    assert (believing.predict(everywhere)[1] <= process.predict(everywhere)[1] + 1e-9).all()
    assert (believing.predict(waiting)[1] < process.predict(waiting)[1]).all()


def test_a_group_that_says_nothing_gets_a_small_weight():
    source = np.random.default_rng(5)
    x = source.uniform(size=(60, 2))
    process = fit_gaussian_process(x, np.sin(6 * x[:, 0]), [slice(0, 1), slice(1, 2)])
    assert process.weights[0] > 4 * process.weights[1]
    assert process.noise < 0.05


def test_noise_is_found():
    source = np.random.default_rng(6)
    x = source.uniform(size=(80, 1))
    clean = fit_gaussian_process(x, np.sin(4 * x[:, 0]), [slice(0, 1)])
    noisy = fit_gaussian_process(x, np.sin(4 * x[:, 0]) + source.normal(size=80), [slice(0, 1)])
    assert noisy.noise > 10 * clean.noise


def test_expected_improvement_is_the_integral():
    mean, deviation, best = np.array([-1.0, 0.2, 2.0]), np.array([0.5, 1.0, 0.1]), 0.5
    grid = np.linspace(-12, 12, 200_001)
    for m, d, found in zip(mean, deviation, expected_improvement(mean, deviation, best), strict=True):
        assert found == pytest.approx(np.trapezoid(np.maximum(grid - best, 0) * norm.pdf(grid, m, d), grid), abs=1e-6)


def test_normal_scores_depend_on_the_order_alone():
    values = np.array([3.0, -7.0, 3.0, 1e9, 0.0])
    assert normal_scores(values) == pytest.approx(norm.ppf([0.6, 0.1, 0.6, 0.9, 0.3]), abs=1e-9)
    assert (normal_scores(np.zeros(4)) == 0).all()
