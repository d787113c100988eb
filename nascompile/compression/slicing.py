"""Removing channels for good: the importance of each, and the weights of what is left."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from nascompile.compression.channels import Channels
from nascompile.compression.folding import folded
from nascompile.compression.network_kernels import layers_of, operators_of
from nascompile.compression.operator_graph import OperatorGraph, Place
from spaces.networks.network import Network
from spaces.operators import KERNELS

__all__ = ["importance", "kept_weights"]

Tensor = torch.Tensor


@torch.no_grad()
def importance(graph: OperatorGraph, channels: Channels, network: Network) -> NDArray[np.float64]:
    """Per number of a channel, the L2 norm of all weights that go with it.

    These are the filters that make it and the weights that read it, in every operator that its set ties together. Batch
    norms are folded first: before one, the size of a filter means nothing.

    Args:
        graph: the operators of the network.
        channels: those of `graph`.
        network: with the weights.
    """
    squares = np.zeros(max(int(n.max()) for n in channels.numbers) + 1)
    operators = [operator for layer in layers_of(network) for operator in operators_of(layer)]
    for k, (place, operator) in enumerate(zip(graph.places, operators, strict=True)):
        if not place.op.has_weights:
            continue
        square = folded(operator)[0].double().square()
        np.add.at(squares, channels.numbers[k + 1], square.flatten(1).sum(1).numpy())
        if place.op.groups == 1:
            read = _elements(channels, graph, place)
            np.add.at(squares, read, square.transpose(0, 1).flatten(1).sum(1).numpy())
    return np.sqrt(squares)


def kept_weights(
    graph: OperatorGraph, channels: Channels, weights: Mapping[str, Tensor], kept: NDArray[np.bool_]
) -> dict[str, Tensor]:
    """The `state_dict` without the channels that are removed.

    Args:
        graph: the operators.
        channels: those of `graph`.
        weights: `state_dict` of its network.
        kept: per number of a channel, whether it stays.
    """
    result: dict[str, Tensor] = {}
    prefixes = {place.prefix: k for k, place in enumerate(graph.places)}
    for name, tensor in weights.items():
        k = prefixes[".".join(name.split(".")[:4]) + "."]
        place = graph.places[k]
        if tensor.ndim:
            tensor = tensor[torch.from_numpy(kept[channels.numbers[k + 1]])]
        if tensor.ndim > 1 and place.op.groups == 1:
            tensor = tensor[:, torch.from_numpy(kept[_elements(channels, graph, place)])]
        result[name] = tensor.detach().clone()
    return result


def _elements(channels: Channels, graph: OperatorGraph, place: Place) -> NDArray[np.int64]:
    """The number of what each input weight reads: a linear layer reads every element of a feature map."""
    tensor = place.inputs[0]
    return np.repeat(channels.numbers[tensor], graph.area(tensor) if KERNELS[place.op.kind].whole else 1)
