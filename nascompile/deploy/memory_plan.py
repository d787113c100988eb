"""Where every tensor of a network lies in one block of RAM: buffers shared where they can be, offsets proven least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from spaces.operators import KERNELS

__all__ = ["Buffer", "MemoryPlan", "PlannedCall", "buffers", "memory_plan"]

#: Seconds after which the best plan found is taken; the answer says whether it is proven.
_SECONDS = 20.0


class PlannedCall(Protocol):
    """What a plan must know of a kernel call."""

    @property
    def kind(self) -> str:
        """Of the kernel."""
        ...

    @property
    def inputs(self) -> tuple[int, ...]:
        """Tensors that it reads."""
        ...


@dataclass(frozen=True)
class Buffer:
    """A piece of RAM for as long as it is needed.

    Args:
        size: elements.
        first: the step that first writes it; 0 holds the network's input, k is the k-th operator.
        last: the last step that reads it, or writes it.
    """

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets of tensors.

    Args:
        offsets: of each tensor, in elements.
        scratch: of what each operator may use while it runs, and how many elements that is.
        ends: of what may be used while the input is made, and while the output is read, after the last operator.
        size: of the whole block.
        bound: elements that are alive at once, at most: no plan is smaller.
        proven: whether no other offsets give a smaller block.
    """

    offsets: tuple[int, ...]
    scratch: tuple[tuple[int, int], ...]
    ends: tuple[int, int]
    size: int
    bound: int
    proven: bool


def memory_plan(
    sizes: Sequence[int],
    steps: Sequence[PlannedCall],
    scratch: Sequence[int] = (),
    align: int = 1,
    ends: tuple[int, int] = (0, 0),
) -> MemoryPlan:
    """The smallest block that holds every tensor while it is needed, and where in it each lies.

    A first-fit in three orders often meets the bound of what is alive at once; else CP-SAT places the buffers as
    rectangles of time and space.

    Args:
        sizes: elements of the input, then of each operator's output.
        steps: the operators, in the order of execution.
        scratch: elements that each of them needs beside its tensors; none by default.
        align: all offsets are multiples of it.
        ends: elements that are needed beside the input while it is made, and beside the output when all is done.

    Example:
        >>> from nascompile.operators.quantised_op import QuantisedOp
        >>> chain = [QuantisedOp("conv", (0,)), QuantisedOp("conv", (1,)), QuantisedOp("conv", (2,))]
        >>> memory_plan([4, 10, 6, 2], chain)
        MemoryPlan(offsets=(10, 0, 10, 0), scratch=((0, 0), (0, 0), (0, 0)), ends=(0, 0), size=16, bound=16,
                   proven=True)
    """
    held, owner = buffers(sizes, steps)
    tensors, count = len(held), len(steps)
    needs = [ends[0], *(scratch or [0] * count), ends[1]]
    if ends[1]:
        held[owner[-1]] = replace(held[owner[-1]], last=count + 1)
    # Sizes in units of `align`, so that every offset is one of them.
    held = [replace(b, size=-(-b.size // align)) for b in held]
    held += [Buffer(-(-size // align), k, k) for k, size in enumerate(needs) if size]
    bound = max(sum(b.size for b in held if b.first <= k <= b.last) for k in range(count + 2))
    result = min((_first_fit(held, order) for order in _orders(held)), key=lambda offsets: _height(held, offsets))
    proven = _height(held, result) == bound
    if not proven:
        result, proven = _packed(held, bound, result)
    places = [align * offset for offset in result]
    own = iter(places[tensors:])
    first, *rooms, last = [(next(own) if size else 0, size) for size in needs]
    return MemoryPlan(
        tuple(places[b] for b in owner), tuple(rooms), (first[0], last[0]),
        align * _height(held, result), align * bound, proven=proven,
    )  # fmt: skip


def buffers(sizes: Sequence[int], steps: Sequence[PlannedCall]) -> tuple[list[Buffer], list[int]]:
    """The buffers of a network, and the one in which each tensor lies.

    A flattened tensor is a view. An addition, a product, a look-up and a ReLU on its own overwrite an operand that
    nothing reads later, the last such one.
    """
    last = {k + 1: k + 1 for k in range(len(steps))} | {s: k for k, step in enumerate(steps, 1) for s in step.inputs}
    last[len(steps)] = len(steps)
    owner, held = [0], [[sizes[0], 0, last.get(0, 0)]]
    for k, step in enumerate(steps, 1):
        dead = [s for s in step.inputs if held[owner[s]][2] <= k and sizes[s] == sizes[k]]
        kind = KERNELS[step.kind]
        if kind.view:
            owner.append(owner[step.inputs[0]])
        elif kind.in_place and dead:
            owner.append(owner[dead[-1]])
        else:
            owner.append(len(held))
            held.append([sizes[k], k, k])
        held[owner[k]][2] = max(held[owner[k]][2], last[k])
    return [Buffer(*b) for b in held], owner


def _orders(held: list[Buffer]) -> list[list[int]]:
    numbers = range(len(held))
    return [
        sorted(numbers, key=lambda b: (-held[b].size, held[b].first)),
        sorted(numbers, key=lambda b: (-held[b].size * (1 + held[b].last - held[b].first), held[b].first)),
        list(numbers),
    ]


def _together(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last


def _first_fit(held: list[Buffer], order: Sequence[int]) -> list[int]:
    """Each buffer at the lowest place that is free while it is needed."""
    offsets: dict[int, int] = {}
    for b in order:
        taken = sorted((offsets[o], offsets[o] + held[o].size) for o in offsets if _together(held[b], held[o]))
        place = 0
        for start, end in taken:
            if start - place >= held[b].size:
                break
            place = max(place, end)
        offsets[b] = place
    return [offsets[b] for b in range(len(held))]


def _height(held: list[Buffer], offsets: Sequence[int]) -> int:
    return max(offset + b.size for b, offset in zip(held, offsets, strict=True))


def _packed(held: list[Buffer], bound: int, hint: list[int]) -> tuple[list[int], bool]:
    """The least height by CP-SAT, and whether it is proven."""
    from ortools.sat.python import cp_model

    model, most = cp_model.CpModel(), _height(held, hint)
    height = model.new_int_var(bound, most, "height")
    offsets, times, places = [], [], []
    for k, b in enumerate(held):
        offset = model.new_int_var(0, most - b.size, f"offset{k}")
        model.add(offset + b.size <= height)
        model.add_hint(offset, hint[k])
        offsets.append(offset)
        times.append(model.new_fixed_size_interval_var(b.first, b.last - b.first + 1, f"time{k}"))
        places.append(model.new_fixed_size_interval_var(offset, b.size, f"place{k}"))
    model.add_no_overlap_2d(times, places)
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers, solver.parameters.max_time_in_seconds = 1, _SECONDS
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return hint, False
    return [solver.value(offset) for offset in offsets], status == cp_model.OPTIMAL
