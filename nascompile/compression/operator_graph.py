"""The operators of a network in one row, and the same network with other numbers of channels.

A network of a space is known by its operators alone, so that a wider or narrower one can be made of them: windows,
strides and connections stay, numbers of channels change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from nascompile.compression.errors import CompressionError
from spaces.language.settings import Settings
from spaces.networks.network import LayerModule, Network
from spaces.operators import OPERATORS, Op, Ops
from spaces.program.lowering import LoweredLayer
from spaces.tensors import Shape

__all__ = ["OperatorGraph", "Place"]


class Place(NamedTuple):
    """One operator among all of a network.

    Args:
        op: the operator.
        inputs: its operands: 0 is the network's input, k the output of the k-th operator of the network.
        prefix: of its parameters in the network's `state_dict`.
    """

    op: Op
    inputs: tuple[int, ...]
    prefix: str


@dataclass(frozen=True, eq=False)
class OperatorGraph:
    """The operators of a network, layer by layer.

    Args:
        layers: name, shape of the input and operators of each.
        dims: of one example.
        settings: biases and batch norms.
        line: the candidate's text form.
    """

    layers: tuple[tuple[str, Shape, Ops], ...]
    dims: tuple[int, ...]
    settings: Settings
    line: str

    @classmethod
    def of(cls, steps: Iterable[LoweredLayer], dims: tuple[int, ...], settings: Settings, line: str) -> OperatorGraph:
        """That of lowered layers, named as `spaces.networks.network.build` names them."""
        layers = ((f"{k}_{s.layer.spec.block.name}", s.x.shape, s.ops) for k, s in enumerate(steps, start=1))
        return cls(tuple(layers), dims, settings, line)

    @property
    def places(self) -> tuple[Place, ...]:
        """All operators in order."""
        result: list[Place] = []
        for name, _, ops in self.layers:
            held = [len(result)]
            for k, op in enumerate(ops):
                inputs = tuple(held[source] for source in op.inputs)
                held.append(len(result) + 1)
                result.append(Place(op, inputs, f"layers.{name}.operators.{k}."))
        return tuple(result)

    def shape(self, tensor: int) -> Shape:
        """The shape of a tensor: 0 is the network's input, k the output of the k-th operator."""
        return self.places[tensor - 1].op.out if tensor else self.layers[0][1]

    def area(self, tensor: int) -> int:
        """Elements of each channel of a tensor."""
        return self.shape(tensor).height * self.shape(tensor).width

    def build(self, seed: int = 0) -> Network:
        """The network, its weights drawn from `seed` as `spaces.networks.network.build` draws them."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = OrderedDict((name, LayerModule(ops, x, self.settings)) for name, x, ops in self.layers)
        return Network(layers, self.dims, self.line)

    def resized(self, widths: Sequence[int]) -> OperatorGraph:
        """The same operators with other numbers of channels.

        Args:
            widths: output channels of each operator, in order; those that make no channels of their own take what they
                are given.

        Raises:
            CompressionError: operands of a sum or a product differ.
        """
        given = iter(widths)
        x = self.layers[0][1]
        layers: list[tuple[str, Shape, Ops]] = []
        for name, _, ops in self.layers:
            shapes, made = [x], list[Op]()
            for op in ops:
                made.append(_resized(op, [shapes[source] for source in op.inputs], next(given)))
                shapes.append(made[-1].out)
            layers.append((name, x, tuple(made)))
            x = shapes[-1]
        return replace(self, layers=tuple(layers))


def _resized(op: Op, operands: list[Shape], width: int) -> Op:
    x, kind = operands[0], OPERATORS[op.kind]
    if (kind.ties and not kind.joins) and len({shape.channels for shape in operands}) > 1:
        numbers = " and ".join(str(shape.channels) for shape in operands)
        raise CompressionError.of("unequal-operands", f"an operator `{op.kind}` is given {numbers} channels")
    if not kind.produces:
        made = [np.arange(shape.channels) for shape in operands]
        width = len(kind.channels(op, made, x.height * x.width))
    return replace(op, out=op.out._replace(channels=width), **kind.narrowed(op, x, width))
