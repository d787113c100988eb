"""The offset plan: nothing that is still needed is overwritten, and no other offsets take less RAM."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascompile.deploy import memory_plan as planning
from nascompile.deploy.memory_plan import MemoryPlan, memory_plan, planned_buffers
from spaces.language.library import library
from spaces.operators.kernel import Gap, instruction_set
from spaces.operators.memory import Step, kernel_steps, needed
from spaces.program.breakdown import totals
from spaces.tensors import DTYPES
from tests.deploy.tools import candidates, chain_of


@st.composite
def graphs(
    draw: st.DrawFn, most: int = 12, reach: int = 4, largest: int = 12, align: int = 1, over: bool = False
) -> tuple[int, list[Step]]:
    """The size of the input, and steps: all sizes multiples of a number."""
    size = st.integers(1, largest).map(lambda n: n * align)
    scratch = st.integers(0, 9).map(lambda n: n * align) if over else st.just(0)
    x, steps = draw(size), list[Step]()
    for k in range(draw(st.integers(1, most))):
        sizes = [x, *(step.size for step in steps)]
        sources = st.integers(max(0, k - reach), k)
        kind = draw(st.sampled_from(["apart", "apart", "many", "add", "lookup", "view", *(["over", "gap"] * 3 * over)]))
        one = draw(sources)
        match kind:
            case "add":
                others = [s for s in range(k + 1) if sizes[s] == sizes[one]]
                inputs = tuple(draw(st.permutations([one, draw(st.sampled_from(others))])))
                steps.append(Step(inputs, sizes[one], elementwise=True))
            case "lookup" | "view":
                steps.append(Step((one,), sizes[one], view=kind == "view", elementwise=kind == "lookup"))
            case "many":
                inputs = tuple(draw(st.lists(sources, min_size=2, max_size=3)))
                steps.append(Step(inputs, draw(size), scratch=draw(scratch)))
            case "gap":
                parts = Gap(draw(scratch), draw(scratch), draw(scratch))
                steps.append(Step((one,), draw(size), scratch=draw(scratch), gap=parts))
            case _:
                own = draw(scratch) if kind == "over" else None
                steps.append(Step((one,), draw(size), scratch=draw(scratch), over=own))
    return x, steps


def run_on_paper(x: int, steps: Sequence[Step], plan: MemoryPlan) -> None:
    """Execute the steps on a memory that knows what each of its elements holds."""
    memory: list[tuple[int, int] | None] = [None] * plan.size
    names, sizes = [0], [x, *(int(step.size) for step in steps)]

    def holds(tensor: int, element: int) -> bool:
        return memory[plan.offsets[tensor] + element] == (names[tensor], element)

    for element in range(x):
        memory[plan.offsets[0] + element] = (0, element)
    for k, step in enumerate(steps, 1):
        names.append(names[step.inputs[0]] if step.view else k)
        one, own = step.inputs[0], plan.offsets[k]
        meet = own < plan.offsets[one] + sizes[one] and plan.offsets[one] < own + sizes[k]
        same_end = own + sizes[k] == plan.offsets[one] + sizes[one]
        over = step.over is not None and meet and (own == plan.offsets[one] or same_end)
        start, size = plan.scratch[k - 1]
        if plan.overlaps[k - 1]:
            assert step.gap
            assert all(holds(one, e) for e in range(sizes[one]))
            ahead = own + step.gap.before <= plan.offsets[one]
            assert ahead or own >= plan.offsets[one] + step.gap.behind
            assert (start, size) == (own + sizes[k] if ahead else own - step.gap.beside, step.gap.beside)
            assert 0 <= start <= plan.size - size
            memory[start : start + size] = [None] * size
            memory[own : own + sizes[k]] = [(k, element) for element in range(sizes[k])]
            continue
        assert size == (step.over if over else step.scratch)
        # While it runs, and before it has read anything, its scratch may be written.
        memory[start : start + size] = [None] * size
        for element in range(sizes[k]):
            for source in step.inputs:
                same = step.elementwise and sizes[source] == sizes[k]
                # What is not read element by element must be whole from the first element written to the last.
                needed = [element] if same else [] if over and element else range(sizes[source])
                assert all(holds(source, e) for e in needed), (k, step)
            if not step.view:
                memory[own + element] = (k, element)
        memory[start : start + size] = [None] * size
        assert all(holds(k, e) for e in range(sizes[k]))
    assert all(holds(len(steps), e) for e in range(sizes[-1]))


@given(st.integers(1, 4).flatmap(lambda align: st.tuples(st.just(align), graphs(align=align, over=True))))
def test_nothing_that_is_needed_is_overwritten(drawn: tuple[int, tuple[int, list[Step]]]) -> None:
    align, (x, steps) = drawn
    plan = memory_plan(x, steps)
    run_on_paper(x, steps, plan)
    assert all(at % align == 0 for at in (*plan.offsets, *(start for start, _ in plan.scratch)))
    assert plan.size >= plan.bound == needed(x, steps)


@given(graphs(over=True), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_what_is_needed_beside_input_and_output_is_theirs(graph: tuple[int, list[Step]], ends: tuple[int, int]) -> None:
    x, steps = graph
    plan = memory_plan(x, steps, ends)
    run_on_paper(x, steps, plan)
    for at, size, tensor, own in zip(
        plan.ends, ends, (plan.offsets[0], plan.offsets[-1]), (x, steps[-1].size), strict=True
    ):
        assert size == 0 or at + size <= tensor or tensor + own <= at
        assert at + size <= plan.size


@given(graphs(reach=0, over=True))
def test_a_chain_takes_what_is_alive_at_once(graph: tuple[int, list[Step]]) -> None:
    """Whatever lies over what: the buffers take the two ends of memory in turn, with scratch between them."""
    x, steps = graph
    chain = [step._replace(inputs=step.inputs[:1]) for step in steps]
    plan = memory_plan(x, chain)
    assert (plan.size, plan.proven) == (needed(x, chain), True)


def lower_exists(held: Sequence[planning.Buffer], height: int) -> bool:
    """Whether offsets below this height exist, by trying: from the lowest up, each buffer lies on those under it."""
    offsets: dict[int, int] = {}
    spans = [range(b.first, b.first + len(b.sizes)) for b in held]

    def place(lowest: tuple[int, int]) -> bool:
        if len(offsets) == len(held):
            return True
        for b in set(range(len(held))) - set(offsets):
            under = [o for o in offsets if set(spans[o]) & set(spans[b])]
            offset = max((offsets[o] + held[o].size for o in under), default=0)
            if (offset, b) > lowest and offset + held[b].size < height:
                offsets[b] = offset
                if place((offset, b)):
                    return True
                del offsets[b]
        return False

    alive = (
        sum(b.size for b, span in zip(held, spans, strict=True) if k in span) for k in range(max(map(max, spans)) + 1)
    )
    return max(alive) < height and place((0, -1))


@given(graphs(most=7, largest=9))
def test_no_other_offsets_take_less(graph: tuple[int, list[Step]]) -> None:
    x, steps = graph
    plan = memory_plan(x, steps)
    held, _, _ = planned_buffers(x, steps)
    assert plan.proven
    assert not lower_exists(held, plan.size)
    assert lower_exists(held, plan.size + 1)


def chain(sizes: Sequence[int], *inputs: tuple[int, ...]) -> tuple[int, list[Step]]:
    return sizes[0], [Step(sources, size) for sources, size in zip(inputs, sizes[1:], strict=True)]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heights of the plans that are left to CP-SAT."""
    real, asked = planning._packed, []

    def packed(held: list[planning.Buffer], bound: int, most: int, hint: list[tuple[int, bool]]) -> object:
        asked.append(most)
        return real(held, bound, most, hint)

    monkeypatch.setattr(planning, "_packed", packed)
    return asked


def test_the_bound_cannot_always_be_met(left: list[int]) -> None:
    """Never more than 8 elements are alive at once, and no offsets do with less than 9."""
    x, steps = chain(
        [4, 4, 1, 1, 2, 1, 1, 4, 3, 1, 2],
        (0,), (1,), (2,), (1, 3), (4,), (4, 5), (2, 6), (3, 7), (7, 8), (8, 9),
    )  # fmt: skip
    plan = memory_plan(x, steps)
    assert (len(left), plan.size, plan.bound, plan.proven) == (1, 9, 8, True)
    assert not lower_exists(planned_buffers(x, steps)[0], 9)
    run_on_paper(x, steps, plan)


def test_random_networks_with_skips_are_packed_best(left: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """By trying places, and by CP-SAT where nothing is tried."""
    rng = random.Random(0)
    for tries in (20_000, 0):
        monkeypatch.setattr(planning, "_TRIES", tries)
        for _ in range(100):
            skips = [(k, *(s for s in range(k) if rng.random() < 0.12)) for k in range(7)]
            x, steps = chain([rng.randint(1, 12) for _ in range(8)], *skips)
            plan = memory_plan(x, steps)
            assert plan.proven
            assert not lower_exists(planned_buffers(x, steps)[0], plan.size)
            run_on_paper(x, steps, plan)
    assert len(left) >= 100


def test_without_time_the_best_known_is_taken_and_not_called_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_SECONDS", 0.0)
    monkeypatch.setattr(planning, "_TRIES", 0)
    x, steps = chain([3, 2, 2, 3, 3], (0,), (1,), (2,), (3,))
    plan = memory_plan(x, steps)
    assert (plan.size, plan.bound, plan.proven) == (7, 6, False)
    run_on_paper(x, steps, plan)


def test_buffers_of_several_sizes_are_packed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By CP-SAT alone what is found by trying."""
    rng = random.Random(0)
    for _ in range(40):
        sizes = [rng.randint(1, 12) for _ in range(7)]
        steps = [Step((max(0, k - rng.randint(0, 1)),), size, scratch=2, over=2) for k, size in enumerate(sizes[1:])]
        found = []
        for tries in (20_000, 0):
            monkeypatch.setattr(planning, "_TRIES", tries)
            plan = memory_plan(sizes[0], steps)
            assert plan.proven
            run_on_paper(sizes[0], steps, plan)
            found.append(plan.size)
        assert found[0] == found[1]


def test_what_is_overwritten() -> None:
    def taken(x: int, *steps: Step) -> int:
        return memory_plan(x, steps).size

    one = Step((0,), 8, elementwise=True)
    assert taken(8, one, one._replace(inputs=(1,))) == 8
    # A residual connection: the sum overwrites the operand that nothing reads later.
    added = Step((1, 0), 8, elementwise=True)
    assert taken(8, Step((0,), 8), added, Step((2,), 2)) == 16
    # Both are read later: nothing can be overwritten.
    assert taken(8, Step((0,), 8), added, Step((0, 1, 2), 24)) == 48
    # Gates are no place for a product.
    assert taken(2, Step((0,), 8), Step((0, 1), 8, elementwise=True)) == 10
    assert taken(6, Step((0,), 6, view=True), Step((1,), 3)) == 9
    # An output over its input, if that takes less in all; not where the input is read later.
    assert taken(6, Step((0,), 8, scratch=1, over=3)) == 11
    assert taken(6, Step((0,), 2, scratch=1, over=5)) == 9
    assert taken(6, Step((0,), 8, scratch=1, over=3), Step((0, 1), 1)) == 15


@pytest.mark.parametrize("name", library())
def test_ram_of_the_cost_model_is_the_plan(name: str) -> None:
    dtype = ("int8", "float32")[len(name) % 2]
    core = ("Cortex-M4F", "Cortex-M55", "Cortex-M0+")[len(name) // 2 % 3] if dtype == "int8" else "Cortex-M7"
    for one in candidates(name, 6, seed=5, dtype=dtype, core=core):
        x, align = one.program.space.input.shape, 4 if dtype == "int8" else 1
        steps = kernel_steps(chain_of(one), x, dtype, instruction_set(core), align=align)
        plan = memory_plan(-(-x.size // align) * align, steps)
        assert plan.size * DTYPES[dtype] == totals(one)["ram_liveness"], str(one)
