"""Rivals: other tools that obtain the same set, each used the way a good user of it would.

Every function takes the depth, builds its model, obtains all solutions and returns how many it holds; what was
tuned and what did not help is in README.md. Third-party modules are imported late: `Subject.modules` names them, so
that the clock does not see the import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product

from problem import CLASSES, OPTIONS, STEP, Problem
from subject import Subject

__all__ = ["RIVALS"]


def _names(depth: int) -> list[str]:
    return [f"x{i}" for i in range(1, depth + 1)]


def _largest(names: list[str]) -> str:
    return f"max({', '.join(names)})" if len(names) > 1 else names[0]


def _prefix_conditions(depth: int) -> Iterator[tuple[list[str], str]]:
    """Per prefix x1..xk, k >= 2, the condition that some completion of it is within the budgets.

    The remaining layers are bounded from below by the narrowest option; the last prefix is the whole network.
    Multiplied out, the weights are x1*(49 + x2) + x2*(9 + x3) + ... + 12*xL.
    """
    names, low, problem = _names(depth), min(OPTIONS), Problem(depth)
    for k in range(2, depth + 1):
        x, rest = names[:k], depth - k
        terms = [f"x1*(49 + {x[1]})"] + [f"{a}*(9 + {b})" for a, b in pairwise(x[1:])]
        terms.append(f"{x[-1]}*{9 + low if rest else CLASSES}")
        bound = problem.max_weights - ((rest - 1) * low * (9 + low) + CLASSES * low if rest else 0)
        ram = f"{_largest(x[0::2])} + {_largest(x[1::2])} <= {problem.max_pair}"
        yield x, f"{ram} and {' + '.join(terms)} <= {bound}"


def python_constraint(depth: int) -> int:
    """python-constraint2: its optimised backtracking solver with a string constraint per prefix."""
    from constraint import OptimizedBacktrackingSolver, Problem

    problem = Problem(OptimizedBacktrackingSolver(forwardcheck=False))
    problem.addVariables(_names(depth), list(OPTIONS))
    for _, condition in _prefix_conditions(depth):
        problem.addConstraint(condition)
    return len(problem.getSolutions())


def kernel_tuner(depth: int) -> int:
    """Kernel Tuner: a Searchspace with a string restriction per prefix (a list of tuples and its index)."""
    from kernel_tuner.searchspace import Searchspace

    options = {name: list(OPTIONS) for name in _names(depth)}
    space = Searchspace(options, [condition for _, condition in _prefix_conditions(depth)], max_threads=1024)
    return len(space.list)


def pyatf(depth: int) -> int:
    """pyATF: a chain of tuning parameters, each constrained together with those before it (a tree)."""
    from pyatf import TP, Set
    from pyatf.search_space import SearchSpace

    parameters = [TP("x1", Set(*OPTIONS))]
    for names, condition in _prefix_conditions(depth):
        parameters.append(TP(names[-1], Set(*OPTIONS), eval(f"lambda {', '.join(names)}: {condition}")))
    return SearchSpace(*parameters, verbosity=0).constrained_size


def cp_sat(depth: int) -> int:
    """CP-SAT: enumeration of one small model per value of the first layers, in units of the step."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.num_workers = 1
    solver.parameters.search_branching = cp_model.FIXED_SEARCH
    solver.parameters.cp_model_presolve = False
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.linearization_level = 0  # halves the time: the linear relaxation prunes nothing here
    solver.parameters.symmetry_level = 0
    rows: list[tuple[int, ...]] = []

    class Collect(cp_model.CpSolverSolutionCallback):
        def __init__(self, x: list[cp_model.IntVar]) -> None:
            super().__init__()
            self.x = x

        def on_solution_callback(self) -> None:
            rows.append(tuple(map(self.value, self.x)))

    for first in product([m // STEP for m in OPTIONS], repeat=max(0, depth - 5)):
        model, x = _cp_model(depth, first)
        solver.solve(model, Collect(x))
    return len(rows)


def _cp_model(depth: int, first: tuple[int, ...]) -> tuple:
    """The model with the first layers fixed: neighbours' products, a linear ROM sum, pairwise RAM."""
    from ortools.sat.python import cp_model

    problem, low, high = Problem(depth), min(OPTIONS) // STEP, max(OPTIONS) // STEP
    model = cp_model.CpModel()
    x = [model.new_int_var(m, m, "") for m in first]
    x += [model.new_int_var(low, high, "") for _ in range(depth - len(first))]
    products = []
    for i, (a, b) in enumerate(pairwise(x)):
        if i < len(first):  # linear, as one factor is a number
            products.append(first[i] * b)
            continue
        products.append(model.new_int_var(low * low, high * high, ""))
        model.add_multiplication_equality(products[-1], [a, b])
    weights = 40 * x[0] + 9 * sum(x[:-1]) + STEP * sum(products) + CLASSES * x[-1]
    model.add(weights <= problem.max_weights // STEP)
    for i in range(depth):
        for j in range(i + 1, depth, 2):  # an even and an odd layer
            model.add(x[i] + x[j] <= problem.max_pair // STEP)
    model.add_decision_strategy(x[len(first) :], cp_model.CHOOSE_FIRST, cp_model.SELECT_MIN_VALUE)
    return model, x


def _numpy(name: str) -> Callable[[int], int]:
    def solve(depth: int) -> int:
        import numpy_rivals

        return len(getattr(numpy_rivals, name)(depth))

    solve.__doc__ = f"numpy: see `numpy_rivals.{name}`."
    return solve


_NUMPY = ("numpy", "numpy_rivals")

#: All rivals, fastest first.
RIVALS = (
    Subject("numpy-halves", "list", _numpy("halves"), "numpy", _NUMPY),
    Subject("numpy-frontier", "list", _numpy("frontier"), "numpy", _NUMPY),
    Subject("numpy-brute", "list", _numpy("brute_force"), "numpy", _NUMPY),
    Subject("python-constraint", "list", python_constraint, "python-constraint2", ("constraint",), slow=True),
    Subject("kernel-tuner", "list + index", kernel_tuner, "kernel_tuner", ("kernel_tuner.searchspace",), slow=True),
    Subject("pyatf", "tree", pyatf, "pyatf", ("pyatf.search_space",), slow=True),
    Subject("cp-sat", "list", cp_sat, "ortools", ("ortools.sat.python.cp_model",), slow=True),
)
