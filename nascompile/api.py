"""The public functions: compile a space, reduce it to its exact feasible set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from solvers.base import Progress, solve
from solvers.sets.relaxed_set import AnySet, load_set
from spaces.errors import NascompileError, UnitError
from spaces.language.reader import load_space
from spaces.language.space import Space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.program.shipping import in_dtype
from spaces.runtimes.base import Runtime
from spaces.runtimes.library import DEFAULT, deployed_runtime, find_runtime
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target
from spaces.units import FORMATS, parse_bytes, parse_count, parse_energy_nj, parse_time_ns

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset
    from spaces.costs.latency import LatencyProfile

__all__ = ["budgets_of", "compile", "load_set", "reduce"]

Quantity = int | str | None
_PARSERS = {"latency": parse_time_ns, "energy": parse_energy_nj}


def compile(
    space: str | Path | Space,
    *,
    mcu: str | Target | None = None,
    rom: Quantity = None,
    ram: Quantity = None,
    flops: Quantity = None,
    macs: Quantity = None,
    latency: Quantity = None,
    energy: Quantity = None,
    latency_profile: str | Path | LatencyProfile | None = None,
    latency_runtime: str | None = None,
    ram_model: str | None = None,
    runtime: str | None = None,
    ships: str | None = None,
    data: Dataset | None = None,
    overrides: Iterable[str] = (),
    tables: bool = True,
) -> Program:
    """Compile a space for an MCU and budgets.

    Args:
        space: a path, a library name, or a loaded Space.
        mcu: a chip, part number, board or target file; its RAM and flash become budgets.
        rom: ROM budget in bytes, or text such as `"1MiB"`; replaces the MCU's, and is needed for one without flash.
        ram: RAM budget in bytes, or text; replaces the MCU's.
        flops: limit on FLOPs, a number or text such as `"10M"`.
        macs: limit on multiply-accumulates.
        latency: limit on the latency, text such as `"50 ms"` or nanoseconds.
        energy: limit on the energy of an inference, text such as `"5 mJ"` or nanojoules; of latency profiles that
            have energies.
        latency_profile: name or file of a latency profile. Where latency is limited, the MCU's own by default, or one
            of the same core that knows all operators of the space, its cycles taken at the MCU's clock
            (`x-cube-ai-m7@216MHz`); `auto` takes it in any case. `nascompile-c`, the default with that runtime, is of
            our own C on the MCU's core, in estimated cycles without wait states, on an M7 at one cycle an instruction.
        latency_runtime: of which runtime that profile is: `x-cube-ai`, `tflite-micro`, ...; see `nascompile latency
            list`. With it there is always a profile.
        ram_model: `pingpong` or `liveness`; the space's own by default.
        runtime: what the ROM counts: `ebs` (default), weights and biases as EBS Eq. 3, or `nascompile-c`, the bytes of
            the C that `nascompile deploy` writes, as measured on the MCU's core; with that the RAM is `liveness` by
            default, and the MCU's RAM without the kibibyte that its image keeps for the stack.
        ships: the data type of the networks on the chip, `int8` or `float32`, in place of the space's: counts what
            `nascompile deploy` writes, as `nascompile search` does. The runtime is then `nascompile-c` by default, and
            `ebs` where no MCU is given or its core was not measured.
        data: what the networks learn (`nascompile.data.load_dataset`): `nascompile-c` then counts what makes their
            input of raw samples, too, and what understands their outputs.
        overrides: `key.path=value` strings for the space.
        tables: work out at once what all networks cost. Without, that is done when it is first asked for; candidates
            are read, drawn, costed and deployed one by one without it.

    Raises:
        NascompileError: a malformed space, an unknown MCU, an unreadable quantity.

    Example:
        >>> import nascompile as nc
        >>> nc.compile("dscnn", mcu="stm32f412").size
        19136512
    """
    target = load_target(mcu) if isinstance(mcu, str) else mcu
    given = tuple(overrides)
    source = space if isinstance(space, Space) else load_space(space, given)
    if ships and source.settings.dtype != ships:
        typed = f"dtype={ships}"
        source = in_dtype(space, ships) if isinstance(space, Space) else load_space(space, [*given, typed])
    dtype = source.settings.dtype
    if ships and runtime is None:
        found = deployed_runtime(target, dtype)
    else:
        found = find_runtime(runtime or DEFAULT, target, dtype)
    if data is not None:
        from nascompile.deploy.ends_costs import surrounded

        found = surrounded(found, data, source.input.shape.size)
    budgets = budgets_of(target, found.stack, rom=rom, ram=ram, flops=flops, macs=macs, latency=latency, energy=energy)
    names = {name for name, _ in budgets.items()}.union(*(c.names for c in source.constraints))
    limited = not names.isdisjoint(FORMATS)
    if latency_runtime is not None and latency_profile not in (None, "auto"):
        raise NascompileError.of(
            "bad-option", "a latency profile is of one runtime: latency_runtime beside it says nothing",
            "give one of --latency-profile and --latency-runtime",
        )  # fmt: skip
    if latency_profile == "auto" or (latency_profile is None and (limited or latency_runtime is not None)):
        profile = _auto_profile(source, target, found, latency_runtime)
    elif isinstance(latency_profile, str | Path):
        profile = _named_profile(latency_profile, target, dtype)
    else:
        profile = latency_profile
    name = target.name if target else ""
    return compile_space(
        source, budgets, target=name, ram_model=ram_model, runtime=found, latency=profile, tables=tables
    )


def reduce(
    space: str | Path | Space,
    *,
    mcu: str | Target | None = None,
    rom: Quantity = None,
    ram: Quantity = None,
    flops: Quantity = None,
    macs: Quantity = None,
    latency: Quantity = None,
    energy: Quantity = None,
    latency_profile: str | Path | LatencyProfile | None = None,
    latency_runtime: str | None = None,
    ram_model: str | None = None,
    runtime: str | None = None,
    ships: str | None = None,
    data: Dataset | None = None,
    overrides: Iterable[str] = (),
    solver: str = "auto",
    progress: Progress | None = None,
    max_memory: Quantity = None,
) -> AnySet:
    """The exact feasible set of a space for an MCU and budgets; arguments as for `compile`.

    Args:
        solver: `auto` or one of `solvers.SOLVERS`; all but `relaxed` agree. `auto` gives a `RelaxedSet` where the exact
            set is too large to hold.
        progress: called now and then with what is being done and a count; see `nascompile.show_progress`.
        max_memory: bytes that the process may hold meanwhile, or text such as `"4GiB"`; by default 60 % of the memory
            of the machine, the container or `ulimit -v`, whichever is least.

    Raises:
        NascompileError: a malformed space, an unknown MCU, an unreadable quantity, an engine that cannot do it.

    Example:
        >>> import nascompile as nc
        >>> fs = nc.reduce("dscnn", mcu="ebs-small")
        >>> len(fs), fs.counts["8"], str(fs[0])
        (167713, 130285, 'dscnn/6: 84-84-84-84-84-84')
        >>> len(nc.reduce("dscnn", mcu="ebs-small", ships="int8"))  # what fits once it is C
        19136512
    """
    program = compile(
        space, mcu=mcu, rom=rom, ram=ram, flops=flops, macs=macs, latency=latency, energy=energy,
        latency_profile=latency_profile, latency_runtime=latency_runtime, ram_model=ram_model, runtime=runtime,
        ships=ships, data=data, overrides=overrides,
    )  # fmt: skip
    return solve(program, solver, progress, None if max_memory is None else parse_bytes(max_memory))


def _auto_profile(
    space: Space, target: Target | None, runtime: Runtime, latency_runtime: str | None
) -> LatencyProfile | None:
    """The profile of the runtime that was named, else of the one whose bytes are counted, else of the target."""
    from spaces.costs.latency_profiles import named_profile, profile_for
    from spaces.program.priced import prices

    if latency_runtime is None and runtime.profiles:
        return named_profile(runtime.profiles, target, space.settings.dtype)
    return profile_for(target, space.settings.dtype, latency_runtime, lambda profile: prices(profile, space))


def _named_profile(given: str | Path, target: Target | None, dtype: str) -> LatencyProfile:
    from spaces.costs.latency_profiles import named_profile

    return named_profile(given, target, dtype)


def budgets_of(target: Target | None, stack: int = 0, **limits: Quantity) -> Budgets:
    """The budgets of a target but for a stack, with explicit limits in place of its own."""
    given: dict[str, Quantity] = {name: value for name, value in limits.items() if value is not None}
    if target:
        given = {"ram": target.ram - stack, **given}
        if "rom" not in given:
            given["rom"] = target.rom
    return Budgets(**{name: _read(name, value) for name, value in given.items() if value is not None})


def _read(name: str, value: int | str) -> int:
    """A limit as a number; a mistake in it names the limit."""
    try:
        if name in FORMATS:
            return value if isinstance(value, int) else _PARSERS[name](value)
        return parse_bytes(value) if name in ("rom", "ram") else parse_count(value)
    except UnitError as error:
        raise UnitError(replace(d, message=f"{name}: {d.message}") for d in error.diagnostics) from None
