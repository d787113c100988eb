"""Instructions: the calls predicted are those of the C; the shipped profiles are what QEMU counts; networks add up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nascompile.deploy.calls import planned
from nascompile.deploy.core import CORES, RISCV, core_of
from nascompile.deploy.core_costs import COSTS
from nascompile.deploy.cycles import counted_calls, disassembled, estimated_cycles
from nascompile.deploy.deployable import untrained
from nascompile.deploy.instructions import counted_operators, kernel_calls, predicted_amount
from nascompile.deploy.latency_firmware import write_firmware
from nascompile.deploy.operator_shapes import drawn_calls
from nascompile.deploy.project import Vectors, write_project
from nascompile.deploy.toolchain import run_check
from nascompile.latency.operators import read_operators
from spaces.costs.latency_profiles import named_profile
from spaces.operators import KernelCall
from spaces.runtimes.kernels import layer_calls
from spaces.targets.catalogue import load_target
from tests.compression.networks import NETWORKS, candidate
from tests.deploy.tools import needs_arm, needs_riscv

torch.set_num_threads(1)


def used(call: KernelCall) -> KernelCall:
    """A call without what its kernel does not look at."""
    if call.name == "conv" or call.name.endswith("pool"):
        groups = call.groups if call.name == "conv" else 1
        return call._replace(groups=groups)
    return call._replace(groups=1)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_calls_of_the_cost_model_are_those_of_the_c(name: str, dtype: str) -> None:
    network = candidate(name)
    predicted = [used(c) for step in network.steps for c in layer_calls(step.ops, step.x.shape, dtype, "simd")]
    plan = planned(untrained(network, dtype).network)
    assert predicted == [used(call) for _, call in kernel_calls(plan)]


@needs_arm
@pytest.mark.parametrize(
    ("mcu", "dtype"),
    [
        *((mcu, dtype) for mcu in ("stm32f412", "stm32f746") for dtype in ("int8", "float32")),
        pytest.param("esp32-c3", "int8", marks=needs_riscv),
    ],
)
def test_the_shipped_profile_says_what_other_operators_take(mcu: str, dtype: str, tmp_path: Path) -> None:
    """Shapes of another seed than those that it was fitted to; fails once a kernel has changed."""
    target = load_target(mcu)
    calls = write_firmware(tmp_path, target, dtype, drawn_calls(dtype, 20_000, 20_000, each=3, seed=1))
    counted = read_operators(counted_operators(tmp_path, CORES[target.core]))
    profile = named_profile("nascompile-c", target, dtype, "instructions")
    assert (counted.unit, counted.dtype, len(counted.latency)) == ("instructions", dtype, len(calls))
    for call, instructions in zip(calls, counted.latency, strict=True):
        # A RISC-V core without extensions finds a maximum, and what is too large for int8, by a branch, which depends
        # on the data: of a convolution of few channels all outputs, or none, may be as large as can be.
        riscv = CORES[target.core].tools is RISCV
        most = 0.1 if riscv and call.name.endswith("max_pool") else 0.015 if riscv else 0.005
        assert float(profile.call_amount(call)) == pytest.approx(instructions, rel=most, abs=1), call


@needs_arm
@pytest.mark.parametrize(
    ("name", "mcu", "dtype"),
    [
        ("ds_conv", "stm32f412", "int8"), ("squeeze", "stm32f746", "int8"), ("inception", "stm32f412", "int8"),
        ("sppf", "stm32f746", "int8"), ("groups", "stm32f412", "float32"), ("preact", "stm32f746", "float32"),
        pytest.param("squeeze", "pico2-riscv", "int8", marks=needs_riscv),
    ],
)  # fmt: skip
def test_a_network_takes_the_sum_of_its_calls(name: str, mcu: str, dtype: str, tmp_path: Path) -> None:
    subject, target = untrained(candidate(name), dtype), load_target(mcu)
    plan, vectors = planned(subject.network), subject.vectors()
    write_project(tmp_path, plan, target, Vectors(vectors.inputs[:1], vectors.outputs[:1]), name, "")
    core = core_of(target)
    assert core is not None
    counted = run_check(tmp_path, core).instructions
    predicted = predicted_amount(plan, named_profile("nascompile-c", target, dtype, "instructions"))
    assert predicted == pytest.approx(counted, rel=0.03)
    if target.core in COSTS:
        image = tmp_path / "build" / core.name / "check.elf"
        # The network runs on its vector, then to be timed, then to see its stack.
        _, timed, _ = counted_calls(image, core, "nc_run", tmp_path)
        assert abs(timed.instructions - counted) < 10
        cycles = estimated_cycles(timed, disassembled(image), COSTS[target.core])
        assert counted < cycles < 2 * counted
        assert predicted_amount(plan, named_profile("nascompile-c", target, dtype)) == pytest.approx(cycles, rel=0.03)
