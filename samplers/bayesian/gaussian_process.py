"""A Gaussian process on few points: a Matern and a linear kernel, fitted by penalised marginal likelihood.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), Algorithm 2.1 and Eq. 5.8. With tens of points
the likelihood alone is nearly flat or degenerate, so length-scales, noise and the linear part have log-normal priors.
They are searched on a grid, one after another: the result is the same on every machine up to near ties. The linear part
carries a trend on beyond the points; without it every far corner is as uncertain as any other, and is asked. Several
values at one point tell the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianProcess", "fit_gaussian_process"]

Columns = NDArray[np.float64]

#: Logarithms that are tried, and mean and standard deviation of their priors: weights of groups, relative to a mean
#: squared distance of 1 between members; variance of the linear part of a member, and of the noise, relative to that of
#: the Matern part.
_WEIGHTS, _WEIGHT_PRIOR = np.arange(-4.5, 3.1, 0.75), (0.0, 1.5)
_LINEARS, _LINEAR_PRIOR = np.arange(-4.5, 3.1, 0.75), (0.0, 1.5)
_NOISES, _NOISE_PRIOR = np.arange(-6.5, 1.1, 0.75), (-2.5, 1.2)
_SWEEPS = 2
#: A share of the variance that nothing explains, so that no deviation is 0.
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A fitted process.

    k(a, b) = variance * (matern_5/2(r) + linear * a.b * 2 / groups), r^2 = sum of weight * |a_group - b_group|^2 over
    groups, whose columns have mean 0 and a mean squared distance of 1: a.a * 2 / groups is 1 in the mean.

    Args:
        x: [n, columns] the points.
        y: [n] their values.
        groups: the columns of each group.
        weights: per group, the inverse of the squared length-scale.
        linear: variance of the linear part, relative to that of the other.
        noise: variance of the noise, relative to the same.
        mean: of the process.
        variance: of the Matern part.
        inverse: [n, n] of the correlation matrix with noise.
    """

    x: Columns
    y: Columns
    groups: tuple[slice, ...]
    weights: tuple[float, ...]
    linear: float
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
        # One distance of weighted columns is the sum over groups.
        scale = np.ones(x.shape[1])
        for weight, group in zip(self.weights, self.groups, strict=True):
            scale[group] = np.sqrt(weight)
        near = _matern(_squared(x * scale, self.x * scale))
        near += self.linear * _products(x, self.x, self.groups)
        alone = 1 + self.linear * _products(x, None, self.groups)
        explained = np.einsum("ij,ij->i", near @ self.inverse, near)
        mean = self.mean + near @ (self.inverse @ (self.y - self.mean))
        return mean, np.sqrt(self.variance * np.maximum(alone - explained, _LEAST))

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
        parts = _Parts.of(joint, self.groups)
        inverse = _inverse(parts.correlations(self.weights, self.linear, self.noise))
        return replace(self, x=joint, y=y, inverse=inverse)


def fit_gaussian_process(x: Columns, y: Columns, groups: Sequence[slice]) -> GaussianProcess:
    """The process with the weights and noise of greatest posterior density; mean and variance in closed form.

    Args:
        x: [n, columns], n from 2 up.
        y: [n].
        groups: the columns of each group.
    """
    parts = _Parts.of(x, groups)
    axes = [*([_WEIGHTS] * len(groups)), _LINEARS, _NOISES]
    priors = np.array([*([_WEIGHT_PRIOR] * len(groups)), _LINEAR_PRIOR, _NOISE_PRIOR])
    # From the means of the priors; one parameter after another takes its best value.
    at = [int(np.argmin(abs(axis - prior[0]))) for axis, prior in zip(axes, priors, strict=True)]
    known: dict[tuple[int, ...], float] = {}

    def loss(place: tuple[int, ...]) -> float:
        if place not in known:
            logs = np.array([axis[k] for axis, k in zip(axes, place, strict=True)])
            known[place] = _loss(parts, y, logs) + 0.5 * float((((logs - priors[:, 0]) / priors[:, 1]) ** 2).sum())
        return known[place]

    for _ in range(_SWEEPS):
        for p in range(len(axes)):
            at[p] = min(range(len(axes[p])), key=lambda k, p=p: loss((*at[:p], k, *at[p + 1 :])))
    *weights, linear, noise = (float(np.exp(axis[k])) for axis, k in zip(axes, at, strict=True))
    inverse = _inverse(parts.correlations(weights, linear, noise))
    mean, variance = _closed_form(inverse @ np.column_stack([np.ones(len(y)), y]), y)
    return GaussianProcess(
        x, y, tuple(groups), weights=tuple(weights), linear=linear, noise=noise, mean=mean, variance=variance,
        inverse=inverse,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Parts:
    """What the correlations of some points are made of: squared distances by group, and products."""

    squared: list[Columns]
    products: Columns

    @classmethod
    def of(cls, x: Columns, groups: Sequence[slice]) -> _Parts:
        return cls([_squared(x[:, g], x[:, g]) for g in groups], _products(x, x, groups))

    def correlations(self, weights: Sequence[float], linear: float, noise: float) -> Columns:
        result = _matern(sum((w * d for w, d in zip(weights, self.squared, strict=True)), np.zeros_like(self.products)))
        result += linear * self.products
        result.flat[:: len(result) + 1] += noise
        return result


def _loss(parts: _Parts, y: Columns, logs: Columns) -> float:
    """The negative logarithm of the likelihood, up to a constant."""
    *weights, linear, noise = np.exp(logs).tolist()
    from scipy.linalg import cho_solve

    lower = np.linalg.cholesky(parts.correlations(weights, linear, noise))
    both = np.column_stack([np.ones(len(y)), y])
    _, variance = _closed_form(cho_solve((lower, True), both, overwrite_b=True, check_finite=False), y)
    return 0.5 * len(y) * float(np.log(variance)) + float(np.log(lower.diagonal()).sum())


def _closed_form(solved: Columns, y: Columns) -> tuple[float, float]:
    """The best mean and variance, drawn a little towards 0 and 1; [n, 2]: the inverse times ones, and times y."""
    ones, values = solved.T
    mean = float(ones @ y / (ones.sum() + 0.1))
    variance = float(((y - mean) @ (values - mean * ones) + 0.2) / (len(y) + 0.2))
    return mean, variance


def _inverse(matrix: Columns) -> Columns:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _squared(a: Columns, b: Columns) -> Columns:
    """Squared distances, [len(a), len(b)]."""
    result = a @ (-2 * b.T)
    result += (a * a).sum(axis=1)[:, None]
    result += (b * b).sum(axis=1)
    return np.maximum(result, 0, out=result)


def _products(a: Columns, b: Columns | None, groups: Sequence[slice]) -> Columns:
    """Products of points, [len(a), len(b)], or of each with itself, [len(a)]; relative to their mean among members."""
    share = 2 / max(len(groups), 1)
    return share * ((a * a).sum(axis=1) if b is None else a @ b.T)


def _matern(squared: Columns) -> Columns:
    """Matern 5/2 of the root of squares."""
    scaled = np.sqrt(5 * squared)
    result = scaled * scaled
    result /= 3
    result += scaled
    result += 1
    result *= np.exp(np.negative(scaled, out=scaled), out=scaled)
    return result
