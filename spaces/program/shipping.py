"""What ships of a network: the C that `nascompile deploy` writes, in its data type, and what that takes of the chip.

A space may count float32 weights by the paper's formulas, as it does by default; what goes onto the microcontroller is
int8 and has code. Both are the same network with other costs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from spaces.errors import TargetError
from spaces.language.reader import read_space
from spaces.language.space import Space
from spaces.operators.kernel import instruction_set
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.program.terms import layer_terms, sums
from spaces.program.variants import unroll
from spaces.runtimes.around import NOTHING, Around
from spaces.runtimes.base import Runtime
from spaces.runtimes.kernels import layer_calls
from spaces.runtimes.library import deployed_runtime
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile

__all__ = ["Shipping", "Takes", "deployed_by", "in_dtype", "ships", "target_of"]


class Takes(NamedTuple):
    """What a network takes once it is on the chip.

    Args:
        rom: bytes of flash: the image; where the core was not measured, weights and biases as the paper counts them.
        ram: bytes of all tensors in the memory plan, the stack not included.
        latency: nanoseconds, by the profile that the program was compiled with; None without one.
        energy: nanojoules, by the same; None where it has no energies.
        instructions: of one inference; None where the core was not counted on.
        prepare: instructions from raw samples to its input, where data say how; None where the core was not counted on.
    """

    rom: int
    ram: int
    latency: int | None
    energy: int | None
    instructions: int | None
    prepare: int | None


@dataclass(frozen=True, eq=False)
class Shipping:
    """How the networks of a program ship.

    Args:
        program: the program, whatever it counts.
        dtype: of the networks on the chip, `int8` or `float32`.
        target: the chip; None where nobody says, or its file is not at hand.
        around: what the C has around a network; None: what the program counts.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import parse_candidate
        >>> small = compile_space(load_space("dscnn"), target="stm32f412", tables=False)
        >>> network = parse_candidate(small, "dscnn/6: 84-112-84-84-84-196")
        >>> takes = Shipping.of(small, "int8").takes(network)
        >>> network.costs["rom"], takes.rom < 80_000, takes.ram, takes.latency
        (236544, True, 42588, None)
    """

    program: Program
    dtype: str
    target: Target | None
    around: Around | None = None

    @classmethod
    def of(cls, program: Program, dtype: str, target: Target | None = None, around: Around | None = None) -> Shipping:
        """For a target, or that which the program names."""
        return cls(program, dtype, target or target_of(program), around)

    @property
    def runtime(self) -> Runtime:
        """What counts the ROM."""
        return self._there.runtime

    @property
    def measured(self) -> bool:
        """Whether the ROM is that of the C, and not the paper's."""
        return isinstance(self.runtime, NascompileC)

    @property
    def counted(self) -> bool:
        """Whether the program's own ROM and RAM are these."""
        own, there = self.program, self._there
        return own.space is there.space and (own.runtime, own.ram_model) == (there.runtime, there.ram_model)

    @property
    def memories(self) -> dict[str, int]:
        """Bytes of `rom` and `ram` that there are: the chip's, else the budgets; none that nobody limits."""
        limits = dict(self.program.budgets.items())
        chip = {"rom": self.target.rom, "ram": self.target.ram} if self.target else {}
        return {name: chip.get(name, limits.get(name, 0)) for name in ("rom", "ram") if name in {**chip, **limits}}

    def takes(self, candidate: Candidate) -> Takes:
        """What a network of the program takes once it is on the chip.

        Raises:
            RuntimeProfileError: an operator for which there is no C.
        """
        there = replace(candidate, program=self._there)
        costs = self._costs(there)
        prepare = self.runtime.around.instructions if self.measured else None
        priced = costs.get("latency"), costs.get("energy")
        return Takes(costs["rom"], costs["ram"], *priced, self._instructions(there), prepare)

    def costs(self, candidate: Candidate) -> dict[str, Any]:
        """All its costs there; the RAM is what is alive at once."""
        return self._costs(replace(candidate, program=self._there))

    def _costs(self, there: Candidate) -> dict[str, Any]:
        result = sums(there.program, layer_terms(there.program, there.steps))
        if not self.measured:
            # The code of such a core is not known, its memory plan is.
            own = NascompileC.unmeasured(self.target.built_as if self.target else "", self.dtype)
            program = replace(there.program, runtime=replace(own, around=self.around or NOTHING))
            result["ram"] = result["ram_liveness"] = sums(program, layer_terms(program, there.steps))["ram_liveness"]
        return result

    @cached_property
    def _there(self) -> Program:
        """The program as it ships, without limits."""
        program, space = self.program, in_dtype(self.program.space, self.dtype)
        runtime = deployed_by(program, self.dtype, self.target)
        if self.around is not None and isinstance(runtime, NascompileC):
            runtime = replace(runtime, around=self.around)
        latency = program.latency if program.latency and program.latency.dtype == self.dtype else None
        return Program(space, unroll(space), Budgets(), program.target, "liveness", runtime=runtime, latency=latency)

    @cached_property
    def _profile(self) -> LatencyProfile | None:
        """Counts instructions."""
        from spaces.costs.latency_profiles import named_profile
        from spaces.costs.prices import LatencyError

        runtime = self._there.runtime
        if isinstance(runtime, NascompileC):
            core = Target("", "", runtime.core, 0, ())
            with suppress(LatencyError):  # nobody counted on this core
                return named_profile(NascompileC.name, core, self.dtype, "instructions")
        return None

    def _instructions(self, there: Candidate) -> int | None:
        if (profile := self._profile) is None:
            return None
        isa = instruction_set(profile.core)
        calls = (call for step in there.steps for call in layer_calls(step.ops, step.x.shape, self.dtype, isa))
        return round(profile.network + sum(map(profile.call_amount, calls)))


def ships(program: Program, dtype: str, target: Target | None = None) -> Program:
    """The program under the same limits, counting what ships: itself, where it does.

    Args:
        program: whatever it counts.
        dtype: of the networks on the chip.
        target: its chip; that which it names by default. Of its RAM the C keeps a kibibyte for the stack.

    Raises:
        LatencyError: its latency profile is of another data type.
        RuntimeProfileError: an operator for which there is no C.

    Example:
        >>> from spaces.language.reader import load_space
        >>> space = load_space("dscnn")
        >>> there = ships(compile_space(space, Budgets(rom=2**20, ram=2**18), target="stm32f412"), "int8")
        >>> there.space.settings.dtype, there.runtime.name, there.ram_model, there.budgets.ram
        ('int8', 'nascompile-c', 'liveness', 261120)
    """
    target = target or target_of(program)
    space, runtime = in_dtype(program.space, dtype), deployed_by(program, dtype, target)
    model = runtime.ram_model or program.ram_model
    if space is program.space and runtime == program.runtime and model == program.ram_model:
        return program
    budgets = program.budgets
    if target and budgets.ram == target.ram - program.runtime.stack:
        budgets = replace(budgets, ram=target.ram - runtime.stack)
    return compile_space(
        space,
        budgets,
        target=program.target,
        ram_model=model,
        runtime=runtime,
        latency=program.latency,
        tables=False,
    )


def deployed_by(program: Program, dtype: str, target: Target | None = None) -> Runtime:
    """What counts the C of a program's networks, on a target or that which it names; the paper's where nothing does."""
    target = target or target_of(program)
    own = program.runtime
    if not isinstance(own, NascompileC):
        return deployed_runtime(target, dtype)
    if own.dtype == dtype and (target is None or target.built_as == own.core):
        return own
    # The file of a target may not be at hand, but its core is known.
    return deployed_runtime(target or Target("", "", own.core, 0, ()), dtype)


def in_dtype(space: Space, dtype: str) -> Space:
    """The space with another data type for the whole network; that of single layers stays."""
    if space.settings.dtype == dtype:
        return space
    return read_space(space.document.dump(), space.document.source.file, overrides=[f"dtype={dtype}"])


def target_of(program: Program) -> Target | None:
    """The target that a program names; None where it names none, or a file that is not in the catalogue."""
    try:
        target = load_target(program.target) if program.target else None
    except TargetError:
        return None
    return target.with_rom(program.budgets.rom) if target and target.asks_rom else target
