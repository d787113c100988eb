"""A Gaussian process on few points: a Matern kernel over groups of features, fitted by penalised marginal likelihood.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), Algorithm 2.1 and Eq. 5.8. With tens of points
the likelihood alone is nearly flat or degenerate, so length-scales and noise have log-normal priors. They are searched
on a grid, one after another: the result is the same on every machine up to near ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianProcess", "fit_gaussian_process"]

Columns = NDArray[np.float64]

#: Logarithms that are tried, and mean and standard deviation of their priors: weights of groups, relative to a mean
#: squared distance of 1 between members; variance of the noise, relative to that of the process.
_WEIGHTS, _WEIGHT_PRIOR = np.arange(-4.5, 3.1, 0.75), (0.0, 1.5)
_NOISES, _NOISE_PRIOR = np.arange(-6.5, 1.1, 0.75), (-2.5, 1.2)
_SWEEPS = 2
#: A share of the variance that nothing explains, so that no deviation is 0.
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A fitted process.

    k(a, b) = variance * matern_5/2(r), r^2 = sum over groups of weight * |a_group - b_group|^2.

    Args:
        x: [n, columns] the points.
        y: [n] their values.
        groups: the columns of each group.
        weights: per group, the inverse of the squared length-scale.
        noise: variance of the noise, relative to that of the process.
        mean: of the process.
        variance: of the process.
        inverse: [n, n] of the correlation matrix with noise.
    """

    x: Columns
    y: Columns
    groups: tuple[slice, ...]
    weights: tuple[float, ...]
    noise: float
    mean: float
    variance: float
    inverse: Columns

    def predict(self, x: Columns) -> tuple[Columns, Columns]:
        """Mean and standard deviation of the process at some points, the noise of measuring there left out.

        Args:
            x: [m, columns].

        Returns:
            [m] and [m].

        Example:
            >>> x = np.linspace(0, 3, 7)[:, None]
            >>> process = fit_gaussian_process(x, np.sin(2 * x[:, 0]), [slice(0, 1)])
            >>> mean, deviation = process.predict(np.array([[1.25], [9.0]]))
            >>> bool(abs(mean[0] - np.sin(2.5)) < 0.2), bool(deviation[0] < deviation[1])
            (True, True)
        """
        near = _matern([w * _squared(x, self.x, g) for w, g in zip(self.weights, self.groups, strict=True)])
        explained = np.einsum("ij,ij->i", near @ self.inverse, near)
        mean = self.mean + near @ (self.inverse @ (self.y - self.mean))
        return mean, np.sqrt(self.variance * np.maximum(1 - explained, _LEAST))

    def believing(self, x: Columns) -> GaussianProcess:
        """The process told of what it predicts at some points, as a stand-in for values that are still to come.

        Its means stay; its deviations fall around these points (the "kriging believer" of Ginsbourger et al., 2010).

        Args:
            x: [m, columns].
        """
        if not len(x):
            return self
        joint = np.concatenate([self.x, x])
        y = np.concatenate([self.y, self.predict(x)[0]])
        squared = [_squared(joint, joint, g) for g in self.groups]
        inverse = _inverse(_correlations(squared, self.weights, self.noise))
        return replace(self, x=joint, y=y, inverse=inverse)


def fit_gaussian_process(x: Columns, y: Columns, groups: Sequence[slice]) -> GaussianProcess:
    """The process with the weights and noise of greatest posterior density; mean and variance in closed form.

    Args:
        x: [n, columns], n from 2 up.
        y: [n].
        groups: the columns of each group.
    """
    squared = [_squared(x, x, g) for g in groups]
    axes = [*([_WEIGHTS] * len(groups)), _NOISES]
    # From the means of the priors; one parameter after another takes its best value.
    at = [int(np.argmin(abs(_WEIGHTS - _WEIGHT_PRIOR[0])))] * len(groups)
    at.append(int(np.argmin(abs(_NOISES - _NOISE_PRIOR[0]))))
    known: dict[tuple[int, ...], float] = {}

    def loss(place: tuple[int, ...]) -> float:
        if place not in known:
            known[place] = _loss(squared, y, np.array([axis[k] for axis, k in zip(axes, place, strict=True)]))
        return known[place]

    for _ in range(_SWEEPS):
        for p in range(len(axes)):
            at[p] = min(range(len(axes[p])), key=lambda k, p=p: loss((*at[:p], k, *at[p + 1 :])))
    *weights, noise = (float(np.exp(axis[k])) for axis, k in zip(axes, at, strict=True))
    inverse = _inverse(_correlations(squared, weights, noise))
    mean, variance = _closed_form(inverse, y)
    return GaussianProcess(x, y, tuple(groups), tuple(weights), noise, mean=mean, variance=variance, inverse=inverse)


def _loss(squared: Sequence[Columns], y: Columns, logs: Columns) -> float:
    """The negative logarithm of the posterior density, up to a constant."""
    correlations = _correlations(squared, np.exp(logs[:-1]).tolist(), float(np.exp(logs[-1])))
    _, determinant = np.linalg.slogdet(correlations)
    _, variance = _closed_form(_inverse(correlations), y)
    centre = np.array([*([_WEIGHT_PRIOR[0]] * len(squared)), _NOISE_PRIOR[0]])
    spread = np.array([*([_WEIGHT_PRIOR[1]] * len(squared)), _NOISE_PRIOR[1]])
    return 0.5 * (len(y) * np.log(variance) + determinant + float((((logs - centre) / spread) ** 2).sum()))


def _closed_form(inverse: Columns, y: Columns) -> tuple[float, float]:
    """The best mean and variance for given correlations, drawn a little towards 0 and 1."""
    rows = inverse.sum(axis=1)
    mean = float(rows @ y / (rows.sum() + 0.1))
    variance = float(((y - mean) @ inverse @ (y - mean) + 0.2) / (len(y) + 0.2))
    return mean, variance


def _inverse(matrix: Columns) -> Columns:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _correlations(squared: Sequence[Columns], weights: Sequence[float], noise: float) -> Columns:
    return _matern([w * d for w, d in zip(weights, squared, strict=True)]) + noise * np.eye(len(squared[0]))


def _squared(a: Columns, b: Columns, group: slice) -> Columns:
    """Squared distances within one group of columns, [len(a), len(b)]."""
    a, b = a[:, group], b[:, group]
    return np.maximum((a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T, 0)


def _matern(parts: Sequence[Columns]) -> Columns:
    """Matern 5/2 of the root of a sum of squares."""
    scaled = np.sqrt(5 * sum(parts))
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
