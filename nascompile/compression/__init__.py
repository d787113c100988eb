"""Compression: a trained network pruned to its candidate's widths, and in int8.

>>> from nascompile.compression import QuantisedNetwork
>>> QuantisedNetwork("none", (1,), (), ()).nbytes
0
"""

from typing import TYPE_CHECKING, Any

from nascompile.compression.errors import CompressionError
from nascompile.compression.quantised import QuantisedNetwork, QuantisedOp, QuantisedTensor

if TYPE_CHECKING:
    from nascompile.compression.int8 import Quantised, evaluate_int8, quantise_after_training, quantise_in_training
    from nascompile.compression.pruning import Pruned, PruningRound, prune

__all__ = [
    "CompressionError",
    "Pruned",
    "PruningRound",
    "Quantised",
    "QuantisedNetwork",
    "QuantisedOp",
    "QuantisedTensor",
    "evaluate_int8",
    "prune",
    "quantise_after_training",
    "quantise_in_training",
]

_LATE = {
    "Pruned": "pruning",
    "PruningRound": "pruning",
    "prune": "pruning",
    "Quantised": "int8",
    "evaluate_int8": "int8",
    "quantise_after_training": "int8",
    "quantise_in_training": "int8",
}


def __getattr__(name: str) -> Any:
    """What loads torch is imported when it is named."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nascompile.compression.{_LATE[name]}"), name)
