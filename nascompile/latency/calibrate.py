"""Calibrate a latency profile: from one or a few networks measured on a board to the profile of that board.

A board differs from those that a profile was fitted to by one factor, its wait states and caches, and a little by kind
of operator. Both are logarithms with a normal prior around 0, and each measurement is their sum weighted by what the
kinds have of the network's latency, so that the posterior is a linear solve: one network moves all kinds by nearly the
same factor, four also move them against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

import numpy as np

from spaces.costs.latency import LatencyProfile
from spaces.costs.prices import NARROWER, LatencyError
from spaces.program.candidate import Candidate
from spaces.runtimes.tflite_micro import executed

__all__ = ["BoardSpread", "Calibrated", "Measurement", "calibrate"]

#: Two measurements whose ratios to the profile are further apart contradict each other: four standard deviations.
_APART = 1.6
#: A measurement so many times off is of another network, or of another unit.
_FAR = 30.0
_ROUNDS = 20
_DIGITS = 8


@dataclass(frozen=True)
class Measurement:
    """A network's latency on the board.

    Args:
        name: of the network, for messages.
        candidate: the network.
        ns: nanoseconds.
    """

    name: str
    candidate: Candidate
    ns: int


@dataclass(frozen=True)
class BoardSpread:
    """Standard deviations of logarithms, in units of that of a measurement: only their ratios matter.

    That of a kind gives the least error on boards left out, `benchmarks/latency.py --boards` chooses it. That of a
    board is not chosen: the boards there are differ little, and another may well be twice as slow.

    Args:
        board: of a board's factor.
        kind: of what a kind of operator takes beside it.
    """

    board: float = 16.0
    kind: float = 4.0


@dataclass(frozen=True)
class Calibrated:
    """A calibrated profile.

    Args:
        profile: of the board; without energies, which nobody measured there.
        before: nanoseconds of each measured network by the profile that was given.
        after: likewise by this one.
        factor: how many times as slow the board is as the profile, all kinds together.
    """

    profile: LatencyProfile
    before: tuple[int, ...]
    after: tuple[int, ...]
    factor: float


def calibrate(
    profile: LatencyProfile,
    measured: Sequence[Measurement],
    name: str,
    spread: BoardSpread = BoardSpread(),
) -> Calibrated:
    """The profile of a board on which networks were measured.

    Args:
        profile: at the board's clock.
        measured: at least one.
        name: of the new profile.
        spread: how far a board may lie from the profile.

    Raises:
        LatencyError: no measurement, a network of another data type, a latency that this network cannot have, two
            that contradict each other.

    Example:
        >>> import nascompile as nc
        >>> from spaces.costs.prices import Terms
        >>> from spaces.program.candidate import parse_candidate
        >>> profile = LatencyProfile("core", "int8", default=Terms(mac=Fraction(5)))
        >>> kws = parse_candidate(nc.compile("mlperf_kws"), "")
        >>> round(calibrate(profile, [Measurement("kws", kws, 26_567_680)], "board").factor, 2)
        1.94
    """
    _check(profile, measured)
    kinds = sorted({kind for one in measured for kind in _by_kind(profile, one.candidate)})
    amounts = np.array([[_by_kind(profile, one.candidate).get(kind, 0.0) for kind in kinds] for one in measured])
    before = amounts.sum(axis=1) + profile.network_ns
    target = np.log([one.ns for one in measured])
    _check_ratios(measured, np.exp(target) / before)
    logs = np.zeros(len(kinds))
    board = spread.board**2
    prior = board + spread.kind**2 * np.eye(len(kinds))
    common = 0.0
    for _ in range(_ROUNDS):
        parts = amounts * np.exp(logs)
        total = parts.sum(axis=1) + profile.network_ns * np.exp(common)
        shares = parts / total[:, None]
        rest = 1 - shares.sum(axis=1)
        # The constant per network goes by the board's factor alone.
        toward = shares @ prior + board * rest[:, None]
        across = toward @ shares.T + board * rest[None, :] * (shares.sum(axis=1) + rest)[:, None]
        at_zero = np.log(total) - shares @ logs - rest * common
        weights = np.linalg.solve(across + np.eye(len(measured)), target - at_zero)
        logs, common = toward.T @ weights, float(board * weights.sum())
    factors = dict(zip(kinds, np.exp(logs).tolist(), strict=True))
    made = _scaled(profile, factors, float(np.exp(common)), name)
    names = ", ".join(f"{one.name} {one.ns / 1e6:g} ms" for one in measured)
    made = replace(made, source=f"{profile.name}, calibrated by {names}; {profile.source}"[:2000])
    before_ns, after_ns = (tuple(_latency(each, one.candidate) for one in measured) for each in (profile, made))
    return Calibrated(made, before_ns, after_ns, float(np.exp(common)))


def _by_kind(profile: LatencyProfile, candidate: Candidate) -> dict[str, float]:
    """Nanoseconds of a network by kind of operator."""
    result: dict[str, float] = {}
    for step in candidate.steps:
        for op in executed(step.ops, step.x.shape):
            kind = op.kind if op.kind in profile.kinds else NARROWER.get(op.kind, op.kind)
            result[kind] = result.get(kind, 0.0) + profile.op_ns(*op)
    return result


def _latency(profile: LatencyProfile, candidate: Candidate) -> int:
    return profile.network_ns + sum(profile.layer_ns(step.ops, step.x.shape) for step in candidate.steps)


def _scaled(profile: LatencyProfile, factors: dict[str, float], common: float, name: str) -> LatencyProfile:
    """The profile with each kind as many times as slow; kinds that no network has by the common factor."""

    def scale(kind: str) -> Fraction:
        return Fraction(f"{factors.get(kind, common):.{_DIGITS}g}")

    def rounded(value: Fraction) -> Fraction:
        return Fraction(f"{float(value):.{_DIGITS}g}")

    kinds = {kind: terms.times(scale(kind)) for kind, terms in profile.kinds.items()}
    named = {kind for kind in factors if kind not in kinds and kind not in profile.table and profile.default}
    kinds |= {kind: profile.default.times(scale(kind)) for kind in named if profile.default}
    exact = {
        kind: replace(t, mac=rounded(t.mac), output=rounded(t.output), op=rounded(t.op)) for kind, t in kinds.items()
    }
    default = profile.default.times(scale("")) if profile.default else None
    default = default and replace(
        default, mac=rounded(default.mac), output=rounded(default.output), op=rounded(default.op)
    )
    table = {k: {key: rounded(Fraction(v) * scale(k)) for key, v in row.items()} for k, row in profile.table.items()}
    moved = replace(profile, name=name, network=rounded(profile.network * scale("")), kinds=exact, default=default)
    return replace(moved, table=table, error=None, energy=None, boards=1)


def _check(profile: LatencyProfile, measured: Sequence[Measurement]) -> None:
    if profile.loops:
        message = f"the latency profile `{profile.name}` is of loops of our own C, which the board itself can time"
        raise LatencyError.of("wrong-profile", message, "`nascompile latency firmware` writes what times them")
    if not measured:
        raise LatencyError.of("no-measurement", "there is no measurement to calibrate by", 'give --measured "NET=43ms"')
    for one in measured:
        dtype = one.candidate.program.space.settings.dtype
        if dtype != profile.dtype:
            message = f"`{one.name}` computes in {dtype}, and the profile `{profile.name}` is of {profile.dtype}"
            raise LatencyError.of("latency-dtype", message, f"measure it in {profile.dtype}, or take another profile")


def _check_ratios(measured: Sequence[Measurement], ratios: np.ndarray) -> None:
    for one, ratio in zip(measured, ratios.tolist(), strict=True):
        if not 1 / _FAR < ratio < _FAR:
            message = f"`{one.name}` took {one.ns / 1e6:g} ms, {ratio:.3g} times what the profile says of it"
            raise LatencyError.of("wrong-measurement", message, "is it this network, this board and this unit?")
    for (a, x), (b, y) in combinations(zip(measured, ratios.tolist(), strict=True), 2):
        if max(x / y, y / x) > _APART:
            message = (
                f"the measurements contradict each other: by `{a.name}` the board is {x:.3g} times as slow as the "
                f"profile, by `{b.name}` {y:.3g} times"
            )
            raise LatencyError.of("contradiction", message, "measure both again at the same clock, or give one of them")
