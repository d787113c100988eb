"""Operators: what each kind of elementary operator is, one file a kind; importing this package registers them all.

>>> from spaces.operators import KERNELS, OPERATORS
>>> OPERATORS["concat"].joins, KERNELS["concat"].calls
(True, 'each')
"""

from importlib import import_module

from spaces.operators.base import OPERATORS, Op, OperatorKind, Ops
from spaces.operators.kernel import C_FUNCTIONS, KERNELS, Kernel, KernelCall

__all__ = ["C_FUNCTIONS", "KERNELS", "KINDS", "LOOPS", "OPERATORS", "Kernel", "KernelCall", "Op", "OperatorKind", "Ops"]

#: The files of this package that register kinds, in the order in which random shapes of their C functions are drawn
#: (`nascompile.deploy.operator_shapes`): a new one goes to the end, so that what was measured stays the same.
KINDS = (
    "convolution", "linear", "sums", "product", "clamp", "concat", "pooling", "flatten", "activations", "zeros",
    "split", "shuffle", "rows",
)  # fmt: skip
for _kind in KINDS:
    import_module(f"{__name__}.{_kind}")

#: Data type -> C function -> the loops that its calls' time and instructions are made of.
LOOPS = {
    dtype: {name: function.loops[dtype] for name, function in C_FUNCTIONS.items() if dtype in function.loops}
    for dtype in ("int8", "float32")
}
