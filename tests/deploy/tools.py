"""What the tests of generated C share: the tools that they need, networks without training, projects on disk."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nascompile.compression.fake_quant import FakeQuantised
from nascompile.compression.integers import integers
from nascompile.compression.network_kernels import kernels
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.float_network import float_network
from nascompile.deploy.project import Vectors, in_memory, write_project
from spaces.language.reader import load_space
from spaces.networks.network import Network
from spaces.operators import Kernel
from spaces.operators.kernel import InstructionSet
from spaces.program.breakdown import totals
from spaces.program.candidate import Candidate
from spaces.program.graph import Budgets, Program
from spaces.program.variants import unroll
from spaces.runtimes.library import find_runtime
from spaces.targets.target import Region, Target
from spaces.tensors import Infeasible
from tests.compression.networks import candidate, examples, lively
from tests.system_tools import needs

__all__ = [
    "any_chip", "candidates", "chain_of", "needs_arm", "needs_both", "needs_host", "needs_riscv", "quantised", "rows",
    "subject", "written",
]  # fmt: skip


#: To compile for this computer; to compile for a Cortex-M and to run it in the emulator; to do both.
needs_host = needs("make", "cc")
needs_arm = needs("make", "arm-none-eabi-gcc", "qemu-system-arm")
needs_both = needs("make", "cc", "arm-none-eabi-gcc", "qemu-system-arm")
needs_riscv = needs("make", "riscv64-unknown-elf-gcc", "qemu-system-riscv32")


def any_chip(core: str, flash: int = 2**23, ram: int = 2**22) -> Target:
    """A chip with room for whatever is tested."""
    return Target("any", "any chip", core, 0, (Region("flash", "flash", flash, False), Region("RAM", "ram", ram, True)))


def quantised(network: Network, x: np.ndarray) -> QuantisedNetwork:
    """A network in int8, calibrated on these examples."""
    simulated = FakeQuantised(network).eval()
    simulated.calibrate([torch.from_numpy(x)])
    return integers(simulated)


@cache
def subject(name: str, dtype: str, isa: InstructionSet = "simd") -> tuple[Plan, Vectors]:
    """A network of `tests.compression.networks`: its calls, and inputs with what it must make of them."""
    network = lively(candidate(name).build(seed=1, batch_norm="kept"))
    x = examples(network, 6)
    if dtype == "float32":
        with torch.no_grad():
            return planned(float_network(network)), Vectors(x, network(torch.from_numpy(x)).numpy())
    made = quantised(network, x)
    # Beyond what was calibrated, too, so that every clamp is met.
    q = np.concatenate([made.quantise(x[:4]), made.quantise(5 * x[4:])])
    return planned(made, isa), Vectors(q, made.run(q))


def rows(values: Any, shape: Any) -> Any:
    """Tensors [n, ...] as they lie in RAM, [n, size]."""
    return np.stack([in_memory(value, shape) for value in values])


def written(folder: Path, plan: Plan, vectors: Vectors, core: str = "Cortex-M4F") -> Path:
    """The project of a network for a roomy chip with this core."""
    write_project(folder, plan, any_chip(core), vectors, "a network", "")
    return folder


def candidates(space: str, count: int, seed: int, dtype: str = "int8", core: str = "Cortex-M4F") -> list[Candidate]:
    """Random networks of a space, without its tables: their costs are those that `totals` sums."""
    there = load_space(space, [f"dtype={dtype}"])
    variants = unroll(there)
    runtime = find_runtime("nascompile-c", any_chip(core), dtype)
    program = Program(there, variants, Budgets(), "", "liveness", runtime)
    rng = random.Random(seed)
    found: list[Candidate] = []
    while len(found) < count:
        position = rng.randrange(len(variants))
        row = tuple(rng.randrange(len(d.options)) for d in variants[position].decisions)
        one = Candidate(there.name, position, row, program)
        try:
            totals(one)
        except Infeasible:
            continue
        found.append(one)
    return found


def chain_of(one: Candidate) -> tuple[Kernel, ...]:
    """The kernels of a candidate, without its weights."""
    with torch.device("meta"):
        return kernels(one.build())[0]
