"""Many boards fitted together: what a kind of operator takes by a runtime, and how the cores and boards differ in it.

A board is measured with few networks, too few to tell kinds of operators apart, but several boards run the same
runtime, and several runtimes the same core. The model is that of a hierarchy. A network of N_j multiply-accumulates,
output elements, ... (feature j) takes

    cycles = exp(c) * sum_j exp(L_j) * w_j * N_j

where w_j is what our own C takes (`OWN_C`). The logarithms c and L_j are sums of effects of the runtime, the core, who
published the figures and so chose the runtime's settings, and the board, each normal around 0: what measurements do not
tell stays as it is in our own C, and a board that nobody measured is as its runtime on other boards, times what other
runtimes say of its core. The logarithm of the sum is linearised around the last estimate, and the effects are then
those of a Gaussian process (Rasmussen and Williams 2006, Eq. 2.23, 2.24), iterated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from nascompile.latency.data import Feature
from spaces.costs.latency import LatencyProfile
from spaces.costs.prices import Terms
from spaces.program.candidate import Candidate
from spaces.runtimes.tflite_micro import executed

__all__ = ["OWN_C", "BoardModel", "Measured", "Spread", "fit_boards", "network_counts", "off_without"]

#: Cycles of our own C per feature, at one an instruction: least deviations on some 1,500 operators of the library's
#: spaces by the profile `nascompile-c-m4-int8`; but `stem`, which is `conv` with its products half as dear again, is
#: set by judgement.
OWN_C: dict[Feature, float] = {
    Feature("conv", "mac"): 1.23, Feature("conv", "output"): 18.4,
    Feature("stem", "mac"): 1.8, Feature("stem", "output"): 18.4,
    Feature("pointwise", "mac"): 0.97, Feature("pointwise", "output"): 18.6,
    Feature("depthwise", "mac"): 2.54, Feature("depthwise", "output"): 15.1,
    Feature("linear", "mac"): 1.94, Feature("linear", "output"): 51.2,
    Feature("add", "output"): 18.0, Feature("mul", "output"): 18.0, Feature("concat", "output"): 20.0,
    Feature("avg_pool", "output"): 43.0, Feature("max_pool", "output"): 12.3,
    Feature("global_avg_pool", "output"): 25.0,
}  # fmt: skip
#: Of a kind that is not named there, as of an addition.
_OTHER = 18.0
#: To call an operator, in cycles of the same.
_CALL = 1000.0
#: Rounds of a fit, and of one that begins where a fit of nearly the same rows ended.
_ROUNDS, _AGAIN = 25, 4
#: A logarithm further from our own C than this says that something else is wrong.
_FARTHEST = 3.0
#: A kind known no better than by this standard deviation of its logarithm, 1.5 times up or down, is a guess.
_GUESSED = 0.4
_DIGITS = 6


@dataclass(frozen=True)
class Measured:
    """A network measured on a board.

    Args:
        runtime: what ran it.
        core: of the board.
        board: its name.
        publisher: who published the figure, and so chose the settings of the runtime.
        network: its name.
        counts: what its latency is made of, see `network_counts`.
        cycles: its latency times the clock.
    """

    runtime: str
    core: str
    board: str
    publisher: str
    network: str
    counts: Mapping[Feature, int]
    cycles: float


@dataclass(frozen=True)
class Spread:
    """Standard deviations of logarithms, by effect; see `nascompile.latency.spreads` for how they are chosen.

    Args:
        runtime: of c by runtime, with nothing known beforehand.
        core: of c by core.
        board: of c by board and runtime.
        common: of L_j, for all runtimes.
        publisher_kind: of L_j by runtime and publisher.
        core_kind: of L_j by core.
        board_kind: of L_j by board and runtime.
        noise: of a single figure.
    """

    runtime: float = 3.0
    core: float = 0.25
    board: float = 0.25
    common: float = 0.25
    publisher_kind: float = 0.25
    core_kind: float = 0.25
    board_kind: float = 0.25
    noise: float = 0.25


def network_counts(candidate: Candidate) -> dict[Feature, int]:
    """What a network's latency is made of: of each kind its MACs and outputs, and the number of all operators.

    Example:
        >>> import nascompile as nc
        >>> from spaces.program.candidate import parse_candidate
        >>> counts = network_counts(parse_candidate(nc.compile("mlperf_kws"), ""))
        >>> counts[Feature("pointwise", "mac")], counts[Feature("stem", "mac")], counts[Feature("", "op")]
        (2048000, 320000, 11)
    """
    result: dict[Feature, int] = {Feature("", "op"): 0}
    for step in candidate.steps:
        for op in executed(step.ops, step.x.shape):
            result[Feature("", "op")] += 1
            for term, amount in (("mac", op.macs), ("output", op.outputs)):
                if amount:
                    result[Feature(op.kind, term)] = result.get(Feature(op.kind, term), 0) + amount
    return result


@dataclass(frozen=True, eq=False)
class BoardModel:
    """Boards fitted together.

    Args:
        rows: what was measured.
        features: those with a logarithm of their own.
        spread: how far effects may lie from 0.
        shares: of each row's cycles by feature, at the estimate, [rows, features].
        covariance: K + noise^2 I of the Gaussian process, [rows, rows].
        weights: its inverse times (y - m), [rows].
    """

    rows: tuple[Measured, ...]
    features: tuple[Feature, ...]
    spread: Spread
    shares: np.ndarray
    covariance: np.ndarray
    weights: np.ndarray

    def cycles(self, rows: Sequence[Measured]) -> np.ndarray:
        """What networks take on boards, known or not; their own `cycles` are not looked at, [rows]."""
        scalar, kinds = _kernels(rows, self.rows, self.spread)
        logs = _logs(kinds, self.shares, self.weights)
        parts, calls = _parts(rows, self.features)
        return np.exp(scalar @ self.weights) * ((parts * np.exp(logs)).sum(axis=1) + calls)

    def profile(self, empty: LatencyProfile, publisher: str) -> LatencyProfile:
        """The profile of a runtime on a core, of no board in particular.

        Args:
            empty: names the runtime and the core.
            publisher: whose settings are taken.
        """
        one = Measured(empty.runtime, empty.core, "", publisher, network="", counts={}, cycles=1.0)
        scalar, kinds = _kernels([one], self.rows, self.spread)
        factor = float(np.exp(scalar @ self.weights)[0])
        logs = _logs(kinds, self.shares, self.weights)[0]
        amount = {f: factor * OWN_C[f] * float(np.exp(logs[k])) for k, f in enumerate(self.features)}
        amount = {f: amount.get(f, factor * own) for f, own in OWN_C.items()}
        made = {
            kind: Terms(**{f.term: _rounded(amount[f]) for f in OWN_C if f.kind == kind}, op=_rounded(factor * _CALL))
            for kind in dict.fromkeys(f.kind for f in OWN_C)
        }
        guessed = (*(kind for kind in made if self._unsure(kind, one) > _GUESSED), "default")
        default = Terms(output=_rounded(factor * _OTHER), op=_rounded(factor * _CALL))
        return replace(empty, unit="cycles", kinds=made, default=default, guessed=guessed)

    def _unsure(self, kind: str, one: Measured) -> float:
        """Standard deviation of the logarithm of what a kind takes: of c + L_j for its MACs, else its outputs."""
        term = next(f for f in OWN_C if f.kind == kind)
        scalar, kinds = _kernels([one], self.rows, self.spread)
        own_scalar, own_kinds = _kernels([one], [one], self.spread)
        before = float(own_scalar[0, 0] + own_kinds[0, 0]) - self.spread.board**2 - self.spread.board_kind**2
        share = self.shares[:, self.features.index(term)] if term in self.features else 0.0
        toward = scalar[0] + kinds[0] * share
        return float(np.sqrt(max(before - toward @ np.linalg.solve(self.covariance, toward), 0.0)))


def fit_boards(rows: Sequence[Measured], spread: Spread = Spread()) -> BoardModel:
    """Fit boards together.

    Args:
        rows: at least one; the same network may be measured often.
        spread: how far effects may lie from 0.

    Example:
        >>> mac = {Feature("conv", "mac"): 1_000_000, Feature("", "op"): 1}
        >>> row = Measured("mine", "Cortex-M4F", "a", "me", "net", mac, 2e6)
        >>> twice = replace(row, board="b", counts={f: 2 * n for f, n in mac.items()})
        >>> (fit_boards([row]).cycles([row, twice]) / 1e6).round(1).tolist()
        [2.0, 4.0]
    """
    problem = _Problem.of(rows, spread)
    shares, covariance, weights, _ = problem.solved(np.zeros_like(problem.parts))
    return BoardModel(tuple(rows), problem.features, spread, shares=shares, covariance=covariance, weights=weights)


def off_without(rows: Sequence[Measured], spread: Spread, groups: Iterable[Sequence[int]]) -> list[np.ndarray]:
    """How far rows are predicted from what they took, with their whole group left out: log(predicted / measured).

    Args:
        rows: what was measured.
        spread: how far effects may lie from 0.
        groups: positions of rows; each group is left out by itself.

    Returns:
        An array per group, [its rows].

    Example:
        >>> mac = {Feature("conv", "mac"): 1_000_000, Feature("", "op"): 1}
        >>> row = Measured("mine", "Cortex-M4F", "a", "me", "net", mac, 2e6)
        >>> [off] = off_without([row, replace(row, board="b", cycles=1e6)], Spread(board=0.01, noise=0.01), [[1]])
        >>> round(float(np.exp(off[0])), 1)
        2.0
    """
    problem = _Problem.of(rows, spread)
    _, _, _, near = problem.solved(np.zeros_like(problem.parts))
    found = []
    for group in groups:
        out = np.isin(np.arange(len(rows)), group)
        rest = problem.taken(~out)
        shares, _, weights, _ = rest.solved(near[~out], _AGAIN)
        logs = _logs(problem.kinds[out][:, ~out], shares, weights)
        total = (problem.parts[out] * np.exp(logs)).sum(axis=1) + problem.calls[out]
        found.append(problem.scalar[out][:, ~out] @ weights + np.log(total) - problem.measured[out])
    return found


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is solved for the effects.

    Args:
        features: those with a logarithm of their own.
        noise: standard deviation of a figure.
        measured: logarithms of cycles, [rows].
        parts, calls: see `_parts`.
        scalar, kinds: see `_kernels`, [rows, rows].
    """

    features: tuple[Feature, ...]
    noise: float
    measured: np.ndarray
    parts: np.ndarray
    calls: np.ndarray
    scalar: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Measured], spread: Spread) -> _Problem:
        """That of rows."""
        features = tuple(f for f in OWN_C if any(row.counts.get(f) for row in rows))
        parts, calls = _parts(rows, features)
        scalar, kinds = _kernels(rows, rows, spread)
        measured = np.log([row.cycles for row in rows])
        return cls(features, spread.noise, measured, parts, calls, scalar=scalar, kinds=kinds)

    def taken(self, keep: np.ndarray) -> _Problem:
        """That of some rows, [rows] of truth values."""
        own = {name: getattr(self, name)[keep] for name in ("measured", "parts", "calls")}
        return replace(self, **own, scalar=self.scalar[keep][:, keep], kinds=self.kinds[keep][:, keep])

    def solved(self, logs: np.ndarray, rounds: int = _ROUNDS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The shares, covariance and weights of `BoardModel`, and the L_j, [rows, features], from where to begin."""
        shares, covariance, weights = logs, self.scalar, self.measured
        for k in range(rounds):
            found = self.parts * np.exp(logs)
            total = found.sum(axis=1) + self.calls
            shares = found / total[:, None]
            at_zero = np.log(total) - (shares * logs).sum(axis=1)
            covariance = self.scalar + self.kinds * (shares @ shares.T) + self.noise**2 * np.eye(len(logs))
            weights = np.linalg.solve(covariance, self.measured - at_zero)
            new = _logs(self.kinds, shares, weights)
            if np.abs(new - logs).max(initial=0) < 1e-4:
                break
            logs = logs + (0.5 if k < 3 else 0.7) * (new - logs)  # a full step may swing
        return shares, covariance, weights, logs


def _parts(rows: Sequence[Measured], features: Sequence[Feature]) -> tuple[np.ndarray, np.ndarray]:
    """Cycles of our own C by feature, [rows, features], and of calls and all other features, [rows]."""
    parts = np.array([[OWN_C[f] * row.counts.get(f, 0) for f in features] for row in rows]).reshape(len(rows), -1)
    known = {*features, Feature("", "op")}
    rest = [
        sum(OWN_C.get(f, _OTHER if f.term == "output" else 0) * n for f, n in row.counts.items() if f not in known)
        for row in rows
    ]
    calls = [_CALL * row.counts.get(Feature("", "op"), 0) for row in rows]
    return parts, np.add(rest, calls)


def _kernels(a: Sequence[Measured], b: Sequence[Measured], spread: Spread) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of c, and of each L_j, between rows, [a, b]."""

    def same(*names: str) -> np.ndarray:
        keys = [[tuple(getattr(row, name) for name in names) for row in rows] for rows in (a, b)]
        number = {key: k for k, key in enumerate(dict.fromkeys([*keys[0], *keys[1]]))}
        left, right = (np.array([number[key] for key in each], np.int64) for each in keys)
        return (left[:, None] == right[None, :]).astype(float)

    runtime, core, board = same("runtime"), same("core"), same("runtime", "core", "board")
    scalar = 1 + spread.runtime**2 * runtime + spread.core**2 * core + spread.board**2 * board
    kinds = (
        spread.common**2
        + spread.core_kind**2 * core
        + spread.publisher_kind**2 * same("runtime", "publisher")
        + spread.board_kind**2 * board
    )
    return scalar, kinds


def _logs(kinds: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The estimates of L_j for rows, [rows, features]."""
    return np.clip(kinds @ (shares * weights[:, None]), -_FARTHEST, _FARTHEST)


def _rounded(value: float) -> Fraction:
    return Fraction(f"{value:.{_DIGITS}g}")
