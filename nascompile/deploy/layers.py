"""Where instructions, RAM and flash of a network go: operator by operator, and the lifetimes of its tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nascompile.compression.network_kernels import kernels
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import Plan, constant_bytes
from nascompile.deploy.float_network import FloatNetwork
from nascompile.deploy.instructions import kernel_calls
from spaces.costs.latency import LatencyProfile
from spaces.operators import KERNELS
from spaces.program.candidate import Candidate
from spaces.tensors import Shape

__all__ = ["LayerRow", "Stay", "fused_activations", "layer_rows", "stays"]


@dataclass(frozen=True)
class Stay:
    """A piece of the arena for as long as something lies there.

    Args:
        first: the step that writes it; 0 holds the network's input, k is the k-th operator.
        last: the last one that reads it.
        begin: byte of the arena.
        end: the byte behind it.
        scratch: it is no tensor but what an operator lays out while it runs.
    """

    first: int
    last: int
    begin: int
    end: int
    scratch: bool = False

    def overlaps(self, other: Stay) -> bool:
        """Whether both have a byte in common, whenever."""
        return self.begin < other.end and other.begin < self.end


@dataclass(frozen=True)
class LayerRow:
    """What an operator takes.

    Args:
        number: its step, from 1 on.
        kind: of operator.
        kernel: the C functions that it calls, without `nc_`; empty where nothing runs.
        output: shape of its output.
        instructions: of its calls, predicted; None where the core was not counted on.
        ram: bytes of the arena that are in use while it runs.
        constants: bytes of its constants in flash.
        note: whether it works in place, is a view, and what is fused into it.
    """

    number: int
    kind: str
    kernel: str
    output: Shape
    instructions: int | None
    ram: int
    constants: int
    note: str


def stays(network: QuantisedNetwork | FloatNetwork, plan: Plan) -> list[Stay]:
    """Tensors of a network in its arena, number k that of the k-th operator, then what operators lay out.

    A view has the place of its tensor, and both stay as long as either is read. What is only there row by row has no
    place of its own.
    """
    quantised = isinstance(network, QuantisedNetwork)
    shapes = [tensor.shape for tensor in network.tensors] if quantised else network.shapes
    width, align = (1, 4) if quantised else (4, 4)
    root = [0]
    for k, op in enumerate(network.ops, 1):
        root.append(root[op.inputs[0]] if KERNELS[op.kind].view else k)
    last = dict.fromkeys(root, 0) | {root[-1]: len(network.ops)}
    for k, op in enumerate(network.ops, 1):
        for source in op.inputs:
            last[root[source]] = max(last[root[source]], k)
    runs = [(call.parts[0].operator + 1, call.operator + 1) for call in plan.calls if call.parts]
    for first, end in runs:
        (source,) = network.ops[first - 1].inputs
        last[root[source]] = max(last[root[source]], end)
    inside = {k for first, end in runs for k in range(first, end)}
    places = [width * offset for offset in plan.memory.offsets]
    result = [
        Stay(k, max(k, last[root[k]]), place, place + -(-shape.size * width // align) * align * (k not in inside))
        for k, (place, shape) in enumerate(zip(places, shapes, strict=True))
    ]
    return result + [
        Stay(k, k, width * place, width * (place + size), scratch=True)
        for k, (place, size) in enumerate(plan.memory.scratch, 1)
        if size
    ]


def fused_activations(candidate: Candidate) -> list[str]:
    """Of each operator of a candidate the activation that its kernel ends with, or `none`."""
    import torch

    with torch.device("meta"):
        chain, _ = kernels(candidate.build())
    return [kernel.clamp for kernel in chain]


def layer_rows(
    network: QuantisedNetwork | FloatNetwork, plan: Plan, activations: list[str], profile: LatencyProfile | None
) -> tuple[LayerRow, ...]:
    """What each operator takes.

    Args:
        network: the network.
        plan: its calls.
        activations: see `fused_activations`.
        profile: of instructions on its core, where that was counted on.

    Example:
        >>> from nascompile.deploy.calls import planned
        >>> from nascompile.deploy.float_network import float_network
        >>> from samplers.testing import example_set
        >>> one = example_set("small")[3]
        >>> network = float_network(one.build())
        >>> rows = layer_rows(network, planned(network), fused_activations(one), None)
        >>> [(row.number, row.kind, row.kernel, row.note) for row in rows][:1]
        [(1, 'linear', 'conv', 'relu fused')]
    """
    found = stays(network, plan)
    shapes = [tensor.shape for tensor in network.tensors] if isinstance(network, QuantisedNetwork) else network.shapes
    rows, calls = [], kernel_calls(plan)
    # What runs row by row does so all at one step.
    by_rows = {part.operator + 1: call.operator + 1 for call in plan.calls for part in call.parts}
    for k, (op, activation) in enumerate(zip(network.ops, activations, strict=True), 1):
        own = [row for row in plan.rows if row.operator == k - 1]
        view = KERNELS[op.kind].view
        notes = ["a view"] if view else []
        if not view and any(found[source].overlaps(found[k]) for source in op.inputs):
            notes.append("in place")
        if activation != "none" and op.kind != "requantise":
            notes.append(f"{activation} fused")
        if k in by_rows:
            notes.append("by rows")
        amount = None
        if profile is not None:
            amount = round(sum(profile.call_amount(call) for operator, call in calls if operator == k - 1))
        rows.append(
            LayerRow(
                k, op.kind, ", ".join(dict.fromkeys(row.kernel for row in own)), shapes[k], amount,
                ram=_covered(stay for stay in found if stay.first <= by_rows.get(k, k) <= stay.last),
                constants=sum(map(constant_bytes, own)), note=", ".join(notes),
            )
        )  # fmt: skip
    return tuple(rows)


def _covered(found: Iterable[Stay]) -> int:
    """Bytes in use, those that several share counted once."""
    total = reached = 0
    for stay in sorted(found, key=lambda stay: stay.begin):
        total += max(0, stay.end - max(reached, stay.begin))
        reached = max(reached, stay.end)
    return total
