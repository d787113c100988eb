"""What operators take, by kind and shape: in nanoseconds, cycles or nanojoules, whatever was measured.

Both forms of an additive model are in one value (Algorithm 1 of the MONAS paper looks up, others fit): a *table* of
measured operators, looked up first, and *terms* per operator kind, so much per multiply-accumulate, per output element
and per operator. A constant per network comes on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from spaces.errors import NascompileError, did_you_mean
from spaces.runtimes.tflite_micro import STEM

__all__ = ["NARROWER", "LatencyError", "OperatorPrices", "StatedError", "Terms", "half_up"]

#: Kinds that a profile may price apart: without terms of their own they take those of the wider kind.
NARROWER = {STEM: "conv"}


class LatencyError(NascompileError):
    """A latency profile or a file of measurements is malformed, or a profile does not cover what it is asked for."""


@dataclass(frozen=True)
class Terms:
    """A linear model of one operator kind, in the profile's unit.

    Args:
        mac: per multiply-accumulate.
        output: per output element.
        op: per operator.

    Example:
        >>> Terms(mac=Fraction(5), op=Fraction(100)).of(macs=20, outputs=4)
        Fraction(200, 1)
    """

    mac: Fraction = Fraction(0)
    output: Fraction = Fraction(0)
    op: Fraction = Fraction(0)

    def of(self, macs: int, outputs: int) -> Fraction:
        """What one operator takes."""
        return self.mac * macs + self.output * outputs + self.op

    def times(self, factor: Fraction) -> Terms:
        """The same, so many times as slow."""
        return Terms(self.mac * factor, self.output * factor, self.op * factor)


@dataclass(frozen=True)
class StatedError:
    """How wrong a profile is on networks, or operators where it was fitted to those, that were held out of its fit.

    Args:
        median: median of |predicted / measured - 1|, in percent.
        p90: its 90th percentile, in percent.
        spearman: rank correlation of predicted and measured latencies.
        rows: number of measured networks or operators.
        how: how it was found, in words.
    """

    median: float
    p90: float
    spearman: float
    rows: int
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class OperatorPrices:
    """What the operators of a network take, and what it takes besides.

    Args:
        network: what a network takes besides its operators.
        kinds: terms per operator kind.
        default: terms of every kind without terms of its own; None if there are none, and then such kinds are errors.
        table: per operator kind, what an operator of this shape takes; see `spaces.runtimes.tflite_micro.shape_key`.
        error: how wrong it is; None if nobody measured that.
    """

    network: Fraction = Fraction(0)
    kinds: Mapping[str, Terms] = field(default_factory=dict, hash=False)
    default: Terms | None = None
    table: Mapping[str, Mapping[str, Fraction | int]] = field(default_factory=dict, hash=False)
    error: StatedError | None = None

    def op_amount(self, kind: str, macs: int, outputs: int, shape_key: str = "") -> Fraction:
        """What one operator takes: its entry in the table, else by the terms of its kind, else by the default terms.

        Args:
            kind: operator kind.
            macs: multiply-accumulates of the operator.
            outputs: number of its output elements.
            shape_key: its shape, for the table.

        Raises:
            LatencyError: no price for such a kind (`latency-no-kind`).
        """
        names = (kind, NARROWER.get(kind, kind))
        measured = next((self.table[k][shape_key] for k in names if shape_key in self.table.get(k, ())), None)
        if measured is not None:
            return Fraction(measured)
        terms = next((self.kinds[k] for k in names if k in self.kinds), self.default)
        if terms is None:
            raise self.no_kind(names[1], shape_key)
        return terms.of(macs, outputs)

    @property
    def called(self) -> str:
        """What messages call it."""
        return "the prices"

    def no_kind(self, kind: str, shape_key: str = "") -> LatencyError:
        """The error where a kind has no price."""
        if kind in self.table:
            message = f"{self.called} has `{kind}` only in its table, and not `{shape_key}`"
            hint = f"add `{shape_key}` to the table, or terms under `kinds: {kind}:`"
            return LatencyError.of("latency-no-kind", message, hint)
        near = did_you_mean(kind, {*self.kinds, *self.table})
        hint = f"{near}; measure networks with `{kind}` and fit again, or give the profile `default` terms"
        return LatencyError.of("latency-no-kind", f"{self.called} has no operator kind `{kind}`", hint)


def half_up(amount: Fraction) -> int:
    """The nearest whole number, a half upwards.

    Example:
        >>> half_up(Fraction(5, 2)), half_up(Fraction(12, 5))
        (3, 2)
    """
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)
