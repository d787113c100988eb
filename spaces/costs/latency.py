"""A latency profile: what each operator takes on a device, so that a network's latency is a sum over its operators.

Operators have prices (`spaces.costs.prices`). Of the C that `nascompile deploy` writes more is known: how often each
*loop* of a kernel runs, and so a profile of that runtime gives so much per loop. Where the power was measured, too, a
profile has a second list of prices, of energies (`spaces.costs.energy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from spaces.costs.energy import Energy
from spaces.costs.prices import LatencyError, OperatorPrices, half_up
from spaces.errors import did_you_mean
from spaces.operators import KernelCall, Ops
from spaces.operators.kernel import instruction_set
from spaces.runtimes.base import Runtime
from spaces.runtimes.kernels import UnknownKernel
from spaces.runtimes.nascompile_c import NascompileC
from spaces.runtimes.tflite_micro import TfliteMicro
from spaces.tensors import Shape
from spaces.units import format_hz

__all__ = ["UNITS", "LatencyProfile", "Unit"]

Unit = Literal["ns", "cycles", "estimated cycles", "instructions"]
UNITS: tuple[Unit, ...] = ("ns", "cycles", "estimated cycles", "instructions")
_SECOND = 10**9


@dataclass(frozen=True)
class LatencyProfile(OperatorPrices):
    """The latencies of a device's operators, for one data type.

    Args:
        name: the name it is asked for by; the name of the target that it belongs to.
        dtype: data type of the operators, `int8` or `float32`.
        runtime: what ran the operators: `x-cube-ai`, `tflite-micro`, ...; empty if unknown.
        version: of the runtime.
        core: of the processor.
        clock_hz: its clock during the measurements, in hertz; 0 if unknown.
        source: where the measurements come from.
        unit: of the numbers below: `ns`; `cycles` of the clock, measured; `estimated cycles`, instructions at what a
            core's manual says of them, without wait states; or `instructions`, which are not cycles: a latency is one
            cycle for each, whatever it takes in truth.
        network, kinds, default, table, error: see `OperatorPrices`.
        energy: what the operators take in energy at that clock; None if nobody measured the power.
        loops: per C kernel of `nascompile deploy`, what an iteration of each of its loops takes, see
            `spaces.operators.kernel.CFunction`; a profile has these, or `kinds`, `default` and `table`.
        boards: number of boards that were measured; 0 if unknown.
        guessed: kinds whose terms no measurement carries, `default` for any not named: they are those of our own C,
            times what the runtime takes of the others.

    Example:
        >>> from spaces.costs.prices import Terms
        >>> conv = Terms(mac=Fraction("42.5"))
        >>> profile = LatencyProfile("mine", "int8", kinds={"conv": conv}, table={"add": {"8": 7}})
        >>> profile.op_ns("conv", macs=3, outputs=1), profile.op_ns("add", 0, 8, "8")
        (128, 7)
        >>> profile.op_ns("linear", macs=10, outputs=1)
        Traceback (most recent call last):
        spaces.costs.prices.LatencyError: the latency profile `mine` has no operator kind `linear` [latency-no-kind]
          known: add, conv; ...
    """

    name: str
    dtype: str
    core: str = ""
    clock_hz: int = 0
    source: str = ""
    unit: Unit = "ns"
    loops: Mapping[str, Mapping[str, Fraction]] = field(default_factory=dict, hash=False)
    runtime: str = ""
    version: str = ""
    boards: int = 0
    guessed: tuple[str, ...] = ()
    energy: Energy | None = None

    @property
    def gives(self) -> tuple[str, ...]:
        """The costs that it gives."""
        return ("latency", "energy") if self.energy else ("latency",)

    @property
    def called(self) -> str:
        """See `OperatorPrices.called`."""
        return f"the latency profile `{self.name}`"

    @property
    def network_ns(self) -> int:
        """Nanoseconds that every network takes besides its operators, rounded to the nearest."""
        return self._ns(self.network)

    def op_ns(self, kind: str, macs: int, outputs: int, shape_key: str = "") -> int:
        """What one operator takes: its entry in the table, else by the terms of its kind, else by the default terms.

        See `OperatorPrices.op_amount`. The sum of the terms is computed exactly and rounded once, to the nearest
        nanosecond, a half upwards; so the latency of a network is the same integer whichever way its operators are
        added up.

        Args:
            kind: operator kind.
            macs: multiply-accumulates of the operator.
            outputs: number of its output elements.
            shape_key: its shape, for the table.

        Returns:
            Nanoseconds.

        Raises:
            LatencyError: the profile covers no such kind (`latency-no-kind`).
        """
        return self._ns(self.op_amount(kind, macs, outputs, shape_key))

    def call_amount(self, call: KernelCall) -> Fraction:
        """What one call of a C kernel takes, in the profile's unit: so much per iteration of each of its loops.

        Raises:
            LatencyError: the profile covers no such kernel (`latency-no-kind`).

        Example:
            >>> profile = LatencyProfile("mine", "int8", loops={"add": {"call": Fraction(27), "element": Fraction(71)}})
            >>> profile.call_amount(KernelCall("add", Shape(4, 2, 1), Shape(4, 2, 1)))
            Fraction(595, 1)
        """
        if call.name not in self.loops:
            raise self.no_kind(call.name)
        counts = call.loops(self.dtype, instruction_set(self.core))
        return sum((each * counts[loop] for loop, each in self.loops[call.name].items()), Fraction(0))

    def call_ns(self, call: KernelCall) -> int:
        """The same in nanoseconds, rounded once."""
        return self._ns(self.call_amount(call))

    @property
    def model(self) -> type[Runtime]:
        """What says which operators, or loops, it prices."""
        return NascompileC if self.loops else TfliteMicro

    def layer_ns(self, ops: Ops, x: Shape) -> int:
        """What a layer takes: the sum over what the profile's runtime executes for it.

        Args:
            ops: the operators of its block.
            x: shape of its input.

        Returns:
            Nanoseconds.

        Raises:
            LatencyError: an operator of a kind that the profile does not cover.

        Example:
            >>> from spaces.blocks.residual import residual
        >>> from spaces.costs.prices import Terms
            >>> profile = LatencyProfile("mine", "int8", default=Terms(op=Fraction(1000)))
            >>> profile.layer_ns(residual(Shape(16, 8, 8), filters=16), Shape(16, 8, 8))
            3000
        """
        try:
            return self.model.latency(self, ops, x)
        except UnknownKernel as kind:
            raise self.no_kind(str(kind)) from None

    def at_clock(self, clock_hz: int) -> LatencyProfile:
        """The profile at another clock of the same core: cycles stay, which memories that keep their pace make a guess.

        What a cycle takes in energy does not stay, so the result has none.

        The result counts in cycles, or as before where those are estimated, or instructions: unlike nanoseconds at the
        other clock they have a last digit, so that a file holds them exactly.

        Example:
            >>> from spaces.costs.prices import Terms
        >>> profile = LatencyProfile("m7", "int8", clock_hz=400, default=Terms(op=Fraction(10)))
            >>> profile.at_clock(200).op_ns("conv", 0, 0)
            20
        """
        factor = Fraction(self.clock_hz, _SECOND) if self.unit == "ns" else Fraction(1)
        kinds = {kind: terms.times(factor) for kind, terms in self.kinds.items()}
        table = {k: {key: factor * v for key, v in rows.items()} for k, rows in self.table.items()}
        default = self.default.times(factor) if self.default else None
        name = f"{self.name}@{format_hz(clock_hz).replace(' ', '')}"
        own_loops = {k: {loop: factor * v for loop, v in each.items()} for k, each in self.loops.items()}
        unit: Unit = "cycles" if self.unit == "ns" else self.unit
        moved = replace(self, name=name, clock_hz=clock_hz, unit=unit, network=factor * self.network)
        return replace(moved, kinds=kinds, default=default, table=table, loops=own_loops, energy=None)

    def _ns(self, amount: Fraction) -> int:
        if self.unit != "ns" and not self.clock_hz:
            message = f"the latency profile `{self.name}` counts {self.unit}, and no clock says how long one takes"
            hint = "name an MCU with --mcu; a target file of your own has its `clock`"
            raise LatencyError.of("latency-no-clock", message, hint)
        ns = amount * _SECOND / self.clock_hz if self.unit != "ns" else amount
        return half_up(ns)

    def no_kind(self, kind: str, shape_key: str = "") -> LatencyError:
        """See `OperatorPrices.no_kind`."""
        if not self.loops:
            return super().no_kind(kind, shape_key)
        message = f"{self.called} has no operator kind `{kind}`"
        return LatencyError.of("latency-no-kind", message, did_you_mean(kind, self.loops))
