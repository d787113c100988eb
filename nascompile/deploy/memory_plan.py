"""Where every tensor of a network lies in one block of RAM: buffers shared where they can be, offsets proven least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from spaces.lanes import Number
from spaces.operators.kernel import Gap
from spaces.operators.memory import Step, buffers, together

__all__ = ["Buffer", "MemoryPlan", "memory_plan", "planned_buffers"]

#: Seconds after which the best plan found is taken; the answer says whether it is proven.
_SECONDS = 20.0
#: Places that are tried before CP-SAT is asked.
_TRIES = 20_000
#: Further than any place.
_FAR = 2**62


class Overlap(NamedTuple):
    """A buffer whose first tensor overlaps the last one of another, which it is made of; see `spaces.operators.gap`.

    Args:
        source: the number of the other.
        before: by how much it begins before that at least, if it begins there.
        behind: by how much it begins behind that at least, if what lies in it ends at its end.
        beside: what is needed beyond its first tensor while that is made.
    """

    source: int
    before: int
    behind: int
    beside: int


@dataclass(frozen=True)
class Buffer:
    """A piece of RAM for as long as it is needed.

    All that lies in it one after another begins at its beginning, or all ends at its end.

    Args:
        first: the step that first writes it; 0 holds the network's input, k is the k-th operator.
        sizes: what is needed of it at that step, at the next one, ...; multiples of the alignment.
        overlap: with the buffer that its first step reads, whose last one it is, if both may overlap.
    """

    first: int
    sizes: tuple[int, ...]
    overlap: Overlap | None = None

    @property
    def size(self) -> int:
        """The most that is needed of it."""
        return max(self.sizes)


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets of tensors.

    Args:
        offsets: of each tensor, in elements.
        scratch: of what each operator may use while it runs, and how many elements that is.
        overlaps: whether each operator goes through pixels with a gap between its output and its input, in which its
            scratch is.
        ends: of what may be used while the input is made, and while the output is read, after the last operator.
        size: of the whole block.
        bound: elements that are alive at once, at most: no plan is smaller.
        proven: whether no other offsets give a smaller block.
    """

    offsets: tuple[int, ...]
    scratch: tuple[tuple[int, int], ...]
    overlaps: tuple[bool, ...]
    ends: tuple[int, int]
    size: int
    bound: int
    proven: bool


#: Where a buffer begins, and whether what lies in it ends at its end.
_Place = tuple[int, bool]


def memory_plan(x: int, steps: Sequence[Step], ends: tuple[int, int] = (0, 0)) -> MemoryPlan:
    """The smallest block that holds every tensor while it is needed, and where in it each lies.

    From the first step on each buffer is put at the lowest or at the highest place that is free while it is needed,
    and another choice is made where one leaves no room for a later one; this nearly always meets the bound of what is
    alive at once. Else CP-SAT places the buffers as rectangles of time and space.

    Args:
        x: size of the network's input.
        steps: the operators, in the order of execution; all sizes are multiples of the alignment.
        ends: elements that are needed beside the input while it is made, and beside the output when all is done.

    Example:
        >>> memory_plan(4, [Step((0,), 10), Step((1,), 6), Step((2,), 2)])
        MemoryPlan(offsets=(0, 6, 0, 14), scratch=((0, 0), (0, 0), (0, 0)), overlaps=(False, False, False),
                   ends=(0, 0), size=16, bound=16, proven=True)
    """
    held, owner, scratch = planned_buffers(x, steps)
    sizes = [x, *(_whole(step.size) for step in steps)]
    tensors, count, needs = len(held), len(steps), [ends[0], *scratch, ends[1]]
    if ends[1]:
        output = held[owner[-1]]
        held[owner[-1]] = replace(output, sizes=(*output.sizes, sizes[-1]))
    held += [Buffer(k, (size,)) for k, size in enumerate(needs) if size]
    bound = max(_alive(held, k) for k in range(count + 2))
    places: Sequence[_Place] | None = _within(held, bound)
    proven = places is not None
    if places is None:
        if any(b.overlap for b in held):
            apart = memory_plan(x, [step._replace(gap=None) for step in steps], ends)
            places, proven = _packed(held, bound, apart.size - 1) if apart.size > bound else (None, True)
            if places is None:
                return replace(apart, bound=bound, proven=proven)
        else:
            places, proven = _packed(held, bound, _height(held, hint := _first_fit(held)), hint)
            places = places or hint
    offsets = [_start(held[b], places[b], size) for b, size in zip(owner, sizes, strict=True)]
    own = iter(places[tensors:])
    first, *rooms, last = [(next(own)[0] if size else 0, size) for size in needs]
    overlaps = [False] * count
    for b, (_, ending) in zip(held, places, strict=False):
        if b.overlap:
            overlaps[b.first - 1], beside, at = True, b.overlap.beside, offsets[b.first]
            rooms[b.first - 1] = (at - beside if ending else at + sizes[b.first], beside)
    return MemoryPlan(
        tuple(offsets), tuple(rooms), tuple(overlaps), (first[0], last[0]),
        size=_height(held, places), bound=bound, proven=proven,
    )  # fmt: skip


def planned_buffers(x: int, steps: Sequence[Step]) -> tuple[list[Buffer], list[int], list[int]]:
    """The buffers of a network, the one in which each tensor lies, and the scratch of each step."""
    found = buffers(x, steps)
    numbers = {own: k for k, own in enumerate(dict.fromkeys(found.owner))}
    overlaps: dict[int, Overlap] = {}
    for k, (step, gap) in enumerate(zip(steps, found.gaps, strict=True), 1):
        if gap:
            overlaps[k] = Overlap(numbers[found.owner[step.inputs[0]]], *map(_whole, gap))
    sizes: list[list[int]] = [[] for _ in numbers]
    for k in range(len(steps) + 1):
        for own, size in found.alive(k):
            more = overlaps[k].beside if own == k and k in overlaps else 0
            sizes[numbers[own]].append(_whole(size) + more)
    held = [Buffer(own, tuple(sizes[number]), overlaps.get(own)) for own, number in numbers.items()]
    return held, [numbers[own] for own in found.owner], [_whole(size) for size in found.scratch]


def _whole(size: Number) -> int:
    assert isinstance(size, int)  # a network is one
    return size


def _size(b: Buffer, step: int) -> int:
    """What is needed of a buffer at a step."""
    return b.sizes[step - b.first] if b.first <= step < b.first + len(b.sizes) else 0


def _overlap(b: Buffer, source: int, step: int) -> Overlap | None:
    """How a buffer overlaps another one at a step, if it does."""
    return b.overlap if b.overlap and b.overlap.source == source and b.first == step else None


def _start(b: Buffer, place: _Place, size: int) -> int:
    """Where something in a buffer begins."""
    return place[0] + (b.size - size if place[1] else 0)


def _alive(held: Sequence[Buffer], step: int) -> int:
    """What is needed at a step."""
    total = sum(_size(b, step) for b in held)
    for b in held:
        if b.overlap and b.first == step:
            size = _size(held[b.overlap.source], step)
            both = together(size, b.sizes[0] - b.overlap.beside, Gap(*b.overlap[1:]))
            total += _whole(both) - size - b.sizes[0]
    return total


def _height(held: Sequence[Buffer], places: Sequence[_Place]) -> int:
    return max(start + b.size for b, (start, _) in zip(held, places, strict=True))


class _Room:
    """Buffers that have their places."""

    def __init__(self, held: Sequence[Buffer]) -> None:
        self.held = held
        self.placed: dict[int, _Place] = {}
        self.there: list[set[int]] = [set() for _ in range(max(b.first + len(b.sizes) for b in held))]

    def put(self, number: int, place: _Place) -> None:
        self.placed[number] = place
        for step in self.steps(number):
            self.there[step].add(number)

    def take(self, number: int) -> None:
        del self.placed[number]
        for step in self.steps(number):
            self.there[step].discard(number)

    def steps(self, number: int) -> range:
        b = self.held[number]
        return range(b.first, b.first + len(b.sizes))

    def taken(self, number: int, ends: bool) -> list[tuple[int, int]]:
        """Where a buffer cannot begin: between two numbers, neither included. Sorted."""
        b, found = self.held[number], set[tuple[int, int]]()
        for step in self.steps(number):
            size = _size(b, step)
            ahead = b.size - size if ends else 0
            for other in self.there[step]:
                own = _size(self.held[other], step)
                start = _start(self.held[other], self.placed[other], own) - ahead
                # What overlaps another itself begins behind what is beside it where that lies before it.
                if over := _overlap(b, other, step):
                    found.add((-_FAR, start + over.behind - over.beside) if ends else (start - over.before, _FAR))
                elif over := _overlap(self.held[other], number, step):
                    back = self.placed[other][1]
                    found.add((start + over.beside - over.behind, _FAR) if back else (-_FAR, start + over.before))
                else:
                    found.add((start - size, start + own))
        return sorted(found)

    def lowest(self, number: int, ends: bool) -> int:
        """The lowest place that is free."""
        place = 0
        for start, end in self.taken(number, ends):
            if start >= place:
                break
            place = max(place, end)
        return place

    def highest(self, number: int, ends: bool, height: int) -> int:
        """The highest place below a height that is free; negative if there is none."""
        place = height - self.held[number].size
        for start, end in sorted(self.taken(number, ends), key=lambda between: -between[1]):
            if end <= place:
                break
            place = min(place, start)
        return place


def _within(held: Sequence[Buffer], height: int) -> list[_Place] | None:
    """Places below a height, if some are found soon."""
    room = _Room(held)
    # What an operator lays out for itself fits where its tensors leave room.
    order = sorted(range(len(held)), key=lambda k: held[k].first)
    ways: list[Iterator[_Place]] = []
    for _ in range(_TRIES):
        if len(ways) == len(order):
            return [room.placed[k] for k in range(len(held))]
        ways.append(_choices(room, order[len(ways)], height))
        place = next(ways[-1], None)
        while place is None:
            ways.pop()
            if not ways:
                return None
            room.take(order[len(ways) - 1])
            place = next(ways[-1], None)
        room.put(order[len(ways) - 1], place)
    return None


def _choices(room: _Room, number: int, height: int) -> Iterator[_Place]:
    """Where a buffer may be put: the ends of memory first."""
    b = room.held[number]
    low = (room.lowest(number, ends=False), False)
    high = (room.highest(number, ends=True, height=height), True)
    every = [low, high] if low[0] == 0 else [high, low]
    if b.overlap or len(set(b.sizes)) > 1:
        every += [(room.lowest(number, ends=True), True), (room.highest(number, ends=False, height=height), False)]
    return iter([place for place in every if 0 <= place[0] <= height - b.size])


def _first_fit(held: Sequence[Buffer]) -> list[_Place]:
    """Each buffer at the lowest place that is free while it is needed, in the best of three orders."""
    numbers, found = range(len(held)), list[list[_Place]]()
    for order in (
        sorted(numbers, key=lambda k: (-held[k].size, held[k].first)),
        sorted(numbers, key=lambda k: (-sum(held[k].sizes), held[k].first)),
        numbers,
    ):
        room = _Room(held)
        for k in order:
            room.put(k, (room.lowest(k, ends=False), False))
        found.append([room.placed[k] for k in numbers])
    return min(found, key=lambda places: _height(held, places))


def _packed(
    held: Sequence[Buffer], bound: int, most: int, hint: Sequence[_Place] = ()
) -> tuple[list[_Place] | None, bool]:
    """Places of the least height up to `most` by CP-SAT, if any are found, and whether it is proven."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    height = model.new_int_var(bound, most, "height")
    starts, ends, times, places = [], [], [], []
    for k, b in enumerate(held):
        start, end = model.new_int_var(0, most, f"start{k}"), model.new_bool_var(f"ends{k}")
        model.add(start + b.size <= height)
        if hint:
            model.add_hint(start, hint[k][0])
            model.add_hint(end, hint[k][1])
        starts.append(start)
        ends.append(end)
    at: dict[tuple[int, int], cp_model.LinearExprT] = {}
    overlapped = {b.overlap.source: b.first for b in held if b.overlap}
    for k, b in enumerate(held):
        for j, (step, size, long) in enumerate(_pieces(b)):
            begin = starts[k]
            if size < b.size:
                begin = model.new_int_var(0, most, f"at{k}.{j}")
                model.add(begin == starts[k] + (b.size - size) * ends[k])
            at |= dict.fromkeys(((k, step + more) for more in range(long)), begin)
            # While another one is made over it, it is only in the way of the rest.
            long -= step + long - 1 == overlapped.get(k)
            if long:
                times.append(model.new_fixed_size_interval_var(step, long, f"time{k}.{j}"))
                places.append(model.new_fixed_size_interval_var(begin, size, f"place{k}.{j}"))
    model.add_no_overlap_2d(times, places)
    for k, b in enumerate(held):
        if not b.overlap:
            continue
        source, before, behind, beside = b.overlap
        own = at[source, b.first]
        model.add(at[k, b.first] + before <= own).only_enforce_if(~ends[k])
        model.add(at[k, b.first] + beside >= own + behind).only_enforce_if(ends[k])
        others = [j for j in range(len(held)) if j != k and (j, b.first) in at]
        model.add_no_overlap(
            model.new_fixed_size_interval_var(at[j, b.first], _size(held[j], b.first), f"beside{k}.{j}") for j in others
        )
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers, solver.parameters.max_time_in_seconds = 1, _SECONDS
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, status == cp_model.INFEASIBLE
    found = [(solver.value(start), bool(solver.value(end))) for start, end in zip(starts, ends, strict=True)]
    return found, status == cp_model.OPTIMAL


def _pieces(b: Buffer) -> Iterator[tuple[int, int, int]]:
    """The steps at which another size of a buffer is needed: which, what size, and for how many steps."""
    start = 0
    for k in range(1, len(b.sizes) + 1):
        if k == len(b.sizes) or b.sizes[k] != b.sizes[start]:
            yield b.first + start, b.sizes[start], k - start
            start = k
