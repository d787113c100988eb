"""Hypervolume subset selection: every exact method against brute force, every promise and every bound on random fronts.

Small instances come from coarse grids as well, which makes ties, copies and equal coordinates common.
"""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import moocore
import numpy as np
import pytest

from samplers.subset.branch import branch_and_bound
from samplers.subset.coverage_bound import CoverageGrid, capped_simplex
from samplers.subset.dominance import SubsetError, non_dominated, pareto_ranks
from samplers.subset.evolution import Evolution, contributions, evolved
from samplers.subset.free_region import Floats, Front
from samplers.subset.greedy import greedy, marginal_bound, swapped
from samplers.subset.hypervolume import METHODS, HypervolumeSelector, Method
from samplers.subset.plane import best_in_the_plane

QUICK = Evolution(population=30, generations=15)


def cloud(seed: int, n: int, m: int) -> Floats:
    """Random points; every third time on a coarse grid."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (n, m)).astype(float) if seed % 3 == 0 else rng.random((n, m))


def front_of(seed: int, n: int, m: int) -> Front:
    """n mutually non-dominated points on a concave, convex or flat surface, from 0 to 1."""
    rng = np.random.default_rng(seed)
    points = np.abs(rng.normal(size=(n, m)))
    shape = seed % 3
    points /= np.linalg.norm(points, axis=1)[:, None] if shape else points.sum(axis=1)[:, None]
    points = 1 - points if shape == 2 else points
    points -= points.min(axis=0)
    return Front(points / points.max(axis=0), np.full(m, 1.1))


def hypervolume(points: Floats, reference: Floats) -> float:
    return float(moocore.hypervolume(points, ref=reference))


def best_of_all(front: Front, k: int) -> float:
    """Brute force."""
    sets = (list(chosen) for chosen in combinations(range(len(front)), k))
    return max(hypervolume(front.points[chosen], front.reference) for chosen in sets)


def brute_force(points: Floats, k: int) -> float:
    """The largest hypervolume of k rows, normalised by the definition: over the non-dominated points, up to 1.1."""
    first = [a for a in points if not any((b <= a).all() and (b < a).any() for b in points)]
    low, high = np.min(first, axis=0), np.max(first, axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1)
    sets = (list(chosen) for chosen in combinations(range(len(points)), k))
    return max(hypervolume(scaled[chosen], np.full(points.shape[1], 1.1)) for chosen in sets)


# -- the selector against brute force ----------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_optimal_methods_equal_brute_force(m: int) -> None:
    for seed in range(24):
        n = 3 + seed % 7
        points, k = cloud(seed, n, m), 1 + seed % min(4, n)
        best = brute_force(points, k)
        methods: list[Method] = ["auto", "branch_and_bound", *(["exact"] if m <= 2 else [])]
        for method in methods:
            found = HypervolumeSelector(k=k, method=method, starts=1).select(points, ["min"] * m)
            assert found.optimal
            assert len(set(found.chosen)) == k
            assert found.hypervolume == pytest.approx(best, abs=1e-12) == found.upper_bound
            assert found.gap == 0


@pytest.mark.parametrize("m", [3, 4, 5])
def test_branch_and_bound_beyond_enumeration(m: int) -> None:
    """Sets so many that the relaxation branches; brute force has 8,568 and 15,504 to go through."""
    for seed, (n, k) in enumerate([(18, 5), (20, 5)]):
        front = front_of(seed + 3 * m, n, m)
        best = best_of_all(front, k)
        found = branch_and_bound(front, k, list(range(k)))
        assert found.complete
        assert front.value(found.chosen) == pytest.approx(best, abs=1e-12)


def test_branching_by_the_relaxation_equals_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is enumerated, so that every step of the relaxed search is taken."""
    monkeypatch.setattr("samplers.subset.branch._FEW", 0)
    monkeypatch.setattr("samplers.subset.branch._FEW_PAIRS", 0)
    for seed in range(6):
        front = front_of(seed, 12, 2 + seed % 3)
        found = branch_and_bound(front, 4, [0, 1, 2, 3])
        assert found.complete
        assert front.value(found.chosen) == pytest.approx(best_of_all(front, 4), abs=1e-12)


def test_the_plane_equals_branch_and_bound_on_larger_fronts() -> None:
    for seed in range(6):
        front = front_of(seed, 60, 2)
        exact = front.value(best_in_the_plane(front, 4))
        assert front.value(branch_and_bound(front, 4, greedy(front, 4)).chosen) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_what_every_method_keeps(method: Method) -> None:
    """No point twice, the value is that of the points, it is below the bound, and it is the same the second time."""
    for m in (1, 2, 3, 5):
        if method == "exact" and m > 2:
            continue
        points = cloud(1, 25, m)
        selector = HypervolumeSelector(k=4, method=method, evolution=QUICK, starts=3)
        found = selector.select(points, ["min"] * m)
        assert found == selector.select(points, ["min"] * m)
        assert list(found.chosen) == sorted(set(found.chosen))
        low, high = np.array(found.best), np.array(found.worst)
        scaled = (points[list(found.chosen)] - low) / np.where(high > low, high - low, 1)
        assert found.hypervolume == pytest.approx(hypervolume(scaled, np.full(m, 1.1)), abs=1e-12)
        assert found.hypervolume <= found.upper_bound
        assert found.gap == pytest.approx(1 - found.hypervolume / found.upper_bound)
        assert found.method == ("all" if found.front <= 4 else method if method != "auto" else found.method)


# -- promises and bounds -----------------------------------------------------------------------------------------------


def test_greedy_local_and_evolution_keep_their_promises() -> None:
    reached = {"local": 0, "evolutionary": 0}
    for seed in range(24):
        front, k = front_of(seed, 12, 2 + seed % 4), 2 + seed % 3
        best = best_of_all(front, k)
        first = greedy(front, k)
        assert front.value(first) >= (1 - 1 / math.e) * best
        last = front.value(swapped(front, first))
        assert front.value(first) - 1e-12 <= last <= best + 1e-12
        fittest = front.value(evolved(front, k, Evolution(population=60, generations=30), seed))
        assert fittest <= best + 1e-12
        reached["local"] += last > best - 1e-12
        reached["evolutionary"] += fittest > best - 1e-12
    assert reached["evolutionary"] == 24
    assert reached["local"] >= 18


def test_lazy_greedy_is_plain_greedy() -> None:
    for seed in range(12):
        front = front_of(seed, 150, 2 + seed % 4)
        plain: list[int] = []
        for _ in range(6):
            values = [hypervolume(front.points[[*plain, i]], front.reference) for i in range(len(front))]
            plain.append(int(np.argmax(values)))
        lazy = greedy(front, 6)
        assert front.value(lazy) == pytest.approx(front.value(plain), abs=1e-12)
        assert lazy == plain


def test_greedy_goes_on_from_a_start() -> None:
    for seed in range(6):
        front = front_of(seed, 140, 3)
        first = greedy(front, 5)
        assert greedy(front, 5, first[:3]) == first
        others = greedy(front, 4, [7, 90])
        assert others[:2] == [7, 90]
        last = [hypervolume(front.points[[*others[:3], i]], front.reference) for i in range(len(front))]
        assert front.value(others) == pytest.approx(max(last), abs=1e-12)
        assert greedy(front, 2, [7, 90]) == [7, 90]


def test_lazy_greedy_is_lazy() -> None:
    """Of 8,000 gains it computes the first 2,000, and few of the others."""
    front = front_of(1, 2000, 4)
    greedy(front, 4)
    assert 2000 < front.evaluations < 5000


def test_no_swap_is_left() -> None:
    for seed in range(8):
        front = front_of(seed, 20, 2 + seed % 4)
        chosen = swapped(front, [0, 1, 2, 3])
        value = front.value(chosen)
        for place in range(4):
            for other in set(range(20)) - set(chosen):
                assert front.value([*chosen[:place], other, *chosen[place + 1 :]]) <= value + 1e-11


def test_upper_bounds_hold() -> None:
    for seed in range(16):
        front, k = front_of(seed, 13, 2 + seed % 4), 1 + seed % 4
        best = best_of_all(front, k)
        chosen = greedy(front, k)
        assert marginal_bound(front, k, chosen) >= best - 1e-12
        assert marginal_bound(front, k, []) >= best - 1e-12
        grid = CoverageGrid(front, np.array(chosen), 400)
        weights, every = np.zeros(13), np.arange(13)
        weights[chosen] = 1
        found = grid.relax(weights, None, np.zeros(0, np.int64), every, k, 60)
        assert found.bound(np.zeros(0, np.int64), every, k) >= best - 1e-12
        # Any multipliers give a bound, and so does every part of the search space.
        lam = np.random.default_rng(seed).random(grid.shape)
        with_first = max(
            hypervolume(front.points[[0, *others]], front.reference) for others in combinations(range(1, 13), k - 1)
        )
        loose = grid.relaxation(lam, weights)
        assert loose.bound(np.array([0]), every[1:], k - 1) >= with_first - 1e-12


def test_the_relaxation_is_within_a_few_per_cent() -> None:
    """What the selector reports without a proof; the best values are proven by branch and bound."""
    for seed, m in ((1, 3), (2, 3), (4, 4)):
        front = front_of(seed, 60, m)
        selector = HypervolumeSelector(k=4, method="local", starts=5)
        found = selector.select(front.points, ["min"] * m)
        proven = replace(selector, method="branch_and_bound").select(front.points, ["min"] * m)
        assert proven.optimal
        assert found.hypervolume <= proven.hypervolume + 1e-12
        assert proven.hypervolume <= found.upper_bound <= 1.06 * proven.hypervolume


def test_an_interrupted_search_has_a_bound() -> None:
    front = front_of(3, 70, 4)
    best = HypervolumeSelector(k=3, method="branch_and_bound").select(front.points, ["min"] * 4)
    assert best.optimal
    for most in (0, 20_000):
        short = HypervolumeSelector(k=5, method="branch_and_bound", starts=1, evaluations=most)
        found = short.select(front.points, ["min"] * 4)
        assert not found.optimal
        assert found.hypervolume < found.upper_bound < math.inf
        assert 0 < found.gap < 0.3
    assert HypervolumeSelector(k=5, starts=1, time_limit=0).select(front.points, ["min"] * 4).gap > 0


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_gains_and_volumes_are_those_of_moocore() -> None:
    for seed in range(10):
        front = front_of(seed, 30, 2 + seed % 5)
        chosen = [3, 1, 7, 12]
        region = front.free(chosen)
        value = hypervolume(front.points[chosen], front.reference)
        assert front.reference.prod() - region.volume == pytest.approx(value, abs=1e-12)
        sets = [[*chosen, i] for i in range(30)]
        expected = [hypervolume(front.points[one], front.reference) - value for one in sets]
        np.testing.assert_allclose(front.gains(region), expected, atol=1e-12)


@pytest.mark.parametrize("points", [1, 2, 7, 13])
def test_contributions_of_genes(points: int) -> None:
    front = front_of(5, 30, 3)
    sets = np.array([np.random.default_rng(i).choice(30, points, replace=False) for i in range(9)])
    for row, losses in zip(sets, contributions(front, sets), strict=True):
        whole = front.value(row.tolist())
        np.testing.assert_allclose(
            losses, [whole - front.value(np.delete(row, i).tolist()) for i in range(points)], atol=1e-12
        )


def test_the_grid_measures_multipliers_and_coverage_exactly() -> None:
    """Against sums over cells, cell by cell; and the two maps are adjoint."""
    front = front_of(1, 15, 3)
    grid = CoverageGrid(front, np.array([2, 5]), 120)
    rng = np.random.default_rng(0)
    lam, weights = rng.random(grid.shape), rng.random(15)
    assert grid.shares(np.ones(grid.shape)) == pytest.approx((front.reference - front.points).prod(axis=1))
    left = float((grid.shares(lam) * weights).sum())
    assert left == pytest.approx(float((grid.sizes * lam * grid.covered(weights)).sum()))
    drawn = rng.random((40_000, 3)) * front.reference
    inside = (front.points[:, None] <= drawn).all(axis=2).mean(axis=1) * front.reference.prod()
    assert grid.shares(np.ones(grid.shape)) == pytest.approx(inside, abs=0.03)


def test_capped_simplex_is_the_nearest_point() -> None:
    rng = np.random.default_rng(0)
    for total in (1, 2, 3.5, 6):
        values = rng.normal(size=6) * 2
        found = capped_simplex(values, total)
        assert found.sum() == pytest.approx(total)
        assert found.min() >= 0
        assert found.max() <= 1
        for _ in range(50):
            other = rng.dirichlet(np.ones(6)) * total
            if other.max() <= 1:
                assert ((found - values) ** 2).sum() <= ((other - values) ** 2).sum() + 1e-12


def test_dominance_against_its_definition() -> None:
    for seed in range(20):
        m = 1 + seed % 4
        points = np.random.default_rng(seed).integers(0, 4, (15, m)) * 1.0
        senses = [("min", "max")[(seed + j) % 2] for j in range(m)]
        low = points * [-1 if sense == "max" else 1 for sense in senses]
        beaten = np.array([[(b <= a).all() and (b < a).any() for b in low] for a in low])
        assert non_dominated(points, senses).tolist() == (~beaten.any(axis=1)).tolist()
        once = non_dominated(points, senses, keep_copies=False)
        assert once.sum() == len(np.unique(low[~beaten.any(axis=1)], axis=0))
        ranks, left = np.full(15, -1), np.arange(15)
        for rank in range(15):
            on_top = [i for i in left if not beaten[i, left].any()]
            ranks[on_top] = rank
            left = np.setdiff1d(left, on_top)
        assert pareto_ranks(points, senses).tolist() == ranks.tolist()
    assert pareto_ranks(np.zeros((0, 2)), ["min", "min"]).tolist() == []
    assert non_dominated(np.zeros((0, 2)), ["min", "min"]).tolist() == []


# -- scale, order, copies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["exact", "auto", "greedy", "local", "evolutionary"])
def test_units_and_directions_do_not_matter(method: Method) -> None:
    m = 2 if method == "exact" else 3
    points = front_of(4, 40, m).points
    selector = HypervolumeSelector(k=4, method=method, evolution=QUICK, starts=3)
    plain = selector.select(points, ["min"] * m)
    scale, shift = np.array([1e9, -3.0, 2e-7])[:m], np.array([5.0, 1e3, 0.0])[:m]
    other = selector.select(points * scale + shift, ["min", "max", "min"][:m])
    assert other.chosen == plain.chosen
    assert other.hypervolume == pytest.approx(plain.hypervolume)
    assert other.best == pytest.approx(plain.best * scale + shift)
    assert other.worst == pytest.approx(plain.worst * scale + shift)


def test_dominated_points_and_copies_change_nothing() -> None:
    points = front_of(2, 20, 3).points
    selector = HypervolumeSelector(k=4)
    plain = selector.select(points, ["min"] * 3)
    more = np.concatenate([points, points[:5], points + np.array([0.5, 7.0, 0.0])])
    found = selector.select(more, ["min"] * 3)
    assert (found.chosen, found.hypervolume, found.front) == (plain.chosen, plain.hypervolume, 20)


def test_a_short_front_is_filled_by_rank_and_copies_come_last() -> None:
    points = [[3, 3], [1, 2], [2, 1], [1, 2], [4, 4], [2, 2.5], [3, 3]]
    chosen = {k: HypervolumeSelector(k=k).select(points, ["min", "min"]) for k in range(2, 8)}
    assert chosen[2].chosen == (1, 2)
    assert chosen[3].chosen == (1, 2, 5)  # of rank 1
    assert chosen[4].chosen == (0, 1, 2, 5)
    assert chosen[5].chosen == (0, 1, 2, 4, 5)
    assert chosen[6].chosen == (0, 1, 2, 3, 4, 5)
    assert chosen[7].chosen == tuple(range(7))
    assert {one.hypervolume for one in chosen.values()} == {chosen[2].hypervolume}
    assert all((one.method, one.optimal, one.front) == ("all", True, 2) for one in chosen.values())


def test_one_objective_takes_the_best() -> None:
    found = HypervolumeSelector(k=3).select([[5.0], [1.0], [9.0], [1.0], [7.0]], ["max"])
    assert found.chosen == (0, 2, 4)
    assert (found.best, found.worst, found.hypervolume) == ((9.0,), (9.0,), 1.1)


def test_a_constant_objective_and_huge_values() -> None:
    points = np.array([[0, 1.5e308, 4], [1, -1.5e308, 4], [0.4, 0, 4], [0.5, 0, 4]])
    found = HypervolumeSelector(k=2).select(points, ["min", "min", "max"])
    assert found.chosen == (1, 2)
    assert found.hypervolume == pytest.approx(1.1 * (0.7 * 0.6 + 0.1 * 0.5))


def test_points_beyond_the_reference_count_as_dominated() -> None:
    points = [[0.0, 1.0], [0.5, 0.5], [0.6, 0.45], [1.0, 0.0]]
    found = HypervolumeSelector(k=2, reference=1.0).select(points, ["min", "min"])
    assert (found.chosen, found.front, found.method) == ((1, 2), 2, "all")
    assert HypervolumeSelector(k=2, reference=[2.0, 1.1]).select(points, ["min", "min"]).reference == (2.0, 1.1)
    assert HypervolumeSelector(k=3, reference=1.0).select(points, ["min", "min"]).chosen == (0, 1, 2)


def test_the_reference_decides_about_the_ends() -> None:
    """With a distant reference the extreme points are worth most (and 1.1 takes the middle)."""
    points = [[0.0, 1.0], [0.45, 0.5], [1.0, 0.0]]
    assert 1 in HypervolumeSelector(k=1).select(points, ["min", "min"]).chosen
    assert HypervolumeSelector(k=2, reference=5.0).select(points, ["min", "min"]).chosen == (0, 2)


def test_auto_says_what_it_took() -> None:
    assert HypervolumeSelector().select(front_of(1, 30, 2).points, ["min"] * 2).method == "exact"
    small = HypervolumeSelector().select(front_of(1, 30, 3).points, ["min"] * 3)
    assert (small.method, small.optimal) == ("branch_and_bound", True)
    large = HypervolumeSelector(starts=2).select(front_of(1, 400, 4).points, ["min"] * 4)
    assert (large.method, large.optimal) == ("local", False)
    assert 0 < large.gap < 0.1


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "values", "senses", "message"),
    [
        ({"k": 3}, [[1, 2], [2, 1]], ["min", "min"], "`k` cannot be 3 [bad-k]\n  there are 2 points"),
        ({"k": 0}, [[1, 2]], ["min", "min"], "`k` cannot be 0 [bad-k]\n  give at least 1"),
        ({"k": 1}, np.zeros((0, 2)), ["min", "min"], "`k` cannot be 1 [bad-k]\n  there are 0 points"),
        ({"k": 1}, [[1, math.nan]], ["min", "min"], "point 0 has the value nan in objective 1 [not-finite]"),
        ({"k": 1}, [[1, 2], [math.inf, 1]], ["min", "max"], "point 1 has the value inf in objective 0"),
        ({"k": 1}, [[1, 2]], ["min"], "`values` has the shape [1, 2], and there are 1 objectives [bad-values]"),
        ({"k": 1}, [1, 2], ["min"], "`values` has the shape [2]"),
        ({"k": 1}, [[1]], ["lower"], "an objective cannot be `lower` [bad-sense]\n  known: max, min"),
        ({"k": 1}, [[]], [], "there cannot be 0 objectives"),
        ({"k": 1, "method": "gredy"}, [[1]], ["min"], "no `method` `gredy` [unknown-method]\n  did you mean `greedy`?"),
        ({"k": 1, "method": "exact"}, [[1, 2, 3]], ["min"] * 3, "`exact` is for two objectives, and there are 3"),
        ({"k": 1, "reference": 0}, [[1]], ["min"], "the `reference` 0 cannot be [bad-reference]"),
        ({"k": 1, "reference": [1, 2, 3]}, [[1, 2]], ["min"] * 2, "the `reference` [1, 2, 3] cannot be"),
        ({"k": 1, "reference": math.nan}, [[1]], ["min"], "the `reference` nan cannot be"),
        ({"k": 1, "starts": 0}, [[1]], ["min"], "`starts` and `population` are 1 or more"),
        ({"k": 1, "evolution": Evolution(mutation=2)}, [[1]], ["min"], "`mutation` from 0 to 1 [bad-effort]"),
        ({"k": 1, "time_limit": -1}, [[1]], ["min"], "`evaluations` and `time_limit` cannot be negative"),
    ],
)
def test_messages(parameters: dict[str, object], values: object, senses: list[str], message: str) -> None:
    with pytest.raises(SubsetError) as error:
        HypervolumeSelector(**parameters).select(values, senses)  # type: ignore[arg-type]
    assert message in str(error.value)


def test_too_many_points_for_a_proof() -> None:
    points = front_of(1, 3000, 12).points
    with pytest.raises(SubsetError, match="too many for `branch_and_bound`"):
        HypervolumeSelector(k=2, method="branch_and_bound").select(points, ["min"] * 12)


def test_moocore_is_imported_when_needed() -> None:
    command = "import samplers.subset.hypervolume, sys; print({'moocore', 'scipy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
