"""The paper's formulas: EBS Eq. 3, weights and the code of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from spaces.language.settings import Settings
from spaces.operators import Ops
from spaces.runtimes.base import Runtime
from spaces.targets.target import Target
from spaces.tensors import DTYPES, Tensor

__all__ = ["Ebs"]


@dataclass(frozen=True)
class Ebs(Runtime):
    """ROM as EBS Eq. 3 counts it.

    Args:
        code: code bytes per operator kind, cs_t in Eq. 3; a kind that is missing costs none.

    Example:
        >>> from spaces.blocks.linear import linear
        >>> from spaces.tensors import Shape
        >>> x, out = Tensor(Shape(8), "float32", 0), Tensor(Shape(4), "float32", 0)
        >>> Ebs({"linear": 100}).layer(linear(x.shape, units=4), x, out, Settings("float32", True, False, False))
        (244, 0)
    """

    name: ClassVar[str] = "ebs"
    per_operator: ClassVar[bool] = True
    code: Mapping[str, int] = field(default_factory=dict, hash=False)

    @classmethod
    def find(cls, target: Target | None, dtype: str) -> Ebs:
        """With the code bytes that the target's file gives."""
        return cls(dict(target.runtime) if target else {})

    def layer(self, ops: Ops, x: Tensor, out: Tensor, settings: Settings) -> tuple[int, int]:
        """See `Runtime.layer`."""
        width = DTYPES[out.dtype]
        # Integer kernels accumulate in 32 bits, so their biases and scales take 4 bytes whatever the weights take.
        wide = 4 if out.dtype.startswith("int") else width
        weights, extra = sum(op.weights for op in ops), sum(map(settings.extra_params, ops))
        return weights * width + extra * wide + sum(self.code.get(op.kind, 0) for op in ops), 0

    def stored(self) -> Mapping[str, Any]:
        """See `Runtime.stored`."""
        return {"code": dict(self.code), "runtime": None}
