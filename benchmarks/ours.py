"""Our side: the feasible set as a tree, as a list, over all depths, and at depths nobody can list.

A space is read and compiled before the clock starts, and both are reported as set-up seconds: the rivals' models are
small strings, ours is a file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from problem import Problem
from subject import Outcome, Subject

if TYPE_CHECKING:
    from solvers.feasible_set import FeasibleSet
    from spaces.program import Program

__all__ = ["OURS", "SECTIONS", "ours_list", "ours_tree"]

SPACE = Path(__file__).parent / "dscnn_stride2.yaml"
DEPTHS = (6, 7, 8)


@cache
def _program(problem: Problem | None = None) -> Program:
    """The compiled benchmark at one depth, or at all of the file's depths with the default budgets."""
    from spaces.compile import compile_space
    from spaces.program import Budgets
    from spaces.space import load_space

    overrides = [f"network.1.repeat={problem.depth - 1}"] if problem else []
    budgets = problem or Problem(0)
    space = load_space(SPACE, overrides)
    return compile_space(space, Budgets(rom=budgets.rom, ram=budgets.ram, flops=budgets.flops))


def _solve(problem: Problem | None = None) -> FeasibleSet:
    from solvers.diagram import solve

    return solve(_program(problem))


def _outcome(feasible: FeasibleSet) -> Outcome:
    """The exact count, asked for within the measured time, and the tree's size."""
    return Outcome(feasible.count, {"nodes": feasible.node_count, "bytes": feasible.nbytes})


def ours_tree(depth: int) -> Outcome:
    """The tree with shared sub-trees, and the exact count."""
    return _outcome(_solve(Problem(depth)))


def ours_list(depth: int) -> Outcome:
    """The tree, and then every row."""
    rows = _solve(Problem(depth)).to_numpy()
    return Outcome(len(rows), {"bytes": rows.nbytes})


def ours_all_depths(depth: int) -> Outcome:
    """One tree for the depths 6, 7 and 8 together."""
    return _outcome(_solve())


def ours_scaled(depth: int) -> Outcome:
    """The tree of the scaled problem with ROM and RAM."""
    return _outcome(_solve(Problem.scaled(depth)))


def ours_scaled_flops(depth: int) -> Outcome:
    """The tree of the scaled problem with ROM, RAM and FLOPs."""
    return _outcome(_solve(Problem.scaled(depth, flops=True)))


def _scaled_flops(depth: int) -> Problem:
    return Problem.scaled(depth, flops=True)


class AllDepths:
    """The union of the depths, for the check of the count."""

    def __init__(self, depth: int) -> None:
        self.problems = [Problem(d) for d in DEPTHS]

    def count(self) -> int:
        """Networks of all depths."""
        return sum(p.count() for p in self.problems)


_MODULES = ("numpy", "spaces.compile", "spaces.space", "spaces.program", "solvers.diagram", "solvers.feasible_set")


def _subject(name, delivers, solve, prepare=lambda d: _program(Problem(d)), problem=Problem) -> Subject:
    return Subject(name, delivers, solve, "nascompile", _MODULES, prepare, problem)


#: What stands in the table beside the rivals.
OURS = (_subject("ours-tree", "tree + count", ours_tree), _subject("ours-list", "list", ours_list))

#: What has a section of its own.
SECTIONS = (
    _subject("ours-all-depths", "tree + count", ours_all_depths, lambda d: _program(), AllDepths),
    _subject(
        "ours-scaled", "tree + count", ours_scaled, lambda d: _program(Problem.scaled(d)), Problem.scaled
    ),
    _subject(
        "ours-scaled-flops", "tree + count", ours_scaled_flops, lambda d: _program(_scaled_flops(d)), _scaled_flops
    ),
)
