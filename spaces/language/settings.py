"""What a space says of all its layers: data type, biases, batch norms, activations."""

from __future__ import annotations

from dataclasses import dataclass

from spaces.operators import OPERATORS, Op

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What the cost formulas need to know of a space."""

    dtype: str
    bias: bool
    batch_norm_kept: bool
    count_activations: bool

    def has_bias(self, op: Op) -> bool:
        """Whether an operator has a bias per output channel."""
        return op.has_weights and (self.bias if op.bias is None else op.bias)

    def has_norm(self, op: Op) -> bool:
        """Whether an operator stores a scale and a shift per output channel.

        A batch norm that stands alone follows no convolution it could be folded into, so it is always kept.
        """
        return op.norm and (self.batch_norm_kept or OPERATORS[op.kind].normalises)

    def extra_params(self, op: Op) -> int:
        """Values besides the weights: a bias per channel, and a scale and a shift where batch norm is kept."""
        return op.out.channels * (self.has_bias(op) + 2 * self.has_norm(op))
