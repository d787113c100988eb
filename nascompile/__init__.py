"""A constraint-solver-driven compiler for neural-network search spaces on microcontrollers.

>>> import nascompile as nc
>>> fs = nc.reduce("dscnn", mcu="stm32f412")
>>> len(fs)
168509
"""

from nascompile.api import compile, reduce
from solvers.feasible_set import FeasibleSet
from spaces.candidate import Candidate
from spaces.errors import NascompileError
from spaces.program import Budgets, Program
from spaces.reader import load_space, read_space
from spaces.targets import load_target

__version__ = "0.1.0"

__all__ = [
    "Budgets",
    "Candidate",
    "FeasibleSet",
    "NascompileError",
    "Program",
    "compile",
    "load_set",
    "load_space",
    "load_target",
    "read_space",
    "reduce",
]

load_set = FeasibleSet.load
