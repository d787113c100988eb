"""Compression: a trained network pruned to its candidate's widths, and in int8.

>>> from nascompile.compression import QuantisedNetwork
>>> QuantisedNetwork("none", (1,), (), ()).nbytes
0
"""

from typing import TYPE_CHECKING

from nascompile.compression.errors import CompressionError
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.lazy import face

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

__getattr__, __dir__ = face(
    __name__,
    {
        "Pruned": "nascompile.compression.pruning",
        "PruningRound": "nascompile.compression.pruning",
        "prune": "nascompile.compression.pruning",
        "Quantised": "nascompile.compression.int8",
        "evaluate_int8": "nascompile.compression.int8",
        "quantise_after_training": "nascompile.compression.int8",
        "quantise_in_training": "nascompile.compression.int8",
    },
)
