"""Floor 1: the space language, its blocks, costs and targets, and the compiled program.

>>> import spaces
>>> program = spaces.compile_space(spaces.load_space("mlp2"), spaces.Budgets(rom=13_600))
>>> spaces.parse_candidate(program, "32-16").costs["rom"]
5120
"""

from typing import TYPE_CHECKING

from spaces.lazy import face

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.errors import NascompileError
    from spaces.language.reader import load_space, read_space
    from spaces.language.space import Space
    from spaces.program.candidate import Candidate, parse_candidate
    from spaces.program.compile import compile_space
    from spaces.program.graph import Budgets, Program
    from spaces.targets.catalogue import load_target
    from spaces.targets.target import Target

__all__ = [
    "Budgets",
    "Candidate",
    "LatencyProfile",
    "NascompileError",
    "Program",
    "Space",
    "Target",
    "compile_space",
    "load_space",
    "load_target",
    "parse_candidate",
    "read_space",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "Budgets": "spaces.program.graph",
        "Candidate": "spaces.program.candidate",
        "LatencyProfile": "spaces.costs.latency",
        "NascompileError": "spaces.errors",
        "Program": "spaces.program.graph",
        "Space": "spaces.language.space",
        "Target": "spaces.targets.target",
        "compile_space": "spaces.program.compile",
        "load_space": "spaces.language.reader",
        "load_target": "spaces.targets.catalogue",
        "parse_candidate": "spaces.program.candidate",
        "read_space": "spaces.language.reader",
    },
)
