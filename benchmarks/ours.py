"""Our side: the feasible set as a tree, as a list, over all depths, and at depths nobody can list.

The space is read and compiled before the clock starts, and that is reported as set-up seconds: the rivals' models
are written in Python, ours is a file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from problem import Problem
from subject import Outcome, Subject

if TYPE_CHECKING:
    from solvers.sets.feasible_set import FeasibleSet
    from spaces.program.graph import Program

__all__ = ["DEPTHS", "OURS", "SECTIONS", "ours_list", "ours_tree"]

SPACE = Path(__file__).parent / "dscnn_stride2.yaml"

#: The depths that the space file itself offers.
DEPTHS = (6, 7, 8)


@cache
def _program(problem: Problem, all_depths: bool = False) -> Program:
    """The compiled space within a problem's budgets, at its depth or at all depths of the file."""
    import nascompile as nc

    overrides = [] if all_depths else [f"network.1.repeat={problem.depth - 1}"]
    return nc.compile(SPACE, rom=problem.rom, ram=problem.ram, flops=problem.flops, overrides=overrides)


def _solve(program: Program) -> FeasibleSet:
    from solvers.diagram import solve

    return solve(program)


def _tree(program: Program) -> Outcome:
    """The tree with shared sub-trees; its exact count is asked for within the measured time."""
    feasible = _solve(program)
    return Outcome(feasible.size, {"nodes": feasible.node_count, "bytes": feasible.nbytes})


def ours_tree(depth: int) -> Outcome:
    """The tree and the exact count."""
    return _tree(_program(Problem(depth)))


def ours_list(depth: int) -> Outcome:
    """The tree, and then every row."""
    rows = _solve(_program(Problem(depth))).to_numpy()
    return Outcome(len(rows), {"bytes": rows.nbytes})


def _subject(name: str, problem: Callable[[int], Problem], all_depths: bool = False) -> Subject:
    """A tree of some other problem than the table's."""
    return Subject(
        name,
        "tree + count",
        lambda depth: _tree(_program(problem(depth), all_depths)),
        "nascompile",
        _MODULES,
        lambda depth: _program(problem(depth), all_depths),
        lambda depth: sum(Problem(d).count() for d in DEPTHS) if all_depths else problem(depth).count(),
        slow=not all_depths,
    )


def _prepare(depth: int) -> Program:
    return _program(Problem(depth))


_MODULES = ("nascompile", "solvers.diagram", "numpy.ma")  # numpy.unique imports numpy.ma at its first call

#: What stands in the table beside the rivals.
OURS = (
    Subject("ours-tree", "tree + count", ours_tree, "nascompile", _MODULES, _prepare),
    Subject("ours-list", "list", ours_list, "nascompile", _MODULES, _prepare),
)

#: What has a section of its own.
SECTIONS = (
    _subject("ours-all-depths", Problem, all_depths=True),
    _subject("ours-scaled", Problem.scaled),
    _subject("ours-scaled-flops", lambda depth: Problem.scaled(depth, flops=True)),
)
