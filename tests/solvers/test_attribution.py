"""What each limit alone would leave."""

from __future__ import annotations

from hypothesis import assume, given

from solvers.attribution import counts_alone
from solvers.base import solve
from spaces.language.reader import load_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.program_strategies import programs


@given(programs())
def test_knowing_the_set_changes_no_count(program: Program) -> None:
    assume(not any(chain.residual for chain in program.chains))
    assert counts_alone(program, solve(program, "diagram").size) == counts_alone(program)


def test_a_limit_that_removes_nothing_leaves_all() -> None:
    program = compile_space(load_space("mlp2"), Budgets(rom=13_600, ram=10**9))
    assert counts_alone(program, 14) == counts_alone(program) == {"rom": 14, "ram": 64}
