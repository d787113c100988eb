"""Predicted flash and RAM are those of the image: the shipped measurements, random networks, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nascompile.deploy import core as cores
from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.errors import DeployError
from nascompile.deploy.project import Vectors, write_project
from nascompile.deploy.runtime_profile import measured_runtime, rom_of
from nascompile.deploy.toolchain import Sizes, build_image
from spaces.language.library import library
from spaces.operators import Kernel
from spaces.operators.kernel import instruction_set
from spaces.program.breakdown import totals
from spaces.program.candidate import Candidate
from spaces.runtimes.library import find_runtime
from spaces.runtimes.nascompile_c import NascompileC, measured_compiler
from spaces.targets.target import Target
from spaces.tensors import DTYPES, Shape
from tests.compression.networks import NETWORKS, candidate
from tests.deploy.operators import filled, filled_float
from tests.deploy.tools import any_chip, candidates, chain_of, needs_arm, needs_riscv, subject

CORES = ("Cortex-M0+", "Cortex-M4F", "Cortex-M7", "Cortex-M33", "Cortex-M55")


def same_compiler(core: str) -> bool:
    from nascompile.deploy.measure import compiler_version

    there = cores.CORES[core]
    return compiler_version(there) == measured_compiler(f"{there.tools.cross}gcc")


@needs_arm
@pytest.mark.parametrize(
    ("core", "dtype"),
    [
        *[(core, "int8") for core in CORES],
        ("Cortex-M4F", "float32"),
        ("Cortex-M7", "float32"),
        pytest.param("RISC-V RV32IMC", "int8", marks=needs_riscv),
    ],
)
def test_the_shipped_measurements_are_those_of_today(core: str, dtype: str, tmp_path: Path) -> None:
    if not same_compiler(core):
        pytest.skip("the compiler is another than that of the shipped measurements")
    assert measured_runtime(core, dtype, tmp_path) == find_runtime("nascompile-c", any_chip(core), dtype)


def image(folder: Path, plan: Plan, target: Target) -> Sizes:
    nothing = np.zeros((1, plan.input.size)), np.zeros((1, plan.output.size))
    write_project(folder, plan, target, Vectors(*nothing), "a network", "")
    return build_image(folder, cores.CORES[target.core])


def smallest(name: str, dtype: str, core: str) -> Candidate:
    """Of some random networks of a space, the one whose C is compiled soonest."""
    return min(candidates(name, 6, seed=11, dtype=dtype, core=core), key=lambda one: totals(one)["rom"])


@needs_arm
@pytest.mark.parametrize(
    ("name", "dtype", "core"),
    [
        *((name, "int8", "Cortex-M4F") for name in library()),
        # The other data sets of NAS-Bench-201 have the same kernels.
        *((name, "float32", "Cortex-M7") for name in library() if not name.startswith("nasbench201_")),
    ],
)
def test_networks_of_the_library_take_what_was_predicted(name: str, dtype: str, core: str, tmp_path: Path) -> None:
    one = smallest(name, dtype, core)
    costs, make = totals(one), filled if dtype == "int8" else filled_float
    plan = planned(make(chain_of(one), one.program.space.input.shape, 0))
    assert one.program.runtime
    assert rom_of(plan, one.program.runtime) == costs["rom"]
    sizes = image(tmp_path / "p", plan, any_chip(core))
    assert sizes.ram == plan.memory.size * DTYPES[dtype] == costs["ram_liveness"] == costs["ram"]
    assert abs(costs["rom"] - sizes.rom) <= 0.01 * sizes.rom


@needs_arm
@pytest.mark.parametrize(
    ("name", "core"),
    [
        *(
            (name, core)
            for core in ("Cortex-M0+", "Cortex-M33", "Cortex-M55")
            for name in ("squeeze", "inception", "mlp")
        ),
        pytest.param("squeeze", "RISC-V RV32IMC", marks=needs_riscv),
        pytest.param("mlp", "RISC-V RV32IMAC", marks=needs_riscv),
    ],
)
def test_other_cores_take_what_was_predicted(name: str, core: str, tmp_path: Path) -> None:
    plan, _ = subject(name, "int8", instruction_set(core))
    runtime = find_runtime("nascompile-c", any_chip(core), "int8")
    assert runtime
    sizes = image(tmp_path / "p", plan, any_chip(core))
    assert sizes.ram == plan.memory.size
    assert abs(rom_of(plan, runtime) - sizes.rom) <= 0.01 * sizes.rom


@pytest.mark.parametrize("name", NETWORKS)
def test_the_formula_is_the_same_before_there_is_a_network(name: str) -> None:
    one = candidate(name)
    for dtype in ("int8", "float32"):
        runtime = find_runtime("nascompile-c", any_chip("Cortex-M4F"), dtype)
        assert runtime
        settings = replace(one.program.space.settings, dtype=dtype)
        program = replace(one.program, runtime=runtime, space=replace(one.program.space, settings=settings))
        plan, _ = subject(name, dtype)
        assert totals(replace(one, program=program))["rom"] == rom_of(plan, runtime)


@needs_arm
def test_over_budget_does_not_link(tmp_path: Path) -> None:
    x = Shape(16, 20, 20)
    plan = planned(filled([Kernel("pointwise", (0,), x, x), Kernel("pointwise", (1,), x, x)], x, 0))
    assert plan.memory.size == 6_528
    small = any_chip("Cortex-M4F", flash=1000, ram=6_528 + NascompileC.stack - 8)
    with pytest.raises(DeployError) as caught:
        image(tmp_path / "p", plan, small)
    (told,) = caught.value.diagnostics
    assert told.code == "does-not-fit"
    rom = image(tmp_path / "q", plan, any_chip("Cortex-M4F")).rom
    assert told.message == f"the network overflows the chip's FLASH by {rom - 1000:,} B and RAM by 8 B"
    assert image(tmp_path / "r", plan, any_chip("Cortex-M4F", flash=rom, ram=6_528 + NascompileC.stack)).rom == rom
