"""Fit a latency profile to measured networks or operators, and say by cross-validation how wrong it is on others.

The model is additive with terms that are never negative. It minimises the mean of |predicted / measured - 1| (least
absolute deviations, a linear program): relative, since a millisecond is much for a small network and nothing for a
large one; absolute and not squared, so that the few rows measured on a board that ran slow do not bend it. Rows far
off are then left out and the rest fitted once more. Energies, where they were measured, are fitted likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np

from nascompile.latency.data import Feature, Measurements
from spaces.costs.energy import Energy
from spaces.costs.latency import LatencyProfile
from spaces.costs.prices import LatencyError, StatedError, Terms
from spaces.errors import Span

__all__ = ["Errors", "Fit", "Outlier", "fit_profile"]

#: Rows per fitted number: fewer, and cross-validation tells little.
_ROWS_PER_TERM = 3
_LEAST_ROWS = 10
_FOLDS = 10
#: A feature is left out if so little of it (relative) is not explained by those before it.
_DEPENDENT = 1e-6
_DIGITS = 6


@dataclass(frozen=True)
class Errors:
    """How wrong a model is on rows that it was not fitted to.

    Args:
        median: of |predicted / measured - 1|, in percent.
        p90: its 90th percentile.
        largest: its maximum.
        spearman: rank correlation.
        kendall: rank correlation (tau-b).
    """

    median: float
    p90: float
    largest: float
    spearman: float
    kendall: float


@dataclass(frozen=True)
class Outlier:
    """A row that the model, fitted with all rows, is far from.

    Args:
        line: of the file.
        label: the network.
        measured: in the unit of the measurements.
        predicted: likewise.
    """

    line: int
    label: str
    measured: float
    predicted: float

    @property
    def percent(self) -> float:
        """100 * (predicted / measured - 1)."""
        return 100 * (self.predicted / self.measured - 1)


@dataclass(frozen=True)
class Fit:
    """A fitted profile and what is known about it.

    Args:
        profile: the profile, its cross-validated error stated inside.
        errors: of the profile, cross-validated.
        baseline: of MACs alone (one term and a constant), on the same folds; None if the file has no MACs.
        rows: number of measured networks or operators.
        groups: in so many groups, of networks or operators that are the same or alike.
        folds: of the cross-validation.
        used: features with a term of their own.
        constant: features that are the same in every row, and not 0; their time is part of the constant per network.
        dependent: features that the ones before them determine; their time is part of those.
        outliers: rows that the profile is far from.
        energy: errors of its energies, cross-validated; None where the file has none.
        power: errors of the latencies times one power, on the same folds.
    """

    profile: LatencyProfile
    errors: Errors
    baseline: Errors | None
    rows: int
    groups: int
    folds: int
    used: tuple[Feature, ...]
    constant: tuple[Feature, ...]
    dependent: tuple[Feature, ...]
    outliers: tuple[Outlier, ...]
    energy: Errors | None = None
    power: Errors | None = None


def fit_profile(
    data: Measurements,
    name: str,
    *,
    dtype: str = "int8",
    core: str = "",
    clock_hz: int = 0,
    source: str = "",
    seed: int = 0,
) -> Fit:
    """Fit a profile to measured networks, or to measured operators: then without a constant per network.

    Args:
        data: the measurements.
        name: of the profile.
        dtype: data type that the networks ran with, where the measurements do not tell.
        core: of the processor.
        clock_hz: its clock, in hertz.
        source: where the measurements come from.
        seed: of the assignment of groups to folds.

    Raises:
        LatencyError: too few rows, nothing in the features varies, or scipy is not installed.

    Example:
        >>> macs = np.arange(1.0, 41.0)
        >>> data = Measurements("a.csv", tuple(range(2, 42)), ("",) * 40, 7 * macs + 100, {Feature("", "mac"): macs},
        ...                     np.arange(40))
        >>> fit = fit_profile(data, "mine")
        >>> fit.profile.op_ns("conv", macs=3, outputs=1), fit.profile.network_ns, fit.errors.median
        (21, 100, 0.0)
    """
    _check_scipy()
    _check_rows(data, 2)
    used, constant, dependent = _independent(data)
    matrix = _matrix([data.features[f] for f in used], len(data.latency), not data.operators)
    _check_rows(data, len(used) + 1)
    fold, folds = _folds(data.groups, seed)
    held_out = _held_out(matrix, data.latency, fold, not data.operators)
    errors = _errors(held_out, data.latency)
    baseline = None
    if data.macs is not None and np.ptp(data.macs) > 0:
        baseline = _errors(_held_out(_matrix([data.macs], len(data.latency)), data.latency, fold), data.latency)
    terms = robust_terms(matrix, data.latency)
    groups = len(np.unique(data.groups))
    how = (
        f"{folds}-fold cross-validation, {groups} groups of {'operators' if data.operators else 'networks'} "
        f"never split, seed {seed}"
    )
    how += "" if data.operators else f"; MACs alone: {_percent_text(baseline)}"
    stated = StatedError(errors.median, errors.p90, errors.spearman, len(data.latency), how)
    empty = LatencyProfile(name, data.dtype or dtype, core, clock_hz, source, unit=data.unit, error=stated)
    profile = _loops(used, terms, empty) if data.operators else replace(empty, **_prices(data, used, terms))
    outliers = _outliers(data, matrix @ terms)
    fit = Fit(
        profile, errors, baseline, len(data.latency), groups, folds=folds, used=used, constant=constant,
        dependent=dependent, outliers=outliers,
    )  # fmt: skip
    return fit if data.energy is None else _with_energy(fit, data, data.energy, matrix, (fold, held_out))


def _with_energy(
    fit: Fit, data: Measurements, energy: np.ndarray, matrix: np.ndarray, checked: tuple[np.ndarray, np.ndarray]
) -> Fit:
    """The fit with energies, by the same terms on the same folds: the fold of each row, and its predicted latency."""
    fold, latency = checked
    errors = _errors(_held_out(matrix, energy, fold), energy)
    power = energy / data.latency
    one = np.array([np.median(power[fold != k]) for k in fold])
    alone = _errors(latency * one, energy)
    how = f"on the folds of the latencies; these times one power: {_percent_text(alone)}"
    stated = StatedError(errors.median, errors.p90, errors.spearman, len(energy), how)
    prices = Energy(**_prices(data, fit.used, robust_terms(matrix, energy)), error=stated)
    return replace(fit, profile=replace(fit.profile, energy=prices), energy=errors, power=alone)


def robust_terms(matrix: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Least relative deviations, and once more without the rows that lie far from the first result.

    The first result withstands outliers but is still drawn a little by those with leverage, that is by small networks.

    Args:
        matrix: [rows, terms], none negative, no column zero.
        latency: [rows], above zero.

    Returns:
        The terms, [terms], none negative.
    """
    terms = least_relative_deviations(matrix, latency)
    near = ~_is_far(matrix @ terms, latency)
    if near.all() or not matrix[near].any(axis=0).all():
        return terms
    return least_relative_deviations(matrix[near], latency[near])


def least_relative_deviations(matrix: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """The x >= 0 with the least sum of |matrix @ x / latency - 1|, by linear programming.

    Each row's deviation is split into what is too much and what is too little, both at least 0.

    Args:
        matrix: [rows, terms], none negative, no column zero.
        latency: [rows], above zero.

    Returns:
        x, [terms].

    Example:
        >>> least_relative_deviations(np.array([[1.0], [2.0], [3.0]]), np.array([5.0, 10.0, 99.0])).round(6)
        array([5.])
    """
    from scipy.optimize import linprog
    from scipy.sparse import eye, hstack

    rows, terms = matrix.shape
    relative = matrix / latency[:, None]
    scale = relative.mean(axis=0)
    cost = np.concatenate([np.zeros(terms), np.ones(2 * rows)])
    equations = hstack([relative / scale, eye(rows), -eye(rows)], format="csc")
    result = linprog(cost, A_eq=equations, b_eq=np.ones(rows), bounds=(0, None), method="highs-ds")
    assert result.success, result.message  # x = 0 is always allowed, and the cost is never negative
    # The solver keeps bounds to its tolerance only.
    return np.maximum(result.x[:terms], 0) / scale


def _matrix(columns: Sequence[np.ndarray], rows: int, constant: bool = True) -> np.ndarray:
    """[rows, terms]: the features, and ones for the constant per network."""
    return np.column_stack([*columns, np.ones(rows)] if constant else columns)


def _independent(data: Measurements) -> tuple[tuple[Feature, ...], tuple[Feature, ...], tuple[Feature, ...]]:
    """The features that measurements can tell apart; those without variation; those that others determine."""
    used, constant, dependent = [], [], []
    basis = [] if data.operators else [np.ones(len(data.latency)) / np.sqrt(len(data.latency))]
    order = ("mac", "output", "op")
    for feature in sorted(data.features, key=lambda f: order.index(f.term) if f.term in order else 0):
        column = data.features[feature]
        if np.ptp(column) == 0 and (not data.operators or not column.any()):
            constant += [feature] * bool(column.any())
            continue
        rest = column / np.linalg.norm(column)
        for _ in range(2):  # once more, against the rounding of the first pass
            for known in basis:
                rest = rest - (rest @ known) * known
        if np.linalg.norm(rest) < _DEPENDENT:
            dependent.append(feature)
            continue
        used.append(feature)
        basis.append(rest / np.linalg.norm(rest))
    if not used:
        raise _nothing_varies(data, constant)
    return tuple(used), tuple(constant), tuple(dependent)


def _nothing_varies(data: Measurements, constant: Sequence[Feature]) -> LatencyError:
    names = ", ".join(f"`{f}`" for f in [*constant, *data.features][: max(1, min(6, len(constant)))])
    message = f"nothing varies: {names} {'is' if len(constant) < 2 else 'are'} the same in every row"
    hint = "measure networks that differ in size"
    return LatencyError.of("constant-features", message, hint, Span(data.file, 1, 1))


def _check_scipy() -> None:
    if find_spec("scipy") is None:
        raise LatencyError.of("missing-package", "fitting needs scipy", "run `pip install scipy`")


def _check_rows(data: Measurements, terms: int) -> None:
    needed = max(_LEAST_ROWS, _ROWS_PER_TERM * terms)
    groups = len(np.unique(data.groups))
    if groups >= needed:
        return
    rows = len(data.latency)
    different = "" if rows == groups else f", {groups} of them different,"
    message = f"{rows} rows{different} are too few for {terms} terms"
    hint = f"measure at least {needed} different networks ({needed - groups} more), or give fewer feature columns"
    raise LatencyError.of("too-few-rows", message, hint, Span(data.file, data.lines[-1], 1))


def _folds(groups: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """The fold of each row, [rows], and the number of folds; a group lies in one fold."""
    names = np.unique(groups)
    folds = min(_FOLDS, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of_group = np.empty(len(names), np.int64)
    fold_of_group[order] = np.arange(len(names)) % folds
    return fold_of_group[np.searchsorted(names, groups)], folds


def _held_out(matrix: np.ndarray, latency: np.ndarray, fold: np.ndarray, constant: bool = True) -> np.ndarray:
    """The predictions for each fold by the model fitted to the others, [rows]."""
    predicted = np.empty(len(latency))
    for k in range(int(fold.max()) + 1):
        held = fold == k
        # Beside a constant a feature has to vary, else only to occur.
        used = np.append(np.ptp(matrix[~held, :-1], axis=0) > 0, True) if constant else matrix[~held].any(axis=0)
        terms = np.zeros(matrix.shape[1])
        terms[used] = robust_terms(matrix[~held][:, used], latency[~held])
        predicted[held] = matrix[held] @ terms
    return predicted


def _errors(predicted: np.ndarray, latency: np.ndarray) -> Errors:
    from scipy.stats import kendalltau, spearmanr

    percent = 100 * np.abs(predicted / latency - 1)
    ranks = [0.0, 0.0]
    if np.ptp(predicted) > 0 and np.ptp(latency) > 0:
        ranks = [float(f(predicted, latency).statistic) for f in (spearmanr, kendalltau)]  # type: ignore[union-attr]
    figures = (np.median(percent), np.quantile(percent, 0.9), percent.max(), *ranks)
    return Errors(*(_figure(float(value)) for value in figures))


def _figure(value: float) -> float:
    """Three decimals: no data set of latencies holds more."""
    return round(value, 3) + 0.0


def _percent_text(errors: Errors | None) -> str:
    return "not given" if errors is None else f"{errors.median} %, rank correlation {errors.spearman}"


def _is_far(predicted: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Rows whose deviation exceeds both 5 % and six standard deviations, estimated from the median deviation."""
    deviation = np.abs(predicted / latency - 1)
    return deviation > max(0.05, 6 * 1.4826 * float(np.median(deviation)))


def _outliers(data: Measurements, predicted: np.ndarray) -> tuple[Outlier, ...]:
    result = [
        Outlier(data.lines[k], data.labels[k], float(data.latency[k]), float(predicted[k]))
        for k in np.flatnonzero(_is_far(predicted, data.latency))
    ]
    return tuple(sorted(result, key=lambda o: -abs(o.percent)))


def _prices(data: Measurements, used: Sequence[Feature], terms: np.ndarray) -> dict[str, Any]:
    """The prices with these terms; a kind of which nothing varies gets terms of 0, being in the constant."""
    amounts = {f: _rounded(x) for f, x in zip(used, terms[:-1], strict=True)}
    by_kind: dict[str, dict[str, Fraction]] = {f.kind: {} for f in data.features if data.features[f].any()}
    for feature, amount in amounts.items():
        by_kind[feature.kind][feature.term] = amount
    made = {kind: Terms(**values) for kind, values in by_kind.items()}
    default = made.pop("", None)
    return {"network": _rounded(terms[-1]), "kinds": made, "default": default}


def _loops(used: Sequence[Feature], terms: np.ndarray, empty: LatencyProfile) -> LatencyProfile:
    """The profile with what an iteration of each loop takes."""
    made: dict[str, dict[str, Fraction]] = {}
    for feature, amount in zip(used, terms, strict=True):
        each = made.setdefault(feature.kind, {})
        if amount := _rounded(amount):
            each[feature.term] = amount
    return replace(empty, loops=made)


def _rounded(value: float) -> Fraction:
    """Six significant digits, which a profile's file holds exactly."""
    return Fraction(f"{value:.{_DIGITS}g}")
