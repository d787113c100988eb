"""Floor 2: from a compiled program to its exact feasible set, and questions about it.

>>> import solvers, spaces
>>> program = spaces.compile_space(spaces.load_space("mlp2"), spaces.Budgets(rom=13_600))
>>> len(solvers.solve(program)), sorted(solvers.SOLVERS)
(14, ['cp-sat', 'diagram', 'exhaustive', 'relaxed'])
"""

from typing import TYPE_CHECKING

from spaces.lazy import face

if TYPE_CHECKING:
    from solvers.base import SOLVERS, solve, verify
    from solvers.sets.feasible_set import FeasibleSet
    from solvers.sets.relaxed_set import RelaxedSet

__all__ = ["SOLVERS", "FeasibleSet", "RelaxedSet", "solve", "verify"]

__getattr__, __dir__ = face(
    __name__,
    {
        "FeasibleSet": "solvers.sets.feasible_set",
        "RelaxedSet": "solvers.sets.relaxed_set",
        "SOLVERS": "solvers.base",
        "solve": "solvers.base",
        "verify": "solvers.base",
    },
)
