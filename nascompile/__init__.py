"""A constraint-solver-driven compiler for neural-network search spaces on microcontrollers.

>>> import nascompile as nc
>>> fs = nc.reduce("dscnn", mcu="stm32f412")
>>> len(fs)
168509
"""

from nascompile.start import begin

begin()  # first of all: until then Ctrl-C is Python's to answer, and another `spaces` may hide ours

from typing import TYPE_CHECKING  # noqa: E402

from spaces.lazy import face  # noqa: E402

if TYPE_CHECKING:
    from nascompile.api import compile, load_set, reduce
    from nascompile.deploy.own import deploy
    from nascompile.progress import show_progress
    from nascompile.run.fit import fit
    from nascompile.run.search import search
    from solvers.sets.feasible_set import FeasibleSet
    from solvers.sets.relaxed_set import RelaxedSet
    from spaces.errors import NascompileError
    from spaces.language.reader import load_space, read_space
    from spaces.program.candidate import Candidate, parse_candidate
    from spaces.program.graph import Budgets, Program
    from spaces.targets.catalogue import load_target

__version__ = "0.1.0"

__all__ = [
    "Budgets",
    "Candidate",
    "FeasibleSet",
    "NascompileError",
    "Program",
    "RelaxedSet",
    "compile",
    "deploy",
    "fit",
    "load_set",
    "load_space",
    "load_target",
    "parse_candidate",
    "read_space",
    "reduce",
    "search",
    "show_progress",
]

__getattr__, __dir__ = face(
    __name__,
    {
        **dict.fromkeys(("compile", "load_set", "reduce"), "nascompile.api"),
        "deploy": "nascompile.deploy.own",
        "fit": "nascompile.run.fit",
        "search": "nascompile.run.search",
        "show_progress": "nascompile.progress",
        "FeasibleSet": "solvers.sets.feasible_set",
        "RelaxedSet": "solvers.sets.relaxed_set",
        "NascompileError": "spaces.errors",
        **dict.fromkeys(("load_space", "read_space"), "spaces.language.reader"),
        **dict.fromkeys(("Candidate", "parse_candidate"), "spaces.program.candidate"),
        **dict.fromkeys(("Budgets", "Program"), "spaces.program.graph"),
        "load_target": "spaces.targets.catalogue",
    },
)
