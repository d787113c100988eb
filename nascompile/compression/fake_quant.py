"""A network that computes in floating point what its int8 form will: rounded weights, biases and tensors.

Gradients go through the rounding as if it were not there (Jacob et al. 2018), so that the network can be trained.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nascompile.compression.folding import folded
from nascompile.compression.network_kernels import dead_after, kernels
from nascompile.operators.fixed_point import HIGH, LOW
from spaces.networks.network import Network
from spaces.operators import Kernel
from spaces.operators.activations import ACTIVATIONS

__all__ = ["FakeQuantised", "Range", "weight_scales"]

Tensor = torch.Tensor

#: Biases stay below this many steps, a quarter of what 32 bits hold.
_BIAS_STEPS = 2.0**29


class Range(nn.Module):
    """The least and the greatest value of a tensor, and the 256 steps between them, of which one is zero.

    In training the two are moving averages; in evaluation they stand still.

    Args:
        momentum: weight of a batch in the moving average.

    Attributes:
        low: float32, at most 0.
        high: float32, at least 0.

    Example:
        >>> there = Range()
        >>> there.widen(torch.tensor([0.0, 2.55]))
        >>> there.steps()
        (tensor(0.0100), tensor(-128, dtype=torch.int32))
    """

    low: Tensor
    high: Tensor

    def __init__(self, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    @torch.no_grad()
    def widen(self, x: Tensor) -> None:
        """Make room for these values."""
        low, high = torch.aminmax(x)
        self.low.copy_(torch.minimum(self.low, low))
        self.high.copy_(torch.maximum(self.high, high))

    @torch.no_grad()
    def follow(self, x: Tensor) -> None:
        """Move towards the range of these values."""
        low, high = torch.aminmax(x)
        self.low.lerp_(low.clamp(max=0), self.momentum)
        self.high.lerp_(high.clamp(min=0), self.momentum)

    def steps(self) -> tuple[Tensor, Tensor]:
        """The scale, and the zero point."""
        scale = ((self.high - self.low) / (HIGH - LOW)).clamp(min=1e-12)
        return scale, (LOW - torch.round(self.low / scale)).clamp(LOW, HIGH).to(torch.int32)

    def forward(self, x: Tensor) -> Tensor:
        """The same values in the nearest of 256 steps."""
        if self.training:
            self.follow(x.detach())
        scale, zero = self.steps()
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, LOW, HIGH)


def weight_scales(weight: Tensor, bias: Tensor, x_scale: Tensor) -> Tensor:
    """The scale of each output channel: its largest weight is 127 steps, and its bias fits into 32 bits.

    Args:
        weight: [out, ...].
        bias: [out]; its step is the weights' times that of the input.
        x_scale: of the input.
    """
    largest = weight.detach().abs().flatten(1).amax(1) / HIGH
    return torch.maximum(largest, bias.detach().abs() / (x_scale * _BIAS_STEPS)).clamp(min=1e-12)


class FakeQuantised(nn.Module):
    """A network with its batch norms folded, in simulated int8.

    Args:
        network: with the weights to start from; it stays as it is.

    Attributes:
        kernels: what is computed, in order.
        weights: number of a kernel -> its weights.
        biases: number of a kernel -> its biases.
        ranges: that of the input, then that of each kernel's output.

    Raises:
        CompressionError: an operator that has no int8 kernel.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.kernels, operators = kernels(network)
        self.input_shape, self.line = network.input_shape, network.line
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for k, operator in operators.items():
            weight, bias = folded(operator)
            self.weights[str(k)], self.biases[str(k)] = nn.Parameter(weight), nn.Parameter(bias)
        self.ranges = nn.ModuleList(Range() for _ in range(len(self.kernels) + 1))
        self._dead_after = dead_after(self.kernels)
        self._observing = False

    @torch.no_grad()
    def calibrate(self, batches: list[Tensor]) -> None:
        """Set all ranges to those of the tensors that these inputs make in floating point.

        Args:
            batches: [n, ...] each.
        """
        for there in self._ranges():
            there.low.zero_()
            there.high.zero_()
        self._observing = True
        try:
            for batch in batches:
                self(batch)
        finally:
            self._observing = False

    def forward(self, x: Tensor) -> Tensor:
        """[n, ...] -> what the network gives, in steps of its int8 output."""
        x = x.unsqueeze(2) if len(self.input_shape) == 2 else x
        held = {0: self._rounded(0, x)}
        for k, kernel in enumerate(self.kernels):
            held[k + 1] = self._run(k, kernel, [held[i] for i in kernel.inputs])
            for dead in self._dead_after[k]:
                del held[dead]
        return held[len(self.kernels)]

    def range_of(self, tensor: int) -> Range:
        """The range of a tensor, which it may share with one before it: 0 is the input, k the k-th kernel's output."""
        while tensor and self.kernels[tensor - 1].record.copies:
            tensor = self.kernels[tensor - 1].inputs[0]
        return self._ranges()[tensor]

    def parameters_of(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """The weights of a kernel in steps, its biases in steps, and the scale of its weights.

        Returns:
            float32 [out, ...] and [out], rounded to steps but not divided by them, and [out].
        """
        weight, bias = self.weights[str(number)], self.biases[str(number)]
        x_scale, _ = self.range_of(self.kernels[number].inputs[0]).steps()
        scales = weight_scales(weight, bias, x_scale)
        zeros = torch.zeros(len(scales), dtype=torch.int32, device=weight.device)
        rounded = torch.fake_quantize_per_channel_affine(weight, scales, zeros, axis=0, quant_min=-HIGH, quant_max=HIGH)
        step = scales * x_scale
        return rounded, bias + (torch.round(bias / step) * step - bias).detach(), scales

    def _ranges(self) -> list[Range]:
        return [there for there in self.ranges if isinstance(there, Range)]

    def _rounded(self, tensor: int, x: Tensor) -> Tensor:
        if self._observing:
            self._ranges()[tensor].widen(x)
            return x
        return self.ranges[tensor](x)

    def _run(self, number: int, kernel: Kernel, operands: list[Tensor]) -> Tensor:
        kind = kernel.record
        x = kind.compute(kernel, operands) if kind.compute else self._weighted(number, kernel, operands[0])
        if kind.copies:
            return x
        if kernel.clamp != "none":
            x = ACTIVATIONS[kernel.clamp].compute(x)
        return self._rounded(number + 1, x)

    def _weighted(self, number: int, kernel: Kernel, x: Tensor) -> Tensor:
        if self._observing:
            weight, bias = self.weights[str(number)], self.biases[str(number)]
        else:
            weight, bias, _ = self.parameters_of(number)
        if kernel.record.whole:
            return functional.linear(x.flatten(1), weight, bias)
        top, bottom, left, right = kernel.pads
        padded = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(padded, weight, bias, kernel.stride, groups=kernel.groups)
