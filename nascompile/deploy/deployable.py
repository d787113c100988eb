"""What is deployed: a network with its weights, in int8 or float32, and what it must compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.ends import Ends
from nascompile.deploy.float_network import FloatNetwork, float_network
from nascompile.deploy.project import Vectors
from spaces.program.candidate import Candidate
from spaces.program.shipping import Shipping
from spaces.runtimes.around import NOTHING, Around
from spaces.targets.target import Target

if TYPE_CHECKING:
    from spaces.networks.network import Network

__all__ = ["Deployable", "float_deployable", "predicted", "untrained"]

#: Inputs of the check.
_VECTORS = 8


@dataclass(frozen=True, eq=False)
class Deployable:
    """A network to deploy.

    Args:
        candidate: which one.
        network: its kernels with their constants.
        reference: inputs [n, ...] of its data type -> outputs.
        trained: whether its weights were.
        ends: what lies before and behind it; None where no data say it.
    """

    candidate: Candidate
    network: QuantisedNetwork | FloatNetwork
    reference: Callable[[NDArray[Any]], NDArray[Any]]
    trained: bool
    ends: Ends | None = None

    @property
    def dtype(self) -> str:
        """`int8` or `float32`."""
        return "int8" if isinstance(self.network, QuantisedNetwork) else "float32"

    @property
    def rooms(self) -> tuple[int, int]:
        """Bytes beside the input while it is made, and beside the output while it is understood."""
        if self.ends is None:
            return 0, 0
        out = self.network.tensors[-1].shape if isinstance(self.network, QuantisedNetwork) else self.network.shapes[-1]
        return self.ends.rooms(out.size)

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """What outputs of the network stand for."""
        if not isinstance(self.network, QuantisedNetwork):
            return outputs
        last = self.network.tensors[-1]
        return ((outputs.astype(np.int32) - last.zero_point) * last.scale).astype(np.float32)

    def quantised(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Normalised inputs as the network takes them."""
        return self.network.quantise(x) if isinstance(self.network, QuantisedNetwork) else x

    def vectors(self, seed: int = 0) -> Vectors:
        """Random inputs over the whole range, one of them all zeros, and what the network must make of them."""
        generator = np.random.default_rng(seed)
        shape = (_VECTORS, *self.network.input_shape)
        if self.dtype == "int8":
            inputs = generator.integers(-128, 128, shape, np.int8)
        else:
            inputs = generator.normal(size=shape).astype(np.float32)
        inputs[0] = 0
        return Vectors(inputs, self.reference(inputs))


def untrained(candidate: Candidate, dtype: str, seed: int = 0) -> Deployable:
    """A candidate with weights as training begins with: its sizes and its speed are those of the trained network.

    Args:
        candidate: the network.
        dtype: `int8`, calibrated on normally distributed inputs, or `float32`.
        seed: of weights and inputs.
    """
    import torch

    from nascompile.compression.fake_quant import FakeQuantised
    from nascompile.compression.integers import integers

    network = candidate.build(seed=seed, batch_norm="kept").eval()
    if dtype == "float32":
        return float_deployable(candidate, network, trained=False)
    generator = torch.Generator().manual_seed(seed)
    simulated = FakeQuantised(network).eval()
    simulated.calibrate([torch.randn(_VECTORS, *network.input_shape, generator=generator)])
    quantised = integers(simulated)
    return Deployable(candidate, quantised, quantised.run, trained=False)


def float_deployable(candidate: Candidate, network: Network, trained: bool) -> Deployable:
    """A network in floating point, checked against PyTorch."""
    from nascompile.training.tasks import outputs

    return Deployable(candidate, float_network(network), lambda x: outputs(network, x), trained)


def predicted(candidate: Candidate, target: Target, dtype: str, around: Around = NOTHING) -> dict[str, int]:
    """What the cost model says of a candidate's C, before there is any.

    Args:
        candidate: the network.
        target: the chip.
        dtype: `int8` or `float32`.
        around: what there is before and behind it.

    Returns:
        `ram`, what is alive at once; `ram_pingpong`, EBS Eq. 4; `macs`; `rom`, where the runtime was measured on the
        target's core.
    """
    shipping = Shipping.of(candidate.program, dtype, target, around)
    costs = shipping.costs(candidate)
    names = ["ram", "ram_pingpong", "macs", *(["rom"] if shipping.measured else [])]
    return {name: int(costs[name]) for name in names}
