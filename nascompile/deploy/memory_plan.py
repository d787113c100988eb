"""Where every tensor of a network lies in one block of RAM: buffers shared where they can be, offsets proven least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spaces.lanes import Number
from spaces.operators.memory import Step, buffers

__all__ = ["Buffer", "MemoryPlan", "memory_plan", "planned_buffers"]

#: Seconds after which the best plan found is taken; the answer says whether it is proven.
_SECONDS = 20.0
#: Places that are tried before CP-SAT is asked.
_TRIES = 20_000


@dataclass(frozen=True)
class Buffer:
    """A piece of RAM for as long as it is needed.

    All that lies in it one after another begins at its beginning, or all ends at its end.

    Args:
        first: the step that first writes it; 0 holds the network's input, k is the k-th operator.
        sizes: what is needed of it at that step, at the next one, ...; multiples of the alignment.
    """

    first: int
    sizes: tuple[int, ...]

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
        MemoryPlan(offsets=(0, 6, 0, 14), scratch=((0, 0), (0, 0), (0, 0)), ends=(0, 0), size=16, bound=16, proven=True)
    """
    held, owner, scratch = planned_buffers(x, steps)
    sizes = [x, *(_whole(step.size) for step in steps)]
    tensors, count, needs = len(held), len(steps), [ends[0], *scratch, ends[1]]
    if ends[1]:
        output = held[owner[-1]]
        held[owner[-1]] = Buffer(output.first, (*output.sizes, sizes[-1]))
    held += [Buffer(k, (size,)) for k, size in enumerate(needs) if size]
    bound = max(sum(_size(b, k) for b in held) for k in range(count + 2))
    places = _within(held, bound)
    proven = places is not None
    if places is None:
        places, proven = _packed(held, bound, _first_fit(held))
    offsets = [_start(held[b], places[b], size) for b, size in zip(owner, sizes, strict=True)]
    own = iter(places[tensors:])
    first, *rooms, last = [(next(own)[0] if size else 0, size) for size in needs]
    return MemoryPlan(tuple(offsets), tuple(rooms), (first[0], last[0]), _height(held, places), bound, proven=proven)


def planned_buffers(x: int, steps: Sequence[Step]) -> tuple[list[Buffer], list[int], list[int]]:
    """The buffers of a network, the one in which each tensor lies, and the scratch of each step."""
    found = buffers(x, steps)
    numbers = {own: k for k, own in enumerate(dict.fromkeys(found.owner))}
    sizes: list[list[int]] = [[] for _ in numbers]
    for k in range(len(steps) + 1):
        for own, size in found.alive(k):
            sizes[numbers[own]].append(_whole(size))
    held = [Buffer(own, tuple(sizes[number])) for own, number in numbers.items()]
    return held, [numbers[own] for own in found.owner], [_whole(size) for size in found.scratch]


def _whole(size: Number) -> int:
    assert isinstance(size, int)  # a network is one
    return size


def _size(b: Buffer, step: int) -> int:
    """What is needed of a buffer at a step."""
    return b.sizes[step - b.first] if b.first <= step < b.first + len(b.sizes) else 0


def _start(b: Buffer, place: _Place, size: int) -> int:
    """Where something in a buffer begins."""
    return place[0] + (b.size - size if place[1] else 0)


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
    if len(set(b.sizes)) > 1:
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


def _packed(held: Sequence[Buffer], bound: int, hint: list[_Place]) -> tuple[list[_Place], bool]:
    """The least height by CP-SAT, and whether it is proven."""
    from ortools.sat.python import cp_model

    model, most = cp_model.CpModel(), _height(held, hint)
    height = model.new_int_var(bound, most, "height")
    starts, ends, times, places = [], [], [], []
    for k, b in enumerate(held):
        start, end = model.new_int_var(0, most - b.size, f"start{k}"), model.new_bool_var(f"ends{k}")
        model.add(start + b.size <= height)
        model.add_hint(start, hint[k][0])
        model.add_hint(end, hint[k][1])
        starts.append(start)
        ends.append(end)
        for j, (step, size, long) in enumerate(_pieces(b)):
            at = start
            if size < b.size:
                at = model.new_int_var(0, most - size, f"at{k}.{j}")
                model.add(at == start + (b.size - size) * end)
            times.append(model.new_fixed_size_interval_var(step, long, f"time{k}.{j}"))
            places.append(model.new_fixed_size_interval_var(at, size, f"place{k}.{j}"))
    model.add_no_overlap_2d(times, places)
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers, solver.parameters.max_time_in_seconds = 1, _SECONDS
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return hint, False
    found = [(solver.value(start), bool(solver.value(end))) for start, end in zip(starts, ends, strict=True)]
    return found, status == cp_model.OPTIMAL


def _pieces(b: Buffer) -> Iterator[tuple[int, int, int]]:
    """The steps at which another size of a buffer is needed: which, what size, and for how many steps."""
    start = 0
    for k in range(1, len(b.sizes) + 1):
        if k == len(b.sizes) or b.sizes[k] != b.sizes[start]:
            yield b.first + start, b.sizes[start], k - start
            start = k
