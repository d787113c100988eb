"""What instructions take: the tables of the manuals, and the pipelining of loads."""

from __future__ import annotations

import pytest

from nascompile.deploy.core_costs import COSTS, Instruction
from nascompile.deploy.cycles import Counted, estimated_cycles


def cycles(core: str, *lines: str, taken: tuple[int, ...] = ()) -> int:
    """Of these instructions, one after the other, run once; those at `taken` are branches that are."""
    code = {2 * k: Instruction(*line.partition(" ")[::2]) for k, line in enumerate(lines)}
    return estimated_cycles(Counted(dict.fromkeys(code, 1), {2 * k: 1 for k in taken}), code, COSTS[core])


@pytest.mark.parametrize(
    ("line", "m0plus", "m4", "m33"),
    [
        ("muls r0, r1", 1, 1, 1), ("smlad r0, r1, r2, r0", 1, 1, 1), ("ldr r0, [r1, #4]", 2, 2, 1),
        ("ldrsb r0, [r1, r2]", 2, 2, 1), ("str r0, [r1, #4]", 2, 1, 1), ("strb r0, [r1, r2]", 2, 2, 1),
        ("ldmia r0!, {r1, r2, r3}", 4, 4, 3), ("push {r4, r5, lr}", 4, 4, 3), ("ldrd r0, r1, [r2], #8", 3, 3, 2),
        ("udiv r0, r1, r2", 1, 7, 7), ("bne.n 10 <f>", 1, 1, 1), ("vldr s0, [r1]", 2, 2, 1),
        ("vfma.f32 s0, s1, s2", 3, 3, 3), ("vldmia r0!, {d8-d9}", 5, 5, 4),
        ("vdiv.f32 s0, s1, s2", 14, 14, 14), ("bic r0, r1, #3", 1, 1, 1),
    ],
)  # fmt: skip
def test_an_instruction_takes_what_the_manual_says(line: str, m0plus: int, m4: int, m33: int) -> None:
    assert [cycles(core, line) for core in ("Cortex-M0+", "Cortex-M4F", "Cortex-M33")] == [m0plus, m4, m33]


def test_a_branch_costs_more_where_it_is_taken() -> None:
    for core, jump, call, back in (("Cortex-M0+", 2, 3, 5), ("Cortex-M4F", 3, 3, 5), ("Cortex-M33", 2, 2, 3)):
        assert cycles(core, "b.n 20 <f>", taken=(0,)) == jump
        assert cycles(core, "bl 20 <f>", taken=(0,)) == call
        assert cycles(core, "pop {r4, pc}", taken=(0,)) == back


def test_loads_in_turn_take_one_cycle_each_on_an_m4() -> None:
    """The examples of section 3.3.2 of its manual."""
    assert cycles("Cortex-M4F", "ldr r0, [r1]", "ldr r1, [r2]") == 3
    assert cycles("Cortex-M4F", "ldr r0, [r1, r2]", "str r0, [r3, #20]") == 3
    assert cycles("Cortex-M4F", "ldr r0, [r1, r2]", "str r1, [r3, r2]") == 3
    assert cycles("Cortex-M4F", "ldr r0, [r1, r5]", "ldr r1, [r2]", "ldr r2, [r3, #4]") == 4
    # Not behind one that loads the address, nor behind a branch; later behind what computes it.
    assert cycles("Cortex-M4F", "ldr r0, [r1]", "ldr r1, [r0]") == 4
    assert cycles("Cortex-M4F", "adds r1, #4", "ldr r0, [r1]") == 4
    assert cycles("Cortex-M4F", "cmp r1, #4", "ldr r0, [r1]") == 3
    # What a load brings comes a cycle later on an M33.
    assert cycles("Cortex-M33", "ldr r0, [r1]", "adds r0, r0, r2") == 3
    assert cycles("Cortex-M33", "ldr r0, [r1]", "adds r3, r3, r2") == 2
