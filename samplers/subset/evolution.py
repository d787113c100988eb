"""The evolutionary algorithm of PrototypeNAS (Sec. 3.2) for the subset of largest hypervolume, for comparison.

A gene has a bit for each point of the front, of which k are set; its fitness is the hypervolume. Crossover and mutation
make genes with more or fewer bits, which are repaired: random bits are set where some lack, and where there are too
many, those k stay whose removal, each by itself, would cost most. The paper gives the population (2,000), the mutation
rate (0.3), the generations (10,000) and the repair. It does not say how parents are chosen, crossed and replaced; here
the winners of binary tournaments are crossed uniformly, a mutation flips one bit of a child, and the best different
genes of parents and children are the next generation.

A gene is stored as the list of its bits that are set, and all genes of a generation are handled at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from samplers.subset.free_region import Floats, Front, Indices

__all__ = ["Evolution", "contributions", "evolved"]

#: With more points in a set, its 2^points intersections are more work than moocore.
_MOST_INTERSECTED = 11
#: Intersections in a block.
_BLOCK = 1 << 17


@dataclass(frozen=True)
class Evolution:
    """The parameters of the evolution, by default those of the paper.

    Args:
        population: genes in a generation.
        mutation: the share of children that are mutated.
        generations: how many.
    """

    population: int = 2000
    mutation: float = 0.3
    generations: int = 10_000


def evolved(front: Front, k: int, how: Evolution, seed: int, time_limit: float | None = None) -> list[int]:
    """The fittest gene.

    Args:
        front: the points.
        k: how many of them, at most as many as there are.
        how: the parameters.
        seed: of all draws.
        time_limit: seconds after which no generation is begun; the outcome then depends on the machine.

    Returns:
        Indices, ascending.

    Example:
        >>> front = Front(np.array([[0, 0.9], [0.4, 0.4], [0.9, 0]]), np.ones(2))
        >>> evolved(front, 1, Evolution(population=4, generations=3), seed=0)
        [1]
    """
    end = np.inf if time_limit is None else time.monotonic() + time_limit
    rng = np.random.default_rng(seed)
    bits = rng.binomial(len(front), k / len(front), how.population)
    genes = np.full((how.population, int(bits.max())), len(front))
    for row, count in enumerate(bits):
        genes[row, :count] = rng.choice(len(front), count, replace=False)
    genes, fitness = _fittest(front, _repaired(front, genes, k, rng), how.population)
    for _ in range(how.generations):
        if time.monotonic() >= end:
            break
        children = _repaired(front, _children(genes, fitness, len(front), how, rng), k, rng)
        genes, fitness = _fittest(front, np.concatenate([genes, children]), how.population, fitness)
    return genes[fitness.argmax()].tolist()


def _children(genes: Indices, fitness: Floats, n: int, how: Evolution, rng: np.random.Generator) -> Indices:
    """As many genes as a population has; n stands for no bit."""
    rivals = rng.integers(len(genes), size=(2, how.population, 2))
    parents = np.where(fitness[rivals[..., 0]] >= fitness[rivals[..., 1]], rivals[..., 0], rivals[..., 1])
    both = np.sort(np.concatenate([genes[parents[0]], genes[parents[1]]], axis=1), axis=1)
    # A bit of both parents stands twice, side by side: the first one stays, and so does half of all other bits.
    twin = np.zeros(both.shape, bool)
    twin[:, 1:] = both[:, 1:] == both[:, :-1]
    shared = np.zeros(both.shape, bool)
    shared[:, :-1] = twin[:, 1:]
    kept = shared | ((rng.random(both.shape) < 0.5) & ~twin)
    flips = rng.integers(n, size=(how.population, 1))
    flips[rng.random(how.population) >= how.mutation] = n
    children = np.where(kept, both, n)
    cleared = (children == flips) & (flips < n)
    flips[cleared.any(axis=1)] = n
    return np.concatenate([np.where(cleared, n, children), flips], axis=1)


def _repaired(front: Front, genes: Indices, k: int, rng: np.random.Generator) -> Indices:
    """The genes with exactly k bits each, ascending."""
    n = len(front)
    genes = np.sort(genes, axis=1)
    counts = (genes < n).sum(axis=1)
    fixed = np.full((len(genes), k), n)
    few = counts <= k
    width = min(k, genes.shape[1])
    fixed[few, :width] = genes[few, :width]
    _fill(fixed, n, rng)
    for count in np.unique(counts[~few]):
        rows = np.flatnonzero(counts == count)
        losses = contributions(front, genes[rows, :count])
        dear = np.argsort(-losses, axis=1, kind="stable")[:, :k]
        fixed[rows] = np.take_along_axis(genes[rows, :count], dear, axis=1)
    return np.sort(fixed, axis=1)


def _fill(genes: Indices, n: int, rng: np.random.Generator) -> None:
    """Set random bits where some lack."""
    while len(lacking := np.flatnonzero((genes == n).any(axis=1))):
        places = (genes[lacking] == n).argmax(axis=1)
        drawn = rng.integers(n, size=len(lacking))
        new = ~(genes[lacking] == drawn[:, None]).any(axis=1)
        genes[lacking[new], places[new]] = drawn[new]


def _fittest(front: Front, genes: Indices, most: int, known: Floats | None = None) -> tuple[Indices, Floats]:
    """The fittest different genes, and their fitness; that of the first genes may be known."""
    there = 0 if known is None else len(known)
    fitness = np.concatenate([known if known is not None else [], _volumes(front, genes[there:])])
    first = np.sort(np.unique(genes, axis=0, return_index=True)[1])
    best = first[np.argsort(-fitness[first], kind="stable")[:most]]
    return genes[best], fitness[best]


def _volumes(front: Front, sets: Indices) -> Floats:
    """The hypervolume of each set; int64 [sets, points]."""
    if sets.shape[1] > _MOST_INTERSECTED:
        return np.array([front.value(chosen) for chosen in sets.tolist()])
    front.evaluations += len(sets)
    return np.concatenate([-part.sum(axis=1) for part in _blocks(front, sets)])


def contributions(front: Front, sets: Indices) -> Floats:
    """What the hypervolume of each set would lose without each of its points.

    Args:
        front: the points.
        sets: int64 [sets, points], different points in each row.

    Returns:
        [sets, points].
    """
    points = sets.shape[1]
    front.evaluations += sets.size
    if points > _MOST_INTERSECTED:
        import moocore

        return np.array([moocore.hv_contributions(front.points[row], ref=front.reference) for row in sets])
    # Without a point, the intersections that it takes part in are gone.
    takes_part = (np.arange(1 << points)[:, None] >> np.arange(points)) & 1
    return np.concatenate([-part @ takes_part for part in _blocks(front, sets)])


def _blocks(front: Front, sets: Indices) -> list[Floats]:
    """For blocks of sets, the signed volumes of all intersections of their points' boxes; [sets, 2^points]."""
    step = max(1, _BLOCK >> sets.shape[1])
    return [_intersections(front, sets[start : start + step]) for start in range(0, len(sets), step)]


def _intersections(front: Front, sets: Indices) -> Floats:
    """The terms of inclusion and exclusion: at place b the points of the bits of b, the sign minus for odd numbers."""
    corners = np.zeros((len(sets), 1, front.objectives))
    signs = np.ones(1)
    for column in sets.T:
        corners = np.concatenate([corners, np.maximum(corners, front.points[column, None])], axis=1)
        signs = np.concatenate([signs, -signs])
    terms = (front.reference - corners).prod(axis=2) * signs
    terms[:, 0] = 0  # no point at all
    return terms
