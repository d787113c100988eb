"""Kernels in integers and in C, one file a kind; importing this package registers them all.

>>> from nascompile.operators import INTEGER_KERNELS
>>> from spaces.operators import KERNELS
>>> set(INTEGER_KERNELS) == set(KERNELS)
True
"""

from importlib import import_module

from nascompile.operators.base import INTEGER_KERNELS, TIMED
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import KINDS

__all__ = ["INTEGER_KERNELS", "TIMED", "QuantisedOp", "QuantisedTensor"]

for _kind in KINDS:
    import_module(f"{__name__}.{_kind}")
