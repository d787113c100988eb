"""The C kernels called one by one through ctypes, as `network.c` calls them; with an eye on what each writes."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from nascompile.deploy.calls import Call, Plan

__all__ = ["STRICT", "Kernels", "compiled", "may_write"]

#: Any warning is an error, and so is what C99 does not have.
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


class _Row(ctypes.Structure):
    """`struct nc_op` of int8 networks."""

    _fields_ = [
        ("run", ctypes.c_void_p), ("with_", ctypes.c_void_p), ("scales", ctypes.c_void_p),
        ("x", ctypes.c_uint32), ("out", ctypes.c_uint32), ("scratch", ctypes.c_uint32),
        *[(name, ctypes.c_uint16) for name in ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "groups")],
        *[(name, ctypes.c_uint16) for name in ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left")],
        *[(name, ctypes.c_int8) for name in ("zero", "zero_other", "zero_out", "low", "high", "raise")],
    ]  # fmt: skip


#: What a core with SIMD does in one instruction, in C: so its part of the kernels runs, and is watched, here too.
_ACLE = """
#include <stdint.h>
typedef int32_t int8x4_t, int16x2_t;
static uint32_t nc_larger; /* the flags of the bytes */
static inline int16_t nc_half(int32_t v, int k) { return (int16_t)((uint32_t)v >> 16 * k); }
static inline int32_t __smlad(int32_t a, int32_t b, int32_t sum)
{
    const int64_t v = (int64_t)nc_half(a, 0) * nc_half(b, 0) + (int64_t)nc_half(a, 1) * nc_half(b, 1);
    return (int32_t)(uint32_t)(v + sum);
}
static inline int32_t __sxtab16(int32_t sums, int32_t v)
{
    const uint32_t low = (uint16_t)(nc_half(sums, 0) + (int8_t)v);
    return (int32_t)(low | (uint32_t)(nc_half(sums, 1) + (int8_t)(v >> 16)) << 16);
}
static inline int32_t __sxtb16(int32_t v) { return __sxtab16(0, v); }
static inline int32_t __ssat(int32_t v, int bits)
{
    const int32_t most = (1 << (bits - 1)) - 1;
    return v > most ? most : v < ~most ? ~most : v;
}
static inline int8x4_t __ssub8(int8x4_t a, int8x4_t b)
{
    uint32_t v = 0;
    nc_larger = 0;
    for (int k = 0; k < 32; k += 8) {
        const int apart = (int8_t)((uint32_t)a >> k) - (int8_t)((uint32_t)b >> k);
        v |= ((uint32_t)apart & 255) << k;
        nc_larger |= apart >= 0 ? 255u << k : 0;
    }
    return (int8x4_t)v;
}
static inline uint32_t __sel(uint32_t a, uint32_t b) { return (a & nc_larger) | (b & ~nc_larger); }
"""


def compiled(folder: Path, *flags: str, simd: bool = False, change: tuple[str, str] = ("", "")) -> Path:
    """All int8 kernels as a shared library.

    Args:
        folder: for it.
        flags: of the compiler.
        simd: whether in it is what runs on a core with SIMD, or what runs on others.
        change: a piece of the C, and what stands in its place.
    """
    path = folder / "kernels.so"
    if simd:
        (folder / "arm_acle.h").write_text(_ACLE)
        flags = (*flags, "-D__ARM_FEATURE_SIMD32=1", f"-I{folder}", "-Wno-unused-function")
    else:
        flags = (*flags, "-DNC_HALVES")  # as a core that runs no more than this has it
    there = Path(str(files("nascompile.deploy"))) / "c"
    kernels = _changed(folder, change) if change[0] else there / "int8"
    sources = sorted(map(str, kernels.glob("*.c")))
    command = ["cc", *STRICT, "-O2", "-fPIC", "-shared", f"-I{there}", *flags, *sources, "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def _changed(folder: Path, change: tuple[str, str]) -> Path:
    """The sources with another piece of C."""
    there, met = folder / "changed", 0
    there.mkdir()
    for source in (files("nascompile.deploy") / "c" / "int8").iterdir():
        text = source.read_text()
        met += text.count(change[0])
        (there / source.name).write_text(text.replace(*change))
    assert met == 1, change
    return there


class Kernels:
    """A library of `compiled`."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))

    def run(self, plan: Plan, x: Any) -> Any:
        """The output for an input as it lies in RAM; every call writes where its output lies and nowhere else."""
        rng = np.random.default_rng(0)
        # What was in RAM before does not matter; nor does what lies around it change.
        around = rng.integers(-128, 128, plan.memory.size + 64, np.int8)
        arena = around[32:-32]  # numpy begins arrays at multiples of 16
        arena[plan.input_at : plan.input_at + plan.input.size] = x
        for call in plan.calls:
            before = around.copy()
            self._call(call, arena)
            changed = np.flatnonzero(before != around) - 32
            assert np.isin(changed, may_write(call)).all(), f"`{call.kernel}` writes beyond its output"
        return arena[plan.output_at : plan.output_at + plan.output.size].copy()

    def _call(self, call: Call, arena: Any) -> None:
        held: list[Any] = []
        row = self._row(call, held)
        self.library[f"nc_{call.kernel}"](ctypes.byref(row), ctypes.c_void_p(arena.ctypes.data))

    def _row(self, call: Call, held: list[Any]) -> _Row:
        """The row of a call; what it points to stays as long as `held`."""
        scales = np.frombuffer(call.words.tobytes() + call.bytes.tobytes() + b"\0" * 4, np.uint8).copy()
        weights = None if call.weights is None else np.ascontiguousarray(call.weights)
        parts = (_Row * len(call.parts))(*(self._row(part, held) for part in call.parts))
        held += [scales, weights, parts]
        other = weights.ctypes.data if weights is not None else call.other or 0
        run = ctypes.cast(self.library[f"nc_{call.kernel}"], ctypes.c_void_p).value
        other = ctypes.addressof(parts) if call.parts else other
        return _Row(
            run,
            other,
            scales.ctypes.data,
            call.x,
            call.out,
            call.scratch[0],
            **call.fields | ({"raise": 1} if call.moves else {}),
        )


def may_write(call: Call) -> Any:
    """The elements that a call may write."""
    if call.parts:
        out = may_write(replace(call.parts[-1], scratch=(0, 0)))
        return np.concatenate([out, call.scratch[0] + np.arange(call.scratch[1])])
    n = {name: int(value) for name, value in call.fields.items()}
    pixels = np.arange(n["out_h"] * n["out_w"])[:, None] * n["out_c"]
    each = n["in_c"] if call.kernel == "requantise" else n["out_c"]
    scratch = call.scratch[0] + np.arange(call.scratch[1])
    if call.moves:
        blocks = -(-len(pixels) // (abs(call.moves) // n["out_c"]))
        scratch = (scratch + call.moves * np.arange(blocks)[:, None]).reshape(-1)
    return np.concatenate([(call.out + pixels + np.arange(each)).reshape(-1), scratch])
