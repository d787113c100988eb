"""The labelled examples on which a command scores networks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samplers.proxies.base import Proxy
from solvers.sets.relaxed_set import AnySet
from spaces.errors import NascompileError

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["check_batch_norm", "check_device", "data_record", "labelled_examples"]


def labelled_examples(fs: AnySet, proxies: Sequence[Proxy], path: Path | None, batch: int, seed: int) -> Data:
    """The user's examples, or noise: two batches, or one where the file has no more and no proxy needs them.

    Args:
        fs: whose networks they are for; not empty.
        proxies: what is to be computed.
        path: an .npz file; None for noise.
        batch: examples per batch.
        seed: decides which, or what noise.

    Raises:
        NascompileError: the file cannot be read, or does not fit the networks.
    """
    from samplers.proxies.data import Data
    from spaces.program.breakdown import outputs

    shape, classes = fs.program.space.input.dims, outputs(fs.outer[0])
    if path is None:
        return Data.gaussian(shape, classes, 2 * batch, seed)
    try:
        data = Data.load(path, shape, 2 * batch, seed)
    except NascompileError:
        if any(p.name == "zico" for p in proxies):
            raise
        data = Data.load(path, shape, batch, seed)
    if int(data.labels.max()) >= classes:
        message = f"`{path}` has the label {int(data.labels.max())}, and the networks tell {classes} classes apart"
        hint = "number the classes from 0, or change the units of the space's last layer"
        raise NascompileError.of("bad-data", message, hint)
    return data


def data_record(data: Data, path: Path | None) -> dict[str, str]:
    """What a run notes of its examples: where they come from, wherever the file lies now, and a digest."""
    digest = hashlib.sha256(data.images.numpy().tobytes() + data.labels.numpy().tobytes())
    source = data.source.replace(str(path), path.name) if path else data.source
    return {"data": source, "data_sha256": digest.hexdigest()}


def check_device(device: str) -> None:
    """Whether networks can run there.

    Raises:
        NascompileError: no such device.
    """
    import torch

    if device not in ("cpu", "cuda"):
        raise NascompileError.of("wrong-value", f"--device cannot be `{device}`", "it is cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        message = "this machine has no CUDA device that PyTorch can use"
        raise NascompileError.of("no-gpu", message, "leave out --device")


def check_batch_norm(how: str) -> None:
    """Whether batch norms can be that.

    Raises:
        NascompileError: they cannot.
    """
    if how not in ("kept", "folded"):
        message = f"--batch-norm cannot be `{how}`"
        raise NascompileError.of("wrong-value", message, "it is kept or folded")
