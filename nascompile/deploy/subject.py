"""What is deployed: a network with its weights, in int8 or float32, and what it must compute."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.errors import DeployError
from nascompile.deploy.float_network import FloatNetwork, float_network
from nascompile.deploy.project import Vectors
from spaces.breakdown import totals
from spaces.candidate import Candidate
from spaces.latency import RUNTIME
from spaces.recosted import recosted
from spaces.runtime import RuntimeProfileError
from spaces.runtimes import find_runtime
from spaces.target import Target

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder
    from spaces.network import Network

__all__ = ["Subject", "of_run", "predicted", "run_and_number", "untrained"]

#: Inputs of the check.
_VECTORS = 8
_RUN = re.compile(r"(.*)#(\d+)")


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to deploy.

    Args:
        candidate: which one.
        network: its kernels with their constants.
        reference: inputs [n, ...] of its data type -> outputs.
        trained: whether its weights were.
        module: gives it as a PyTorch module in floating point.
    """

    candidate: Candidate
    network: QuantisedNetwork | FloatNetwork
    reference: Callable[[NDArray[Any]], NDArray[Any]]
    trained: bool
    module: Callable[[], Network]

    @property
    def dtype(self) -> str:
        """`int8` or `float32`."""
        return "int8" if isinstance(self.network, QuantisedNetwork) else "float32"

    def vectors(self, seed: int = 0) -> Vectors:
        """Random inputs over the whole range, one of them nought, and what the network must make of them."""
        generator = np.random.default_rng(seed)
        shape = (_VECTORS, *self.network.input_shape)
        if self.dtype == "int8":
            inputs = generator.integers(-128, 128, shape, np.int8)
        else:
            inputs = generator.normal(size=shape).astype(np.float32)
        inputs[0] = 0
        return Vectors(inputs, self.reference(inputs))


def run_and_number(text: str) -> tuple[Path, int | None] | None:
    """`RUN#k` as the folder and the number; a folder alone has none; None where the text names no run.

    Example:
        >>> run_and_number("keywords-run#7")
        (PosixPath('keywords-run'), 7)
        >>> run_and_number("dscnn")
    """
    if found := _RUN.fullmatch(text):
        return Path(found[1]), int(found[2])
    return (Path(text), None) if (Path(text) / "config.json").is_file() else None


def of_run(folder: RunFolder, number: int, dtype: str) -> Subject:
    """A network that a run has trained.

    Args:
        folder: of the run.
        number: of the candidate there.
        dtype: `int8` or `float32`.

    Raises:
        DeployError: the run has no such network, or none in int8.
        FileError: its files are damaged.
    """
    from nascompile.run.evaluate import read_result
    from nascompile.run.weights import load_weights
    from spaces.candidate import parse_candidate

    place = folder.network(number)
    result = read_result(place) or {}
    if "error" in result or not (place / "float.safetensors").is_file():
        known = sorted(int(path.parent.name) for path in folder.path.glob("networks/*/float.safetensors"))
        message = f"`{folder.path}` has no trained network {number}"
        raise DeployError.of("no-network", message, f"it has {', '.join(map(str, known)) or 'none'}")
    candidate = parse_candidate(folder.fs.program, result["candidate"])
    module = partial(load_weights, place / "float.safetensors", candidate)
    if dtype == "float32":
        return _float(candidate, module(), trained=True)
    if not (place / "int8.safetensors").is_file():
        message = f"`{folder.path}` did not quantise network {number}"
        raise DeployError.of("no-int8", message, "deploy it with --dtype float32, or search with --quantise ptq")
    network = QuantisedNetwork.load(place / "int8.safetensors")
    return Subject(candidate, network, network.run, trained=True, module=module)


def untrained(candidate: Candidate, dtype: str, seed: int = 0) -> Subject:
    """A candidate with weights as training begins with: its sizes and its speed are those of the trained network.

    Args:
        candidate: the network.
        dtype: `int8`, calibrated on normally distributed inputs, or `float32`.
        seed: of weights and inputs.
    """
    import torch

    from nascompile.compression.fake_quant import FakeQuantised
    from nascompile.compression.integers import integers
    from spaces.network import build

    network = build(candidate, seed=seed, batch_norm="kept").eval()
    if dtype == "float32":
        return _float(candidate, network, trained=False)
    generator = torch.Generator().manual_seed(seed)
    simulated = FakeQuantised(network).eval()
    simulated.calibrate([torch.randn(_VECTORS, *network.input_shape, generator=generator)])
    quantised = integers(simulated)
    return Subject(candidate, quantised, quantised.run, trained=False, module=lambda: network)


def _float(candidate: Candidate, network: Network, trained: bool) -> Subject:
    from nascompile.training.tasks import outputs

    return Subject(candidate, float_network(network), lambda x: outputs(network, x), trained, lambda: network)


def predicted(candidate: Candidate, target: Target, dtype: str) -> dict[str, int]:
    """What the cost model says of a candidate's C, before there is any.

    Returns:
        `ram`, what is alive at once; `ram_pingpong`, EBS Eq. 4; `macs`; `rom`, where the runtime was measured on the
        target's core.
    """
    there = recosted(candidate, [f"dtype={dtype}"])
    try:
        runtime = find_runtime(RUNTIME, target, dtype)
    except RuntimeProfileError:
        runtime = None
    costs = totals(replace(there, program=replace(there.program, runtime=runtime, ram_model="liveness", code={})))
    names = ("ram", "ram_pingpong", "macs", *(("rom",) if runtime else ()))
    return {name: int(costs[name]) for name in names}
