"""The super-network: weights as wide, and kernels as large, as the largest of each place, and networks that take some.

Single path one-shot (Guo et al. 2020) over sizes, as slimmable networks share them (Yu et al. 2019): a network takes
the first channels and the centre of the kernels. What it computes is what its own module computes with these weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod, sqrt

import torch
from torch import nn
from torch.func import functional_call

from samplers.oneshot.sharing import Parameter, Sharing, Taken, Walked
from spaces.language.settings import Settings
from spaces.networks.network import LayerModule, Network
from spaces.program.candidate import Candidate
from spaces.program.graph import Program

__all__ = ["SuperNetwork"]

#: Layers without weights that are kept.
_REMEMBERED = 10_000


class SuperNetwork(nn.Module):
    """The shared weights of all networks of a program, which are drawn as torch draws those of the largest layers.

    Args:
        program: the compiled space.
        seed: of first weights.
        on_progress: called with what is being looked at.

    Attributes:
        sharing: who takes what.

    Raises:
        EngineError: the space has weights that cannot be shared.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("dscnn"), tables=False)
        >>> shared = SuperNetwork(program, seed=0)
        >>> small, large = (parse_candidate(program, "-".join([m] * 6)) for m in ("84", "280"))
        >>> a, b = (dict(shared.network(one).named_parameters()) for one in (small, large))
        >>> name = "layers.2_ds_conv.operators.1.pointwise.weight"
        >>> a[name].shape, torch.equal(a[name], b[name][:84, :84])
        (torch.Size([84, 84, 1, 1]), True)
    """

    def __init__(self, program: Program, seed: int = 0, on_progress: Callable[[str], None] = lambda what: None) -> None:
        super().__init__()
        # As networks are trained.
        self.sharing = Sharing(program, replace(program.space.settings, batch_norm_kept=True), on_progress)
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList(_first(self.sharing.parameters, generator))
        self._layers: dict[int, _Layer] = {}

    def forward(self, candidate: Candidate, x: torch.Tensor) -> torch.Tensor:
        """The logits of one network, with batch norms by the batch itself; gradients reach the weights that it takes.

        Args:
            candidate: of the program.
            x: [n, ...input shape].
        """
        # A series is an image of one row inside.
        x = x.unsqueeze(2) if len(candidate.program.space.input.dims) == 2 else x
        for walked in self.sharing.of(candidate):
            layer = self._layer(walked)
            x = functional_call(layer.module, {name: view(self.weights[one]) for name, one, view in layer.views}, (x,))
        return x

    @torch.no_grad()
    def network(self, candidate: Candidate) -> Network:
        """One network with copies of the weights that it takes; its batch norms know no statistics yet."""
        network = candidate.build(batch_norm="kept").to(self.weights[0].device)
        for own, walked in zip(network.layers, self.sharing.of(candidate), strict=True):
            parameters = dict(own.named_parameters())
            for name, one, view in self._layer(walked).views:
                parameters[name].copy_(view(self.weights[one]))
        return network

    def _layer(self, walked: Walked) -> _Layer:
        """A layer without weights, remembered, since making it takes as long as running it."""
        if id(walked) not in self._layers:
            if len(self._layers) >= _REMEMBERED:
                self._layers.clear()
            self._layers[id(walked)] = _Layer(walked, self.sharing.settings)
        return self._layers[id(walked)]


class _Layer:
    """A layer whose weights are elsewhere.

    Args:
        walked: the layer.
        settings: biases and batch norms.

    Attributes:
        module: it, without weights.
        views: name of each weight, the number of the super-network's, and what of that it is.
    """

    def __init__(self, walked: Walked, settings: Settings) -> None:
        with torch.device("meta"):
            self.module = LayerModule(walked.ops, walked.x, settings).train()
        for one in self.module.modules():
            if isinstance(one, nn.BatchNorm2d):
                # Statistics of a path are of no use to the next.
                one.track_running_stats = False
        shapes = {name: one.shape for name, one in self.module.named_parameters()}
        self.views: list[tuple[str, int, _View]] = []
        for k, taken in enumerate(walked.taken):
            for one in taken:
                name = f"operators.{k}.{one.name}"
                self.views.append((name, one.number, _View(one, shapes[name])))


class _View:
    """What a network takes of a weight, in its own shape.

    Args:
        taken: what.
        shape: of its own.
    """

    def __init__(self, taken: Taken, shape: torch.Size) -> None:
        self.shape, self.window = shape, taken.window
        # The first place, how many, and the places where they are not one after another.
        self.cuts = [
            (own[0], len(own), None if own == tuple(range(own[0], own[0] + len(own))) else torch.tensor(own))
            for own in taken.dims
        ]

    def __call__(self, weights: torch.Tensor) -> torch.Tensor:
        """Of the weights of the super-network."""
        for k, (first, count, places) in enumerate(self.cuts):
            if places is None:
                weights = weights.narrow(k, first, count)
            else:
                weights = weights.index_select(k, places.to(weights.device))
        if self.window:
            for k, side in zip((-2, -1), self.window, strict=True):
                weights = weights.narrow(k, (weights.shape[k] - side) // 2, side)
        return weights.reshape(self.shape)


def _first(parameters: list[Parameter], generator: torch.Generator) -> Iterator[nn.Parameter]:
    """First weights, as torch's own constructors draw them."""
    fan = 1
    for one in parameters:
        if one.role in ("scale", "shift"):
            tensor = torch.full(one.shape, float(one.role == "scale"))
        else:
            # A bias follows the weights that it belongs to.
            fan = prod(one.shape[1:]) if one.role == "weight" else fan
            tensor = (2 * torch.rand(one.shape, generator=generator) - 1) / sqrt(fan)
        yield nn.Parameter(tensor)
