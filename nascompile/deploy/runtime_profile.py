"""A runtime profile made of measurements, and what a network takes by it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import Plan, constant_bytes, planned
from nascompile.deploy.core import CORES
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.deploy.measure import measured_code
from nascompile.deploy.project import Vectors, write_project
from nascompile.deploy.toolchain import build_image
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Region, Target
from spaces.tensors import Shape

__all__ = ["measured_runtime", "rom_of"]

#: Bytes of a row of the table, `sizeof(nc_op)` on a 32-bit core.
_ROW = {"int8": 56, "float32": 60}


def measured_runtime(core: str, dtype: str, folder: Path) -> NascompileC:
    """The runtime of a core and a data type.

    What is there without any kernel is what the image of a network of four layers has beside that.

    Args:
        core: as targets name it.
        dtype: `int8` or `float32`.
        folder: for what is built.
    """
    code, needs = measured_code(CORES[core], dtype, folder)
    runtime = NascompileC(core, dtype, 0, _ROW[dtype], code, needs=needs)
    plan, sample = _four_layers(dtype)
    regions = (Region("flash", "flash", 2**20, False), Region("RAM", "ram", 2**18, True))
    project = folder / "project"
    write_project(project, plan, Target("any", "any", core, 0, regions), sample, name="four layers", readme="")
    return replace(runtime, base=build_image(project, CORES[core]).rom - rom_of(plan, runtime))


def rom_of(plan: Plan, runtime: NascompileC) -> int:
    """Bytes of flash of a network, from the constants that it really has.

    `NascompileC.layer` gives the same from the operators of a space, before there is a network.
    """
    used = runtime.code_bytes(runtime.kernels({row.kernel for row in plan.rows}))
    return runtime.base + used + sum(runtime.call + constant_bytes(row) for row in plan.rows)


def _four_layers(dtype: str) -> tuple[Plan, Vectors]:
    """Convolutions with weights of 0, of 8 to 12, 12, 12 and 4 channels.

    Of one or two layers, or of an input and an output of one size, the compiler makes less than it makes of others.
    """
    channels = (8, 12, 12, 12, 4)
    shapes = [Shape(n, 20, 20) for n in channels]
    if dtype == "int8":
        ops = [
            QuantisedOp(
                "conv", (k,), weights=np.zeros((n, before, 1, 1), np.int8), biases=np.zeros(n, np.int32),
                multipliers=np.zeros(n, np.int32), shifts=np.zeros(n, np.int8),
            )
            for k, (before, n) in enumerate(pairwise(channels))
        ]  # fmt: skip
        tensors = tuple(QuantisedTensor(shape, 1.0, 0) for shape in shapes)
        network = QuantisedNetwork("four layers", tuple(shapes[0]), tensors, tuple(ops))
    else:
        ops = [
            FloatOp("conv", (k,), weights=np.zeros((n, before, 1, 1), np.float32), biases=np.zeros(n, np.float32))
            for k, (before, n) in enumerate(pairwise(channels))
        ]
        network = FloatNetwork("four layers", tuple(shapes[0]), tuple(shapes), tuple(ops))
    kind = np.int8 if dtype == "int8" else np.float32
    return planned(network), Vectors(np.zeros((1, *shapes[0]), kind), np.zeros((1, *shapes[-1]), kind))
