"""The C kernels called one by one through ctypes, as `network.c` calls them; with an eye on what each writes."""

from __future__ import annotations

import ctypes
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from nascompile.deploy.calls import Call, Plan

__all__ = ["STRICT", "Kernels", "compiled"]

#: Any warning is an error, and so is what C99 does not have.
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
_16, _8 = ctypes.c_uint16, ctypes.c_uint8


class _Row(ctypes.Structure):
    """`struct nc_op` of int8 networks."""

    _fields_ = [
        ("run", ctypes.c_void_p), ("with_", ctypes.c_void_p), ("scales", ctypes.c_void_p),
        ("x", ctypes.c_uint32), ("out", ctypes.c_uint32),
        *[(name, _16) for name in ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "groups")],
        *[(name, _8) for name in ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left")],
        *[(name, ctypes.c_int8) for name in ("zero", "zero_out", "low", "high")],
    ]  # fmt: skip


def compiled(folder: Path, *flags: str) -> Path:
    """All int8 kernels as a shared library."""
    path = folder / "kernels.so"
    sources = sorted(str(p) for p in Path(str(files("nascompile.deploy"))).glob("c/int8/*.c"))
    command = ["cc", *STRICT, "-O2", "-fPIC", "-shared", *flags, *sources, "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


class Kernels:
    """A library of `compiled`."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))

    def run(self, plan: Plan, x: Any) -> Any:
        """The output for an input as it lies in RAM; every call writes where its output lies and nowhere else."""
        rng = np.random.default_rng(0)
        # What was in RAM before does not matter; nor does what lies around it change.
        around = rng.integers(-128, 128, plan.memory.size + 64, np.int8)
        arena = around[32:-32]
        arena[plan.input_at : plan.input_at + plan.input.size] = x
        for call in plan.calls:
            before = around.copy()
            self._call(call, arena)
            changed = np.flatnonzero(before != around) - 32
            assert np.isin(changed, _written(call)).all(), f"`{call.kernel}` writes beyond its output"
        return arena[plan.output_at : plan.output_at + plan.output.size].copy()

    def _call(self, call: Call, arena: Any) -> None:
        scales = np.frombuffer(call.words.tobytes() + call.bytes.tobytes() + b"\0" * 4, np.uint8).copy()
        weights = None if call.weights is None else np.ascontiguousarray(call.weights)
        other = weights.ctypes.data if weights is not None else call.other or 0
        row = _Row(0, other, scales.ctypes.data, call.x, call.out, **call.fields)
        self.library[f"nc_{call.kernel}"](ctypes.byref(row), ctypes.c_void_p(arena.ctypes.data))


def _written(call: Call) -> Any:
    """The elements that a call may write."""
    n = {name: int(value) for name, value in call.fields.items()}
    pixels = np.arange(n["out_h"] * n["out_w"])[:, None] * n["out_c"]
    each = n["in_c"] if call.kernel == "requantise" else n["out_c"]
    return (call.out + pixels + np.arange(each)).reshape(-1)
