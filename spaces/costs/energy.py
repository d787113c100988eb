"""What each operator takes of a device's battery, so that the energy of a network is a sum over its operators."""

from __future__ import annotations

from dataclasses import dataclass

from spaces.costs.prices import OperatorPrices, half_up
from spaces.operators import Ops
from spaces.runtimes.tflite_micro import executed
from spaces.tensors import Shape

__all__ = ["Energy"]


@dataclass(frozen=True, kw_only=True)
class Energy(OperatorPrices):
    """The energies of a device's operators, in nanojoules: of the chip, clock and voltage that were measured.

    Each operator is rounded once, to the nearest nanojoule, a half upwards.

    Example:
        >>> from fractions import Fraction
        >>> from spaces.blocks.residual import residual
        >>> from spaces.costs.prices import Terms
        >>> energy = Energy(network=Fraction(20), default=Terms(op=Fraction("10.5")))
        >>> energy.layer_nj(residual(Shape(16, 8, 8), filters=16), Shape(16, 8, 8)), energy.network_nj
        (33, 20)
    """

    @property
    def called(self) -> str:
        """See `OperatorPrices.called`."""
        return "the energy of the latency profile"

    @property
    def network_nj(self) -> int:
        """Nanojoules that every network takes besides its operators."""
        return half_up(self.network)

    def layer_nj(self, ops: Ops, x: Shape) -> int:
        """What a layer takes: the sum over the operators that the device executes for it.

        Args:
            ops: the operators of its block.
            x: shape of its input.

        Returns:
            Nanojoules.

        Raises:
            LatencyError: an operator of a kind without a price.
        """
        return sum(half_up(self.op_amount(*op)) for op in executed(ops, x))
