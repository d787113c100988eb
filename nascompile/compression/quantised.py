"""A network in integers: all that a C emitter needs, and an integer-only reference of what the C must compute."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.integer import run
from nascompile.operators.fixed_point import HIGH, LOW
from nascompile.operators.quantised_op import ARRAYS, QuantisedOp, QuantisedTensor
from nascompile.training.tensor_file import read_tensors, write_tensors
from spaces.tensors import Shape

__all__ = ["QuantisedNetwork"]

_KIND = "quantised network"
#: Elements of a convolution's windows that are held at once: as many as a cache holds. Measured, twice as fast as 2^24.
_WINDOWS = 2**20


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """A network of int8 tensors.

    Args:
        line: the candidate's text form.
        input_shape: of one example, without n.
        tensors: 0 is the input, k the output of the k-th operator; the last is the network's output.
        ops: in the order of execution.
    """

    line: str
    input_shape: tuple[int, ...]
    tensors: tuple[QuantisedTensor, ...]
    ops: tuple[QuantisedOp, ...] = field(repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: weights, 4 per bias, 5 per multiplier and shift, 256 per table."""
        return sum(getattr(op, name).nbytes for op in self.ops for name in ARRAYS)

    @property
    def _batch(self) -> int:
        """Examples at once, so that the windows of the largest convolution or pooling fit into memory."""
        windows = [
            self.tensors[op.inputs[0]].shape.channels * prod((*out.shape[1:], *op.kernel))
            for op, out in zip(self.ops, self.tensors[1:], strict=True)
        ]
        return min(256, max(1, _WINDOWS // max(windows, default=1)))

    def quantise(self, x: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
        """Real inputs as the network takes them.

        Args:
            x: [n, ...], as the network in floating point takes it.
        """
        there = self.tensors[0]
        # As torch does it: in float32, times the reciprocal, halves to even.
        steps = np.rint(x.astype(np.float32) * (np.float32(1) / np.float32(there.scale)))
        return np.clip(steps + there.zero_point, LOW, HIGH).astype(np.int8)

    def run(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        """What the network makes of quantised inputs, computed in integers only.

        Args:
            x: int8 [n, ...].
        """
        x, size = x[:, :, None, :] if len(self.input_shape) == 2 else x, self._batch
        starts = range(0, len(x), size) or [0]
        return np.concatenate([run(self.ops, self.tensors, x[k : k + size])[-1] for k in starts])

    def predict(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """What the network makes of real inputs, as real outputs: logits, or a reconstruction.

        Args:
            x: [n, ...].
        """
        there = self.tensors[-1]
        return ((self.run(self.quantise(x)).astype(np.int32) - there.zero_point) * there.scale).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write it whole or not at all: safetensors, the rest as JSON in its header.

        Raises:
            FileError: it cannot be written.
        """
        arrays = {f"{k}/{n}": getattr(op, n) for k, op in enumerate(self.ops) for n in ARRAYS if getattr(op, n).size}
        plain = [f.name for f in fields(QuantisedOp) if f.name not in ARRAYS]
        about = {
            "kind": _KIND,
            "line": self.line,
            "input_shape": self.input_shape,
            "tensors": [asdict(t) for t in self.tensors],
            "ops": [{name: getattr(op, name) for name in plain if _is_said(op, name)} for op in self.ops],
        }
        write_tensors(path, arrays, about)

    @classmethod
    def load(cls, path: Path) -> QuantisedNetwork:
        """Read what `save` wrote.

        Raises:
            FileError: it cannot be read, is damaged, or is something else.
        """
        arrays, about = read_tensors(path, _KIND)
        tensors = tuple(QuantisedTensor(Shape(*t["shape"]), t["scale"], t["zero_point"]) for t in about["tensors"])
        ops = tuple(
            QuantisedOp(**{n: tuple(v) if isinstance(v, list) else v for n, v in op.items()}, **_of(k, arrays))
            for k, op in enumerate(about["ops"])
        )
        return cls(about["line"], tuple(about["input_shape"]), tensors, ops)


def _is_said(op: QuantisedOp, name: str) -> bool:
    """Whether a field is in the file: what few operators have only with those."""
    return bool({"part": any(op.part), "followers": op.followers}.get(name, True))


def _of(number: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: arrays[f"{number}/{name}"] for name in ARRAYS if f"{number}/{name}" in arrays}
