"""From a network to its folder of C, and the proof that the C computes what it should, in the memory predicted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nascompile.deploy.calls import planned
from nascompile.deploy.core import core_of
from nascompile.deploy.deployable import Deployable, predicted
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.drawing import arena_svg
from nascompile.deploy.ends_costs import around_of
from nascompile.deploy.errors import DeployError
from nascompile.deploy.instructions import predicted_amount
from nascompile.deploy.layers import fused_activations, layer_rows, stays
from nascompile.deploy.manifest import check_folder_holds
from nascompile.deploy.measure import compiler_version
from nascompile.deploy.naming import PLAIN, Naming
from nascompile.deploy.project import HOLDS, in_memory, write_project
from nascompile.deploy.readme import readme
from nascompile.deploy.toolchain import Checked, Sizes, build_image, host_library, run_check, run_host
from spaces.costs.latency import Unit
from spaces.costs.latency_profiles import named_profile
from spaces.costs.prices import LatencyError
from spaces.operators.kernel import instruction_set
from spaces.runtimes.around import NOTHING
from spaces.runtimes.nascompile_c import NascompileC, measured_compiler
from spaces.targets.target import Target

__all__ = ["Verified", "deploy", "verify"]

#: What a profile of the core foretells of the calls of a network.
_FORETOLD: dict[str, Unit] = {"instructions": "instructions", "estimated_cycles": "estimated cycles"}


@dataclass(frozen=True)
class Verified:
    """What building and running showed.

    Args:
        host: the largest difference of an output from the reference, on this computer.
        core: the same on the emulated core, where it was run there; and its instructions and stack.
        sizes: of the image linked for the chip.
        allowed: the difference that is still none.
        overflow: the linker's word on what does not fit; then there are no sizes.
        compiler: with which it was built, where predictions were measured with another one.
        not_run: why it was not run on an emulated core, though there is one.
    """

    host: float
    core: Checked | None
    sizes: Sizes | None
    allowed: float
    overflow: str = ""
    compiler: str = ""
    not_run: str = ""

    @property
    def passed(self) -> bool:
        """Whether the C computes what the reference does, wherever it ran."""
        wrong = self.core.wrong if self.core else 0
        # No number at all is within no tolerance.
        return not wrong and all(
            difference <= self.allowed for difference in (self.host, *([self.core.difference] if self.core else []))
        )


def deploy(subject: Deployable, target: Target, folder: Path, naming: Naming = PLAIN) -> Deployed:
    """Write a network as C.

    Args:
        subject: the network.
        target: the chip.
        folder: made if it is not there; else empty, or of an earlier deployment.
        naming: of the library.

    Raises:
        DeployError: a number of the network does not fit into C's fields, or the folder cannot be written, or holds
            something else.
    """
    check_folder_holds(folder, HOLDS)
    plan = planned(subject.network, instruction_set(target.built_as), subject.rooms)
    vectors = subject.vectors()
    around = NOTHING
    if subject.ends:
        around = around_of(subject.ends, target.built_as, subject.dtype, plan.input.size)
    foretold = predicted(subject.candidate, target, subject.dtype, around)
    profiles = {}
    for name, unit in _FORETOLD.items():
        with suppress(LatencyError):  # there is no profile of this core
            profiles[name] = named_profile(NascompileC.name, target, subject.dtype, unit)
            foretold[name] = predicted_amount(plan, profiles[name])
    if subject.ends and around.instructions is not None:
        foretold["prepare"] = around.instructions
    activations = fused_activations(subject.candidate)
    layers = layer_rows(subject.network, plan, activations, profiles.get("instructions"))
    made = Deployed(folder, subject, target, plan, foretold, vectors=vectors, naming=naming, layers=layers)
    name, text = str(subject.candidate), readme(made)
    drawing = arena_svg(stays(subject.network, plan), layers, made.ram, f"{name.rstrip(': ')}, in {plan.dtype}")
    kept = write_project(
        folder, plan, target, vectors, name=name, readme=text, ends=subject.ends, naming=naming, drawing=drawing
    )
    return replace(made, kept=kept)


def verify(made: Deployed) -> Verified:
    """Build the C for this computer and for the chip, run it here and on the emulated core, compare.

    Raises:
        DeployError: a tool is missing, or the C does not compile.
    """
    inputs = _rows(made.vectors.inputs, made.plan.input)
    wanted = _rows(made.vectors.outputs, made.plan.output)
    found = run_host(host_library(made.folder, made.naming.name), inputs, made.plan.output.size, made.naming.prefix)
    host = float(np.abs(found.astype(np.float64) - wanted).max())
    core, allowed = core_of(made.target), made.vectors.allowed
    if core is None:
        return Verified(host, None, None, allowed)
    sizes, overflow = None, ""
    try:
        sizes = build_image(made.folder, core)
    except DeployError as error:
        (told,) = error.diagnostics
        if told.code != "does-not-fit":
            raise
        overflow = told.message
    compiler = compiler_version(core)
    measured = measured_compiler(core.tools.cross)
    another = compiler if "rom" in made.predicted and compiler != measured else ""
    shown, not_run = None, ""
    try:
        shown = run_check(made.folder, core)
    except DeployError as error:
        (told,) = error.diagnostics
        if told.code not in ("does-not-fit", "too-slow"):
            raise
        not_run = told.message
    return Verified(host, shown, sizes, allowed, overflow=overflow, compiler=another, not_run=not_run)


def _rows(values: Any, shape: Any) -> Any:
    return np.stack([in_memory(value, shape) for value in values])
