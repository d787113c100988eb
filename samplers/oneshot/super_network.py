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

from samplers.oneshot.sharing import Parameter, Sharing, Taken
from spaces.networks.network import Network
from spaces.program.candidate import Candidate
from spaces.program.graph import Program

__all__ = ["SuperNetwork"]


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

    def forward(self, candidate: Candidate, x: torch.Tensor) -> torch.Tensor:
        """The logits of one network, with batch norms by the batch itself; gradients reach the weights that it takes.

        Args:
            candidate: of the program.
            x: [n, ...input shape].
        """
        with torch.device("meta"):
            module = candidate.build(batch_norm="kept")
        for one in module.modules():
            if isinstance(one, nn.BatchNorm2d):
                # Statistics of a path are of no use to the next.
                one.track_running_stats = False
        module.train()
        return functional_call(module, dict(self._views(candidate, module)), (x,))

    @torch.no_grad()
    def network(self, candidate: Candidate) -> Network:
        """One network with copies of the weights that it takes; its batch norms know no statistics yet."""
        module = candidate.build(batch_norm="kept").to(self.weights[0].device)
        own = dict(module.named_parameters())
        for name, view in self._views(candidate, module):
            own[name].copy_(view)
        return module

    def _views(self, candidate: Candidate, module: Network) -> Iterator[tuple[str, torch.Tensor]]:
        """The weights that a network takes, by the names and in the shapes of its own."""
        shapes = {name: one.shape for name, one in module.named_parameters()}
        for (layer, _), operators in zip(module.layers.named_children(), self.sharing.of(candidate), strict=True):
            for k, taken in enumerate(operators):
                for one in taken:
                    name = f"layers.{layer}.operators.{k}.{one.name}"
                    yield name, _view(self.weights[one.number], one).reshape(shapes[name])


def _view(weights: torch.Tensor, taken: Taken) -> torch.Tensor:
    for dim, places in enumerate(taken.dims):
        first, n = places[0], len(places)
        if places == tuple(range(first, first + n)):
            weights = weights.narrow(dim, first, n)
        else:
            weights = weights.index_select(dim, torch.tensor(places, device=weights.device))
    if taken.window:
        for dim, side in zip((-2, -1), taken.window, strict=True):
            weights = weights.narrow(dim, (weights.shape[dim] - side) // 2, side)
    return weights


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
