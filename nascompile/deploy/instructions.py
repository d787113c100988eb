"""Instructions of our own C: counted operator by operator in the emulator, and predicted for whole networks.

Instructions are not cycles: a Cortex-M7 may run two in one, a flash may keep a core waiting for several. But they are
exact, the same on every machine and from run to run, and can be had without a board. Of cores whose manual says what an
instruction takes, cycles are estimated by the same runs, see `nascompile.deploy.cycles`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nascompile.deploy.calls import Call, Plan
from nascompile.deploy.core import CORES, Core
from nascompile.deploy.core_costs import COSTS
from nascompile.deploy.cycles import counted_calls, disassembled, estimated_cycles
from nascompile.deploy.errors import DeployError
from nascompile.deploy.latency_firmware import write_firmware
from nascompile.deploy.measure import FLAGS, compiler_version
from nascompile.deploy.toolchain import make
from nascompile.latency.fit import Fit, fit_profile
from nascompile.latency.operators import called, read_operators
from spaces.costs.latency import LatencyProfile
from spaces.operators import KernelCall
from spaces.operators.rows import Run
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Region, Target
from spaces.tensors import Shape

__all__ = [
    "counted_operators",
    "cycle_profile",
    "instruction_profile",
    "kernel_calls",
    "predicted_amount",
    "profile_name",
]

#: Cores without a processor's extras; the names of the profiles have them short.
_SHORT = {
    "RISC-V RV32IMC": "rv32imc",
    "RISC-V RV32IMAC": "rv32imac",
    "Cortex-M0+": "m0plus",
    "Cortex-M4F": "m4",
    "Cortex-M7": "m7",
    "Cortex-M33": "m33",
    "Cortex-M55": "m55",
}


def profile_name(core: str, dtype: str) -> str:
    """The name of the instruction profile of a core.

    Example:
        >>> profile_name("Cortex-M4F", "int8")
        'nascompile-c-m4-int8'
    """
    return f"{NascompileC.name}-{_SHORT[core]}-{dtype}"


def counted_operators(folder: Path, core: Core) -> Path:
    """Run a firmware of `write_firmware` in the emulator.

    Args:
        folder: its project; what it prints is written there, too.
        core: that it was written for.

    Returns:
        The file `emulated.csv`, as `nascompile latency fit` reads it.

    Raises:
        DeployError: a tool is missing, or the run fails.
    """
    said = make(folder, "emulated", core)
    path = folder / "emulated.csv"
    if "kernel,dtype," not in said:
        raise DeployError.of("run-failed", f"the firmware in `{folder}` said nothing", "`make emulated` shows why")
    path.write_text(said)
    return path


def instruction_profile(core: str, dtype: str, folder: Path, date: str) -> Fit:
    """Count the operators of a core and a data type, and fit what an iteration of each loop takes.

    Args:
        core: as targets name it.
        dtype: `int8` or `float32`.
        folder: for the firmware.
        date: of the count, for the profile's source.
    """
    regions = (Region("flash", "flash", 2**20, False), Region("RAM", "ram", 2**18, True))
    write_firmware(folder, Target("any", "any chip", core, 0, regions), dtype)
    there = CORES[core]
    count = there.tools.icount.split(",")[0]
    source = (
        f"{compiler_version(there)}, {' '.join(FLAGS)}; instructions counted by {there.tools.emulator} "
        f"-M {there.machine} -icount {count}, {date}; instructions are not cycles"
    )
    name = profile_name(core, dtype)
    found = fit_profile(read_operators(counted_operators(folder, there), core), name, core=core, source=source)
    return _our_own(found, there)


def _our_own(found: Fit, core: Core) -> Fit:
    """The fit of a profile that names its runtime and, as the version, the compiler."""
    version = f"gcc {compiler_version(core).rpartition(') ')[2].split()[0]}"
    return replace(found, profile=replace(found.profile, runtime=NascompileC.name, version=version))


def cycle_profile(core: str, dtype: str, folder: Path, date: str) -> Fit | None:
    """Estimate the cycles of the operators that `instruction_profile` has counted, and fit what an iteration takes.

    Args:
        core: as targets name it.
        dtype: `int8` or `float32`.
        folder: of that firmware.
        date: of the count, for the profile's source.

    Returns:
        None where nobody says what instructions take on the core.
    """
    costs = COSTS.get(core)
    if costs is None:
        return None
    image, data = folder / "build" / "emulated.elf", read_operators(folder / "emulated.csv", core)
    code, runs = disassembled(image), iter(counted_calls(image, CORES[core], "nc_run_row", folder))
    amounts = []
    for calls in called(folder / "emulated.csv"):
        counted = next(runs)
        if calls > 1:  # the first call only showed how many it takes to time
            counted = next(runs)
        amounts.append(estimated_cycles(counted, code, costs) / calls)
    source = (
        f"{compiler_version(CORES[core])}, {' '.join(FLAGS)}; estimated cycles, no wait states: runs of each "
        f"instruction counted by qemu-system-arm -M {CORES[core].machine}, {date}, times {costs.source}"
    )
    estimated = replace(data, latency=np.array(amounts), unit="estimated cycles")
    found = fit_profile(estimated, f"{profile_name(core, dtype)}-cycles", core=core, source=source)
    return _our_own(found, CORES[core])


def _kernel_call(call: Call) -> KernelCall:
    """The part of a call in a network's table that its loops depend on."""
    n = {name: int(call.fields[name]) for name in call.fields if name not in ("low", "high")}
    x, out = Shape(n["in_c"], n["in_h"], n["in_w"]), Shape(n["out_c"], n["out_h"], n["out_w"])
    if call.kernel == "linear":
        return KernelCall(call.kernel, Shape(x.size), out)
    return KernelCall(
        call.kernel, x, out,
        (n["kernel_h"], n["kernel_w"]), (n["stride_h"], n["stride_w"]), pads=(n["pad_top"], n["pad_left"]),
        groups=n["groups"],
    )  # fmt: skip


def kernel_calls(plan: Plan) -> list[tuple[int, KernelCall]]:
    """All calls of a network, what runs row by row for each row, and the positions of their operators."""
    result = list[tuple[int, KernelCall]]()
    for call in plan.calls:
        rows = Run.of([_kernel_call(part) for part in call.parts]).calls() if call.parts else [(_kernel_call(call),)]
        for row, calls in zip((call, *call.parts), rows, strict=True):
            result += [(row.operator, each) for each in calls]
    return result


def predicted_amount(plan: Plan, profile: LatencyProfile) -> int:
    """What a profile says of the calls of a network, rounded once.

    Args:
        plan: the network.
        profile: one of instructions, or of estimated cycles.

    Returns:
        What `nc_run` takes with its input in place, in the profile's unit.
    """
    return round(profile.network + sum(profile.call_amount(call) for _, call in kernel_calls(plan)))
