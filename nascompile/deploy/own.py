"""Networks that a user trained: from a module, integers or a file of weights to what is deployed."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.data.dataset import Dataset
from nascompile.deploy.deployable import Deployable, float_deployable
from nascompile.deploy.ends import Ends
from nascompile.deploy.errors import DeployError
from spaces.errors import FileError
from spaces.program.candidate import Candidate
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target
from spaces.units import parse_bytes

if TYPE_CHECKING:
    import torch

    from nascompile.compression.int8 import Quantised
    from nascompile.deploy.deployed import Deployed
    from spaces.networks.network import Network

__all__ = ["Calibration", "deploy", "own_deployable"]

#: What ranges of int8 tensors are measured on: examples of a data set's training part, or normalised inputs [n, ...].
Calibration = Dataset | NDArray[np.float32]
#: Examples that ranges are measured on, at most, and how many at a time.
_EXAMPLES, _BATCH = 512, 128


def deploy(
    candidate: Candidate,
    network: torch.nn.Module | QuantisedNetwork | Quantised | str | Path,
    *,
    mcu: str | Target,
    rom: int | str | None = None,
    folder: str | Path,
    calibrate: Calibration | None = None,
    dtype: str | None = None,
    prefix: str = "nc",
) -> Deployed:
    """Write a network that you trained as C for a microcontroller.

    Args:
        candidate: which network it is.
        network: what `candidate.build()` gave, trained; or what `quantise_after_training` made of it; or the path of a
            .safetensors file with the weights of either (`safetensors.torch.save_file(network.state_dict(), path)`,
            `QuantisedNetwork.save`).
        mcu: a chip, part number, board, target file or Target.
        rom: bytes for the program, or text such as `"2MiB"`; a chip without flash needs it, others have their own.
        folder: to write; see `nascompile deploy`.
        calibrate: on what the ranges of int8 are measured; not for a network that is in int8 already. With a data set
            the C gets its class names and normalisation, too.
        dtype: `int8` or `float32`; by default int8 where `calibrate` is given or the network is so.
        prefix: of the library's names in C.

    Returns:
        What was written and what it is predicted to take; `nascompile.deploy.deploy.verify` proves it.

    Raises:
        DeployError: the weights are of another network, or none in int8 can be made of them.
        FileError: a file cannot be read.

    Example:
        >>> import nascompile as nc
        >>> from samplers.testing import example_set
        >>> one = example_set("small")[3]
        >>> made = nc.deploy(one, one.build(), mcu="stm32f412", folder=getfixture("tmp_path") / "kws", prefix="kws")
        >>> (made.folder / "include" / "kws.h").is_file(), made.plan.dtype
        (True, 'float32')
    """
    from nascompile.deploy.deploy import deploy as write
    from nascompile.deploy.naming import Naming

    naming, target = Naming(prefix), load_target(mcu) if isinstance(mcu, str) else mcu
    target = target.with_rom(None if rom is None else parse_bytes(rom))
    return write(own_deployable(candidate, network, calibrate, dtype), target, Path(folder), naming)


def own_deployable(
    candidate: Candidate,
    network: torch.nn.Module | QuantisedNetwork | Quantised | str | Path,
    calibrate: Calibration | None = None,
    dtype: str | None = None,
) -> Deployable:
    """What `deploy` writes; arguments and errors are its own."""
    from spaces.networks.network import Network

    found = _loaded(candidate, Path(network)) if isinstance(network, str | Path) else network
    made: Any = getattr(found, "network", found)  # what `quantise_after_training` gives has it inside
    if not isinstance(made, QuantisedNetwork | Network):
        message = f"a `{type(made).__name__}` is no network of a candidate"
        raise DeployError.of("not-a-network", message, "train what `candidate.build()` gives")
    if made.line != str(candidate):
        message = f"this is the network of `{made.line}`, not of `{candidate}`"
        raise DeployError.of("another-network", message, "name its own candidate")
    wanted = dtype or ("int8" if isinstance(made, QuantisedNetwork) or calibrate is not None else "float32")
    ends = Ends.of_data(calibrate) if isinstance(calibrate, Dataset) else None
    if isinstance(made, QuantisedNetwork):
        if wanted != "int8":
            raise DeployError.of("no-float", "a network in int8 has no float32 weights", "leave --dtype out")
        return Deployable(candidate, made, made.run, trained=True, ends=ends)
    made = deepcopy(made).cpu().eval()
    if wanted == "float32":
        return replace(float_deployable(candidate, made, trained=True), ends=ends)
    if calibrate is None:
        message = "to become int8 the network needs examples, on which the ranges of its tensors are measured"
        raise DeployError.of("no-calibration", message, "give them with --calibrate DATA, or --dtype float32")
    integers = _quantised(made, calibrate.train.x if isinstance(calibrate, Dataset) else calibrate)
    return Deployable(candidate, integers, integers.run, trained=True, ends=ends)


def _quantised(network: Network, x: NDArray[np.float32]) -> QuantisedNetwork:
    import torch

    from nascompile.compression.fake_quant import FakeQuantised
    from nascompile.compression.integers import integers

    x = np.asarray(x, np.float32)
    if not len(x) or x.shape[1:] != tuple(network.input_shape) or not np.isfinite(x).all():
        message = f"examples of shape {x.shape} to calibrate with are none of a network of {network.input_shape}"
        raise DeployError.of("bad-calibration", message, "give finite inputs [n, ...] as the network takes them")
    rows = np.unique(np.linspace(0, len(x) - 1, min(_EXAMPLES, len(x))).round().astype(np.int64))
    simulated = FakeQuantised(network).eval()
    simulated.calibrate(list(torch.from_numpy(x[rows]).split(_BATCH)))
    return integers(simulated)


def _loaded(candidate: Candidate, path: Path) -> Network | QuantisedNetwork:
    """The network in a file of weights."""
    import torch
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
        arrays = load(data)
        about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__") or {}
    except OSError as cause:
        message = f"cannot read the file: {cause.strerror}"
        raise FileError.of("unreadable-file", message, "check the path", path) from None
    except (SafetensorError, ValueError):
        hint = "write it with `safetensors.torch.save_file(network.state_dict(), path)`"
        raise FileError.of("damaged-file", "this is no whole .safetensors file", hint, path) from None
    if '"kind": "quantised' in about.get("nascompile", ""):
        return QuantisedNetwork.load(path)
    told = ""
    for batch_norm in (None, "kept", "folded"):
        network = candidate.build(batch_norm=batch_norm)
        try:
            network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        except RuntimeError as error:
            told = told or _mismatch(network, arrays) or str(error).splitlines()[0]
        else:
            return network
    hint = "they are the `state_dict()` of what `candidate.build()` gives, of the same candidate"
    raise FileError.of("wrong-weights", f"these are no weights of `{candidate}`: {told}", hint, path)


def _mismatch(network: Network, arrays: dict[str, NDArray[Any]]) -> str:
    """What is wrong first with the weights."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in wanted.items():
        if name not in arrays:
            return f"`{name}` is not there"
        if arrays[name].shape != shape:
            return f"`{name}` has shape {list(arrays[name].shape)}, not {list(shape)}"
    return next((f"there is `{name}` besides" for name in arrays if name not in wanted), "")
