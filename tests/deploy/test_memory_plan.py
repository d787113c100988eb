"""The offset plan: nothing that is still needed is overwritten, and no other offsets take less RAM."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascompile.deploy import memory_plan as planning
from nascompile.deploy.memory_plan import MemoryPlan, memory_plan
from spaces.language.library import library
from spaces.operators.kernel import instruction_set, scratch_bytes
from spaces.program.breakdown import totals
from spaces.tensors import DTYPES
from tests.deploy.tools import candidates, chain_of

#: Kernels that read element i of an operand of their output's size, then write element i of the output.
ELEMENTWISE = ("add", "mul", "lookup", "requantise")


@dataclass(frozen=True)
class Step:
    kind: str
    inputs: tuple[int, ...]


@st.composite
def graphs(draw: st.DrawFn, most: int = 12, reach: int = 4, largest: int = 12) -> tuple[list[int], list[Step]]:
    """Sizes of tensors and what makes each of which."""
    sizes, steps = [draw(st.integers(1, largest))], []
    for k in range(draw(st.integers(1, most))):
        sources = st.integers(max(0, k - reach), k)
        kind = draw(st.sampled_from(["conv", "conv", "concat", "add", "mul", "lookup", "requantise", "flatten"]))
        one = draw(sources)
        match kind:
            case "add":
                others = [s for s in range(k + 1) if sizes[s] == sizes[one]]
                inputs = tuple(draw(st.permutations([one, draw(st.sampled_from(others))])))
            case "mul":
                # Gates: a tensor whose size divides that of what they multiply.
                gates = [s for s in range(k + 1) if sizes[one] % sizes[s] == 0]
                inputs = (draw(st.sampled_from(gates)), one)
            case "concat":
                inputs = tuple(draw(st.lists(sources, min_size=2, max_size=3)))
            case _:
                inputs = (one,)
        size = sizes[inputs[-1]] if kind in (*ELEMENTWISE, "flatten") else draw(st.integers(1, largest))
        sizes.append(sum(sizes[s] for s in inputs) if kind == "concat" else size)
        steps.append(Step(kind, inputs))
    return sizes, steps


def run_on_paper(sizes: Sequence[int], steps: Sequence[Step], plan: MemoryPlan) -> None:
    """Execute the steps on a memory that knows what each of its elements holds."""
    memory: list[tuple[int, int] | None] = [None] * plan.size
    names = [0]

    def holds(tensor: int, element: int) -> bool:
        return memory[plan.offsets[tensor] + element] == (names[tensor], element)

    for element in range(sizes[0]):
        memory[plan.offsets[0] + element] = (0, element)
    for k, step in enumerate(steps, 1):
        view = step.kind == "flatten"
        names.append(names[step.inputs[0]] if view else k)
        for element in range(sizes[k]):
            for source in step.inputs:
                same = step.kind in ELEMENTWISE and sizes[source] == sizes[k]
                # What is not read element by element must be whole from the first element written to the last.
                needed = [element] if same else range(sizes[source])
                assert all(holds(source, e) for e in needed), (k, step)
            if not view:
                memory[plan.offsets[k] + element] = (k, element)
        assert all(holds(k, e) for e in range(sizes[k]))
    assert all(holds(len(steps), e) for e in range(sizes[-1]))


@given(graphs())
def test_nothing_that_is_needed_is_overwritten(graph: tuple[list[int], list[Step]]) -> None:
    sizes, steps = graph
    run_on_paper(sizes, steps, memory_plan(sizes, steps))


def lower_exists(held: Sequence[planning.Buffer], height: int) -> bool:
    """Whether offsets below this height exist, by trying: from the lowest up, each buffer lies on those under it."""
    offsets: dict[int, int] = {}

    def place(lowest: tuple[int, int]) -> bool:
        if len(offsets) == len(held):
            return True
        for b in set(range(len(held))) - set(offsets):
            under = [o for o in offsets if held[o].first <= held[b].last and held[b].first <= held[o].last]
            offset = max((offsets[o] + held[o].size for o in under), default=0)
            if (offset, b) > lowest and offset + held[b].size < height:
                offsets[b] = offset
                if place((offset, b)):
                    return True
                del offsets[b]
        return False

    alive = (sum(b.size for b in held if b.first <= step <= b.last) for step in range(1 + max(b.last for b in held)))
    return max(alive) < height and place((0, -1))


@given(graphs(), st.integers(1, 4), st.data())
def test_scratch_is_nobody_elses_and_all_is_aligned(
    graph: tuple[list[int], list[Step]], align: int, data: st.DataObject
) -> None:
    sizes, steps = graph
    scratch = [data.draw(st.integers(0, 9)) for _ in steps]
    plan = memory_plan(sizes, steps, scratch, align)
    run_on_paper(sizes, steps, plan)
    assert [size for _, size in plan.scratch] == scratch
    held, owner = planning.buffers(sizes, steps)
    for k, (at, size) in enumerate(plan.scratch, 1):
        assert at % align == 0
        assert at + size <= plan.size
        for tensor, buffer in enumerate(owner):
            if size and held[buffer].first <= k <= held[buffer].last:
                start = plan.offsets[tensor]
                assert start % align == 0
                assert at + size <= start or start + held[buffer].size <= at


@given(graphs(most=7, largest=9))
def test_no_other_offsets_take_less(graph: tuple[list[int], list[Step]]) -> None:
    sizes, steps = graph
    plan = memory_plan(sizes, steps)
    held, _ = planning.buffers(sizes, steps)
    assert plan.proven
    assert not lower_exists(held, plan.size)
    assert lower_exists(held, plan.size + 1)


def chain(*inputs: tuple[int, ...]) -> list[Step]:
    return [Step("conv", sources) for sources in inputs]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heights of the plans that first-fit leaves to CP-SAT."""
    real, asked = planning._packed, []

    def packed(held: list[planning.Buffer], bound: int, hint: list[int]) -> tuple[list[int], bool]:
        asked.append(planning._height(held, hint))
        return real(held, bound, hint)

    monkeypatch.setattr(planning, "_packed", packed)
    return asked


def test_where_first_fit_leaves_a_gap_the_solver_closes_it(left: list[int]) -> None:
    sizes, steps = [3, 2, 2, 3, 3], chain((0,), (1,), (2,), (3,))
    plan = memory_plan(sizes, steps)
    assert (left, plan.size, plan.bound, plan.proven) == ([7], 6, 6, True)
    run_on_paper(sizes, steps, plan)


def test_the_bound_cannot_always_be_met(left: list[int]) -> None:
    """Never more than 8 elements are alive at once, and no offsets do with less than 9."""
    sizes = [4, 4, 1, 1, 2, 1, 1, 4, 3, 1, 2]
    steps = chain((0,), (1,), (2,), (1, 3), (4,), (4, 5), (2, 6), (3, 7), (7, 8), (8, 9))
    plan = memory_plan(sizes, steps)
    assert (len(left), plan.size, plan.bound, plan.proven) == (1, 9, 8, True)
    assert not lower_exists(planning.buffers(sizes, steps)[0], 9)
    run_on_paper(sizes, steps, plan)


def test_random_networks_with_skips_are_packed_best(left: list[int]) -> None:
    rng = random.Random(0)
    for _ in range(200):
        sizes = [rng.randint(1, 12) for _ in range(8)]
        steps = chain(*((k, *(s for s in range(k) if rng.random() < 0.12)) for k in range(7)))
        plan = memory_plan(sizes, steps)
        assert plan.proven
        assert not lower_exists(planning.buffers(sizes, steps)[0], plan.size)
        run_on_paper(sizes, steps, plan)
    assert len(left) > 10


def test_without_time_the_best_known_is_taken_and_not_called_proven(
    left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_SECONDS", 0.0)
    sizes, steps = [3, 2, 2, 3, 3], chain((0,), (1,), (2,), (3,))
    plan = memory_plan(sizes, steps)
    assert (plan.size, plan.bound, plan.proven) == (7, 6, False)
    run_on_paper(sizes, steps, plan)


def test_in_place_and_views() -> None:
    assert memory_plan([8, 8, 8], [Step("lookup", (0,)), Step("requantise", (1,))]).size == 8
    # A residual connection: the sum overwrites the operand that nothing reads later.
    plan = memory_plan([8, 8, 8, 2], [Step("conv", (0,)), Step("add", (1, 0)), Step("conv", (2,))])
    assert (plan.size, plan.offsets[2] in plan.offsets[:2]) == (16, True)
    # Both are read later: nothing can be overwritten.
    plan = memory_plan([8, 8, 8, 24], [Step("conv", (0,)), Step("add", (1, 0)), Step("concat", (0, 1, 2))])
    assert plan.size == 48
    # Gates are no place for a product.
    assert memory_plan([2, 8, 8], [Step("conv", (0,)), Step("mul", (0, 1))]).size == 10
    assert memory_plan([6, 6, 3], [Step("flatten", (0,)), Step("linear", (1,))]).size == 9


@pytest.mark.parametrize("name", library())
def test_ram_of_the_cost_model_is_the_plan(name: str) -> None:
    dtype = ("int8", "float32")[len(name) % 2]
    core = ("Cortex-M4F", "Cortex-M55", "Cortex-M0+")[len(name) // 2 % 3] if dtype == "int8" else "Cortex-M7"
    for one in candidates(name, 6, seed=5, dtype=dtype, core=core):
        chain, x = chain_of(one), one.program.space.input.shape
        shapes = [x, *(kernel.out for kernel in chain)]
        scratch = [scratch_bytes(k, [shapes[j] for j in k.inputs], dtype, instruction_set(core)) for k in chain]
        plan = memory_plan([prod(shape) for shape in shapes], chain, scratch, 4 if dtype == "int8" else 1)
        assert plan.size * DTYPES[dtype] == totals(one)["ram_liveness"], str(one)
