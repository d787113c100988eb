"""The weights of a trained network in one file."""

from __future__ import annotations

from pathlib import Path

import torch

from nascompile.training.tensor_file import read_tensors, write_tensors
from spaces.errors import FileError
from spaces.networks.network import Network
from spaces.program.candidate import Candidate

__all__ = ["load_weights", "save_weights"]

_KIND = "weights"


def save_weights(path: Path, network: torch.nn.Module, candidate: Candidate) -> None:
    """Write the weights and buffers of a candidate's network.

    Raises:
        FileError: the file cannot be written.
    """
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    write_tensors(path, arrays, {"kind": _KIND, "candidate": str(candidate)})


def load_weights(path: Path, candidate: Candidate) -> Network:
    """The network of a candidate with the weights of a file, in evaluation mode.

    Raises:
        FileError: the file cannot be read, is damaged, or is of another network.
    """
    arrays, about = read_tensors(path, _KIND)
    if about.get("candidate") != str(candidate):
        message = f"these are the weights of `{about.get('candidate')}`, not of `{candidate}`"
        raise FileError.of("wrong-file", message, "name another file", path)
    network = candidate.build(batch_norm="kept")
    try:
        network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except RuntimeError:
        message = f"these weights do not fit `{candidate}`"
        hint = "they are from another version of nascompile: start the run anew"
        raise FileError.of("wrong-file", message, hint, path) from None
    return network.eval()
