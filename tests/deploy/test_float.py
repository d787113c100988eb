"""float32: convolutions of any shape on this computer, bit for bit those of a scalar loop, over their input too."""

from __future__ import annotations

import ctypes
import random
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from spaces.tensors import Shape
from tests.deploy.interpreter import STRICT
from tests.deploy.tools import needs_host

pytestmark = needs_host

Drawn = tuple[FloatOp, Shape, Shape]
KINDS = ("conv", "grouped", "depthwise", "pointwise")


class _Row(ctypes.Structure):
    """`struct nc_op` of float32 networks."""

    _fields_ = [
        ("run", ctypes.c_void_p), ("weights", ctypes.c_void_p), ("biases", ctypes.c_void_p),
        ("x", ctypes.c_uint32), ("other", ctypes.c_uint32), ("out", ctypes.c_uint32),
        *[(name, ctypes.c_uint16) for name in ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "groups")],
        *[(name, ctypes.c_uint16) for name in ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left")],
        ("low", ctypes.c_float), ("high", ctypes.c_float),
    ]  # fmt: skip


def compiled(folder: Path, change: tuple[str, str] = ("", "")) -> ctypes.CDLL:
    """All kernels, with a piece of the C changed; a product and a sum are rounded one after the other."""
    there, met, sources = Path(str(files("nascompile.deploy"))) / "c", 0, folder / "c"
    sources.mkdir()
    for path in (there / "float32").iterdir():
        text = path.read_text()
        met += text.count(change[0]) if change[0] else 0
        (sources / path.name).write_text(text.replace(*change) if change[0] else text)
    assert met == bool(change[0]), change
    command = ["cc", *STRICT, "-O2", "-ffp-contract=off", "-fPIC", "-shared", f"-I{there}"]
    subprocess.run([*command, *map(str, sorted(sources.glob("*.c"))), "-o", str(folder / "f.so")], check=True)
    return ctypes.CDLL(str(folder / "f.so"))


def drawn(rng: random.Random, seed: int) -> Drawn:
    """An operator, its input and its output; half of those with windows keep the sides of their input."""
    kind = rng.choice(KINDS)
    groups = {"grouped": rng.choice([2, 3]), "depthwise": rng.choice([4, 5, 7, 8, 12])}.get(kind, 1)
    depth, share = (1, 1) if kind == "depthwise" else (rng.randint(1, 9), rng.randint(1, 13))
    x = Shape(groups * depth, rng.randint(1, 9), rng.randint(1, 9))
    kernel = (1, 1) if kind == "pointwise" else (rng.randint(1, min(4, x.height)), rng.randint(1, min(4, x.width)))
    stride, pads = (1, 1), ((kernel[0] - 1) // 2, kernel[0] // 2, (kernel[1] - 1) // 2, kernel[1] // 2)
    if kind != "pointwise" and rng.random() < 0.5:
        stride = (rng.randint(1, 2), rng.randint(1, 2))
        top, bottom, left, right = (rng.randint(0, kernel[k // 2] + 1) for k in range(4))
        pads = (top, bottom, left, right)
    sides = (x.height + pads[0] + pads[1] - kernel[0], x.width + pads[2] + pads[3] - kernel[1])
    out = Shape(groups * share, sides[0] // stride[0] + 1, sides[1] // stride[1] + 1)
    numbers = np.random.default_rng(seed)
    op = FloatOp(
        "conv" if kind == "grouped" else kind, (0,), kernel, stride, pads, groups=groups,
        low=rng.choice([-np.inf, 0.0]),
        weights=numbers.normal(size=(out.channels, depth, *kernel)).astype(np.float32),
        biases=numbers.normal(size=out.channels).astype(np.float32),
    )  # fmt: skip
    return op, x, out


def reference(op: FloatOp, x: Any, out: Shape) -> Any:
    """A sum begins with its bias, and takes its window row by row, place by place, channel by channel."""
    sums = np.tile(op.biases, (out.height, out.width, 1))
    depth, share = x.shape[2] // op.groups, out.channels // op.groups
    for ky, kx, k in np.ndindex(*op.kernel, depth):
        rows, columns = (
            np.arange(n) * step - pad + at
            for n, step, pad, at in zip(out[1:], op.stride, op.pads[::2], (ky, kx), strict=True)
        )
        there = np.ix_((rows >= 0) & (rows < x.shape[0]), (columns >= 0) & (columns < x.shape[1]))
        if sums[there].size:
            inside = x[np.ix_(rows[there[0][:, 0]], columns[there[1][0]])]
            values = np.repeat(inside[:, :, k::depth], share, axis=2)
            sums[there] += values * op.weights[:, k, ky, kx]
    return np.maximum(sums, np.float32(op.low))


def run(library: ctypes.CDLL, plan: Plan, x: Any) -> Any:
    around = np.full(plan.memory.size + 64, 7, np.float32)
    arena = around[32:-32]
    arena[plan.input_at : plan.input_at + x.size] = x.reshape(-1)
    (call,) = plan.calls
    weights, biases = (np.ascontiguousarray(array, np.float32) for array in (call.weights, call.words))
    row = _Row(0, weights.ctypes.data, biases.ctypes.data, call.x, call.other or 0, call.out, **call.fields)
    library[f"nc_{call.kernel}"](ctypes.byref(row), ctypes.c_void_p(arena.ctypes.data))
    assert (around[:32] == 7).all()
    assert (around[-32:] == 7).all()
    return arena[plan.output_at : plan.output_at + plan.output.size].copy()


def wrong(library: ctypes.CDLL, count: int) -> tuple[int, set[str]]:
    """How many of some operators differ, and which kinds wrote over their input."""
    rng, differ, over = random.Random(0), 0, set[str]()
    for seed in range(count):
        op, x, out = drawn(rng, seed)
        plan = planned(FloatNetwork("n", tuple(x), (x, out), (op,)))
        if plan.memory.size < x.size + out.size:
            over.add(op.kind)
        q = np.random.default_rng(seed).normal(size=(x.height, x.width, x.channels)).astype(np.float32)
        differ += not np.array_equal(run(library, plan, q), reference(op, q, out).reshape(-1))
    return differ, over


def test_any_convolution_is_a_scalar_loop(tmp_path: Path) -> None:
    differ, over = wrong(compiled(tmp_path), 200)
    assert (differ, over) == (0, {"conv", "pointwise", "depthwise"})  # a convolution of single places is pointwise, too


@pytest.mark.parametrize(
    "change",
    [
        ("(g->way < 0 ? g->places - 1 - place : place)", "place"), ("g->window.first * g->depth", "0 * g->depth"),
        ("oldest = ring;\n                line", "oldest += 0;\n                line"),
    ],
)  # fmt: skip
def test_a_mistake_is_caught(change: tuple[str, str], tmp_path: Path) -> None:
    assert wrong(compiled(tmp_path, change), 200)[0]
