"""A runtime profile made of measurements, and what a network takes by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nascompile.compression.quantised import QuantisedNetwork, QuantisedOp, QuantisedTensor
from nascompile.deploy.calls import Plan, constant_bytes, planned
from nascompile.deploy.core import CORES
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.deploy.measure import measured_code
from nascompile.deploy.project import Vectors, write_project
from nascompile.deploy.toolchain import build_image
from spaces.runtime import Runtime
from spaces.target import Region, Target
from spaces.tensors import Shape

__all__ = ["measured_runtime", "rom_of"]

#: Bytes of a row of the table, `sizeof(nc_op)` on a 32-bit core.
_ROW = {"int8": 44, "float32": 52}


def measured_runtime(core: str, dtype: str, folder: Path) -> Runtime:
    """The runtime of a core and a data type.

    What is there without any kernel is what the image of a network of two layers has beside that.

    Args:
        core: as targets name it.
        dtype: `int8` or `float32`.
        folder: for what is built.
    """
    code, needs = measured_code(CORES[core], dtype, folder)
    runtime = Runtime("nascompile-c", core, dtype, 0, _ROW[dtype], code, needs)
    plan, sample = _two_layers(dtype)
    regions = (Region("flash", "flash", 2**20, False), Region("RAM", "ram", 2**18, True))
    write_project(folder, plan, Target("any", "any", core, 0, regions), sample, "two layers", "")
    return replace(runtime, base=build_image(folder).rom - rom_of(plan, runtime))


def rom_of(plan: Plan, runtime: Runtime) -> int:
    """Bytes of flash of a network, from the constants that it really has.

    `Runtime.layer` gives the same from the operators of a space, before there is a network.
    """
    used = runtime.code_bytes(runtime.kernels({call.kernel for call in plan.calls}))
    return runtime.base + used + sum(runtime.call + constant_bytes(call) for call in plan.calls)


def _two_layers(dtype: str) -> tuple[Plan, Vectors]:
    """Eight channels to eight, twice, all weights nought. With one layer the compiler would leave out a loop."""
    x = Shape(8, 20, 20)
    if dtype == "int8":
        weights, words = np.zeros((8, 8, 1, 1), np.int8), np.zeros(8, np.int32)
        tensor, shifts = QuantisedTensor(x, 1.0, 0), np.zeros(8, np.int8)
        ops = [
            QuantisedOp("conv", (k,), weights=weights, biases=words, multipliers=words, shifts=shifts) for k in (0, 1)
        ]
        network = QuantisedNetwork("two layers", tuple(x), (tensor,) * 3, tuple(ops))
        nothing = np.zeros((1, *x), np.int8)
    else:
        weights, words = np.zeros((8, 8, 1, 1), np.float32), np.zeros(8, np.float32)
        ops = [FloatOp("conv", (k,), weights=weights, biases=words) for k in (0, 1)]
        network = FloatNetwork("two layers", tuple(x), (x,) * 3, tuple(ops))
        nothing = np.zeros((1, *x), np.float32)
    return planned(network), Vectors(nothing, nothing)
