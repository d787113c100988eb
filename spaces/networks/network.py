"""A candidate as a PyTorch module: its operators one by one, so that what runs is what was counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from spaces.language.settings import Settings
from spaces.language.space import Space
from spaces.operators import OPERATORS, Op, Ops
from spaces.operators.activations import ACTIVATIONS
from spaces.program.lowering import LoweredLayer, lower_chain
from spaces.program.variants import Variant
from spaces.tensors import Shape

__all__ = ["LayerModule", "Network", "Operator", "build", "super_network"]


class Operator(nn.Sequential):
    """One operator: the sum of its operands, then its own module, batch norm and activation.

    A kind that joins (a concatenation, a product) is given the operands one by one.

    Args:
        op: the operator.
        x: shape of its first operand.
        settings: biases and batch norms of the space.
    """

    def __init__(self, op: Op, x: Shape, settings: Settings) -> None:
        kind = OPERATORS[op.kind]
        parts: list[tuple[str, nn.Module]] = [(op.kind, kind.module(op, x, settings.has_bias(op)))]
        if settings.has_norm(op) and not kind.normalises:
            parts.append(("norm", nn.BatchNorm2d(op.out.channels)))
        if op.activation != "none":
            parts.append(("activation", ACTIVATIONS[op.activation].module()))
        super().__init__(OrderedDict(p for p in parts if not isinstance(p[1], nn.Identity) or len(parts) == 1))
        self.op, self.joins = op, kind.joins

    def forward(self, input: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Each operand is [n, channels, height, width] or [n, channels]; so is the output."""
        first, *behind = self
        x = first(input, *others) if self.joins else first(_sum((input, *others)))
        for module in behind:
            x = module(x)
        return x


class LayerModule(nn.Module):
    """One layer of a network: the operators of its block, each fed by the layer's input or by earlier ones.

    Args:
        ops: the block's operators.
        x: shape of the layer's input.
        settings: biases and batch norms of the space.
    """

    def __init__(self, ops: Ops, x: Shape, settings: Settings) -> None:
        super().__init__()
        self.ops = ops
        shapes = [x, *(op.out for op in ops)]
        self.operators = nn.ModuleList(Operator(op, shapes[op.inputs[0]], settings) for op in ops)
        # What nothing reads goes as soon as it is made; the output stays.
        last = {k + 1: k for k in range(len(ops) - 1)} | {s: k for k, op in enumerate(ops) for s in op.inputs}
        self._dead_after = [[s for s, k in last.items() if k == step] for step in range(len(ops))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the operators in order; a tensor is let go of as soon as nothing reads it any more."""
        held: dict[int, torch.Tensor] = {0: x}
        del x
        for k, (op, operator) in enumerate(zip(self.ops, self.operators, strict=True)):
            held[k + 1] = operator(*(held[source] for source in op.inputs))
            for source in self._dead_after[k]:
                del held[source]
        return held[len(self.ops)]


def _sum(operands: Sequence[torch.Tensor]) -> torch.Tensor:
    total = operands[0]
    for operand in operands[1:]:
        total = total + operand
    return total


class Network(nn.Module):
    """A candidate's network. Takes [n, channels, height, width], [n, channels, length] or [n, channels]; gives logits.

    Args:
        layers: named layers, in order.
        input_shape: of one example, without n.
        line: the candidate's text form.
    """

    def __init__(self, layers: OrderedDict[str, LayerModule], input_shape: tuple[int, ...], line: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict(layers.items()))
        self.input_shape = input_shape
        self.line = line

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, [n, classes], or whatever the last layer gives; a series is an image of one row inside."""
        return self.layers(x.unsqueeze(2) if len(self.input_shape) == 2 else x)


def build(
    space: Space, steps: Iterable[LoweredLayer], line: str, *, seed: int = 0, batch_norm: str | None = None
) -> Network:
    """The PyTorch module of lowered layers, in training mode; `Candidate.build` gives it of a candidate.

    Weights and biases are drawn as torch's own constructors draw them (He et al. 2015 with a = sqrt 5: uniform within
    +-1/sqrt(fan in)), batch norms start at 1 and 0; from `seed`, whatever the global generator has drawn, and without
    disturbing it.

    Args:
        space: the space of the network.
        steps: its layers.
        line: the candidate's text form.
        seed: of the initial weights.
        batch_norm: `kept` has a batch norm behind every convolution that may have one, `folded` has none; the space's
            own setting by default, which is what the candidate's costs count.

    Raises:
        ValueError: `batch_norm` is neither.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> c = parse_candidate(compile_space(load_space("dscnn")), "84-112-84-84-84-196")
        >>> net = c.build(seed=1)
        >>> sum(p.numel() for p in net.parameters()), c.costs["params"], net(torch.zeros(2, 1, 49, 10)).shape
        (59136, 59136, torch.Size([2, 12]))
    """
    settings = _settings(space, batch_norm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = OrderedDict(
            (f"{k}_{step.layer.spec.block.name}", LayerModule(step.ops, step.x.shape, settings))
            for k, step in enumerate(steps, start=1)
        )
    return Network(layers, space.input.dims, line)


def super_network(
    space: Space,
    variant: Variant,
    operators: Mapping[str, tuple[str, ...]],
    *,
    seed: int = 0,
    batch_norm: str | None = None,
) -> Network:
    """The network in which every edge of a cell sums several operators, as pruning searches start from (MONAS, TE-NAS).

    Args:
        space: a cell space.
        variant: one of its variants, all of whose decisions are edges of cells.
        operators: label of each edge -> the operators on it.
        seed: of the initial weights; see `build`.
        batch_norm: see `build`.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.variants import unroll
        >>> space = load_space("nasbench201", ["choices.C.options=[4]", "choices.N.options=[1]"])
        >>> (variant,) = unroll(space)
        >>> net = super_network(space, variant, {d.label: d.options for d in variant.decisions})
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    line = ", ".join(f"{label}: {'|'.join(names)}" for label, names in operators.items())
    steps = lower_chain(space, variant, operators)
    return build(space, steps, f"{space.name}: {line}", seed=seed, batch_norm=batch_norm)


def _settings(space: Space, batch_norm: str | None) -> Settings:
    if batch_norm not in (None, "kept", "folded"):
        raise ValueError(f"`batch_norm` must be `kept` or `folded`, not {batch_norm!r}")
    kept = space.settings.batch_norm_kept if batch_norm is None else batch_norm == "kept"
    return replace(space.settings, batch_norm_kept=kept)
