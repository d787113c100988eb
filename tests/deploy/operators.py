"""Networks of random integers: one operator of any kind, shape and factor; or the kernels of a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.operators.fixed_point import multiplier_shift, multipliers_shifts
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import C_FUNCTIONS, Kernel, memory
from spaces.operators.conv_function import block_pixels
from spaces.operators.gap import scratch_begin
from spaces.operators.kernel import InstructionSet, c_call, words
from spaces.operators.rows import with_followers
from spaces.tensors import Shape

__all__ = ["BY_ROWS", "KINDS", "TALL", "drawn", "filled", "filled_float", "inputs", "overlapping", "single", "together"]

#: What may run row by row.
BY_ROWS = "by_rows"
KINDS = (
    BY_ROWS, "conv", "grouped", "depthwise", "pointwise", "linear", "add", "mul", "concat", "max_pool", "avg_pool",
    "global_max_pool", "global_avg_pool", "lookup", "requantise", "flatten", "zeros", "split", "shuffle",
)  # fmt: skip

_APART = 255
#: Bits of a factor's multiplier, and those that no rescaled number may reach.
_MULTIPLIER, _MOST = 31, 28
#: Each as often as any other, which `integers` would not give.
_FEW = range(1, 10)
_SMALL = st.sampled_from(_FEW)
_SIDES = st.tuples(st.integers(1, 6), st.integers(1, 6))
#: More than a strip of a depthwise convolution.
TALL = st.one_of(
    _SIDES, st.tuples(st.integers(1, 30), st.integers(1, 12)), st.tuples(st.integers(1, 12), st.integers(1, 30))
)
_ZERO = st.integers(-128, 127)


@st.composite
def single(
    draw: st.DrawFn, kind: str, channels: Sequence[int] = _FEW, sides: Any = _SIDES
) -> tuple[QuantisedNetwork, int]:
    """A network around one operator, and a seed for its input.

    What takes two operands takes the input, and what another operator has made of it.

    Args:
        draw: of hypothesis.
        kind: of the operator.
        channels: of its input, each as often as any other.
        sides: of its input.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    x = Shape(draw(st.sampled_from(channels)), *draw(sides))
    if kind == BY_ROWS:
        chain = _chain(draw, x)
        return filled(with_followers(chain, len(chain)), chain[0].x, seed), seed
    maker = {"add": _add, "mul": _mul, "concat": _concat}.get(kind, _unary)
    tensors, ops = maker(draw, rng, kind, x)
    return QuantisedNetwork(kind, tuple(tensors[0].shape), tuple(tensors), tuple(ops)), seed


def drawn(kind: str, count: int, channels: Sequence[int] = _FEW) -> list[tuple[QuantisedNetwork, int]]:
    """Some of `single`, the same ones every time."""
    found: list[tuple[QuantisedNetwork, int]] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(single(kind, channels))
    def collect(value: tuple[QuantisedNetwork, int]) -> None:
        found.append(value)

    collect()
    return found


def inputs(network: QuantisedNetwork, seed: int, n: int = 2) -> np.ndarray:
    """Random numbers, and numbers that are the least and the largest."""
    rng = np.random.default_rng(seed)
    shape = (n, *network.input_shape)
    any_number = rng.integers(-128, 128, shape, np.int8)
    any_number[1::2] = rng.choice(np.array([-128, 127], np.int8), any_number[1::2].shape)
    return any_number


def _unary(draw: Any, rng: Any, kind: str, x: Shape) -> tuple[list[QuantisedTensor], list[QuantisedOp]]:
    if kind in ("depthwise", "grouped"):
        groups = x.channels if kind == "depthwise" else draw(st.sampled_from([1, 2, 3]))
        x = x._replace(channels=groups * (1 if kind == "depthwise" else draw(st.sampled_from(range(1, 6)))))
        share = 1 if kind == "depthwise" else draw(st.sampled_from(range(1, 7)))
        filters = groups * share
    elif kind == "shuffle":
        groups = draw(st.sampled_from([1, 2, 3, 4]))
        x, filters = x._replace(channels=groups * draw(st.sampled_from(range(1, 5)))), 0
    else:
        groups, filters = 1, draw(_SMALL)
    given: dict[str, Any] = {}
    if kind in ("conv", "grouped", "depthwise", "avg_pool", "max_pool"):
        kernel, stride, pads, sides = _window(draw, x)
        given = {"kernel": kernel, "stride": stride, "pads": pads}
    elif kind.startswith("global_"):
        given, sides = {"kernel": (x.height, x.width)}, (1, 1)
    else:
        sides = (x.height, x.width)
    before = _tensor(draw, x)
    if kind in ("conv", "grouped", "depthwise", "pointwise", "linear"):
        inside = x.size if kind == "linear" else x.channels // groups
        window = (1,) * 2 if kind == "pointwise" else given.get("kernel", ())
        out = Shape(filters) if kind == "linear" else Shape(filters, *sides)
        given |= {"groups": groups, **_weights(rng, (filters, inside, *window))}
        op_kind = "conv" if kind == "grouped" else kind
    else:
        out, op_kind = x._replace(height=sides[0], width=sides[1]), kind
        area = given["kernel"][0] * given["kernel"][1] if "kernel" in given else 1
        given |= _unweighted(rng, kind, area)
    if kind == "flatten":
        out = Shape(x.size)
    elif kind == "shuffle":
        given = {"groups": groups}
    elif kind == "split":
        first = draw(st.integers(0, x.channels - 1))
        behind = draw(st.integers(first + 1, x.channels))
        given, out = {"part": (first, behind)}, out._replace(channels=behind - first)
    return [before, _tensor(draw, out)], [QuantisedOp(op_kind, (0,), **given, **_clamp(draw))]


def _chain(draw: Any, x: Shape) -> list[Kernel]:
    """A depthwise convolution, with a pointwise one before it, behind it, or both."""
    wide = Shape(draw(_SMALL) + 1, x.height, x.width)
    kernel, stride, pads, sides = _window(draw, wide)
    narrow = wide._replace(height=sides[0], width=sides[1])
    clamps = st.sampled_from(["none", "relu6"])
    # Of a single pixel a pointwise convolution is a linear layer.
    assume(max(x[1:]) > 1 and max(sides) > 1)
    parts = [
        Kernel("pointwise", (0,), x, wide, clamp=draw(clamps)),
        Kernel("depthwise", (1,), wide, narrow, kernel, stride, pads, groups=wide.channels, clamp=draw(clamps)),
        Kernel("pointwise", (2,), narrow, narrow._replace(channels=draw(_SMALL)), clamp=draw(clamps)),
    ]
    first, last = draw(st.sampled_from([(0, 3), (0, 2), (1, 3)]))
    return [replace(part, inputs=(k,)) for k, part in enumerate(parts[first:last])]


def together(network: QuantisedNetwork, isa: InstructionSet = "simd") -> Plan:
    """Its calls where all that may run row by row does, whatever that takes."""
    with patch.object(memory, "_best", lambda kernels, isa, kept: [range(len(kernels))]):
        return planned(network, isa)


def overlapping(network: QuantisedNetwork, isa: InstructionSet, *, back: bool, less: int = 0) -> Plan | None:
    """Its only call where its output overlaps its input by all that it may, or by some bytes more; None if it may not.

    Args:
        network: of one operator.
        isa: of the core.
        back: whether pixels go from the last to the first.
        less: bytes of which there are too few between input and output.
    """
    plan, (op,) = planned(network, isa), network.ops
    (call,) = plan.calls
    x, out = plan.input, plan.output
    kernel = Kernel(op.kind, op.inputs, x, out, op.kernel, op.stride, op.pads, op.groups)
    (step,) = memory.kernel_steps([kernel], x, "int8", isa, align=4)
    if step.gap is None:
        return None
    before, behind, beside = (int(part) for part in step.gap)
    if (behind if back else before) <= less:
        return None
    own = beside if back else 0
    at = own + less - behind if back else before - less
    lift = max(0, -at)
    at, own = at + lift, own + lift
    row = c_call(call.kernel, kernel, "int8")
    moved = replace(call, x=at, out=own)
    if size := C_FUNCTIONS[call.kernel].scratch(row, isa):
        pixels = block_pixels(isa)
        begin, moves = own + scratch_begin(row, pixels, size, back=back), pixels * out.channels
        moved = replace(moved, scratch=(begin, size), moves=-moves if back else moves)
    size = max(at + words(x.size), own + words(out.size) + beside * (not back))
    return replace(
        plan, calls=(moved,), memory=replace(plan.memory, size=size), input_at=at, output_at=own, more=0,
    )  # fmt: skip


def _unweighted(rng: Any, kind: str, area: int) -> dict[str, Any]:
    if kind == "lookup":
        return {"table": rng.integers(-128, 128, 256, np.int8)}
    most = {"avg_pool": [_APART * area] * area, "global_avg_pool": [_APART * area]}
    return _factors(rng, most.get(kind, [_APART])) if kind in (*most, "requantise") else {}


def _add(draw: Any, rng: Any, kind: str, x: Shape) -> tuple[list[QuantisedTensor], list[QuantisedOp]]:
    # Factors of an addition's operands are a half at most, and one is a half.
    factors = _factors(rng, [_APART << 21, _APART << 21, _APART << 20])
    half = draw(st.sampled_from([0, 1]))
    factors["multipliers"][half], factors["shifts"][half] = multiplier_shift(0.5)
    pair = draw(st.sampled_from([(0, 1), (1, 0), (0, 0), (1, 1)]))
    return _after_lookup(draw, rng, x, QuantisedOp(kind, pair, **factors, **_clamp(draw)), x)


def _mul(draw: Any, rng: Any, kind: str, x: Shape) -> tuple[list[QuantisedTensor], list[QuantisedOp]]:
    gates = QuantisedOp("global_max_pool", (0,), kernel=(x.height, x.width))
    op = QuantisedOp(kind, (1, 0), **_factors(rng, [_APART**2]), **_clamp(draw))
    return [_tensor(draw, x), _tensor(draw, Shape(x.channels)), _tensor(draw, x)], [gates, op]


def _concat(draw: Any, rng: Any, kind: str, x: Shape) -> tuple[list[QuantisedTensor], list[QuantisedOp]]:
    sources = tuple(draw(st.lists(st.integers(0, 1), min_size=2, max_size=4)))
    op = QuantisedOp(kind, sources, **_factors(rng, [_APART] * len(sources)), **_clamp(draw))
    filters = draw(_SMALL)
    first = QuantisedOp("pointwise", (0,), **_weights(rng, (filters, x.channels, 1, 1)))
    shapes = [x, x._replace(channels=filters)]
    out = x._replace(channels=sum(shapes[s].channels for s in sources))
    return [_tensor(draw, shape) for shape in (*shapes, out)], [first, op]


def _after_lookup(
    draw: Any, rng: Any, x: Shape, op: QuantisedOp, out: Shape
) -> tuple[list[QuantisedTensor], list[QuantisedOp]]:
    first = QuantisedOp("lookup", (0,), table=rng.integers(-128, 128, 256, np.int8))
    return [_tensor(draw, x), _tensor(draw, x), _tensor(draw, out)], [first, op]


def _tensor(draw: Any, shape: Shape) -> QuantisedTensor:
    return QuantisedTensor(shape, 0.1, draw(_ZERO))


def _clamp(draw: Any) -> dict[str, Any]:
    """The whole range, as a rule."""
    low, high = sorted(draw(st.sampled_from([(-128, 127), (-128, 127), (-5, 90), (127, 30), (-128, -128)])))
    return {"low": low, "high": high}


def _window(draw: Any, x: Shape) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """A window, its steps, padding in which it may lie altogether, and rows and columns of the output."""
    kernel, stride = (draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (4, 3))
    pads = tuple(draw(st.integers(0, kernel[k // 2] + 1)) for k in range(4))
    sides = (x.height + pads[0] + pads[1] - kernel[0], x.width + pads[2] + pads[3] - kernel[1])
    assume(min(sides) >= 0)
    top, bottom, left, right = pads
    return kernel, stride, (top, bottom, left, right), (sides[0] // stride[0] + 1, sides[1] // stride[1] + 1)


def _weights(rng: Any, shape: Sequence[int]) -> dict[str, Any]:
    """Random weights, or the largest there are; biases to match."""
    weights = rng.integers(-127, 128, shape, np.int8)
    if rng.random() < 0.2:
        weights = rng.choice(np.array([-127, 127], np.int8), weights.shape)
    biases = rng.integers(-(2 ** rng.integers(1, 24)), 2**16, shape[0]).astype(np.int32)
    # A channel of which nothing is left may have any factor.
    dead = rng.random(shape[0]) < 0.1
    weights[dead], biases[dead] = 0, rng.integers(-1, 2, dead.sum())
    most = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(1) * _APART + np.abs(biases.astype(np.int64))
    return {"weights": weights, "biases": biases, **_factors(rng, most)}


def _factors(rng: Any, most: Any) -> dict[str, Any]:
    """Multipliers and shifts for sums of these magnitudes: none, or all that is legal, most of them of some use."""
    multipliers = rng.integers(2**30, 2**31, len(most))
    multipliers[rng.random(len(most)) < 0.2] = 2**30
    rights = []
    for magnitude, multiplier in zip(most, multipliers, strict=True):
        # No rescaled number reaches 2^28; no shift to the right is below 2 or above 62.
        least = max(2, ceil(log2(max(1, int(magnitude)) * int(multiplier))) - _MOST)
        useful = least + _MOST - 8 + rng.integers(-3, 4)
        right = useful if rng.random() < 0.5 else rng.choice([least, least + 1, 31, 32, 33, 62])
        rights.append(int(min(62, max(least, right))))
    multipliers[rng.random(len(most)) < 0.05] = 0
    shifts = [0 if m == 0 else _MULTIPLIER - r for m, r in zip(multipliers, rights, strict=True)]
    return {"multipliers": multipliers.astype(np.int32), "shifts": np.array(shifts, np.int8)}


def filled(chain: Sequence[Kernel], x: Shape, seed: int) -> QuantisedNetwork:
    """Kernels with random integers, factors such that something is left at the end."""
    rng = np.random.default_rng(seed)
    tensors, ops = [QuantisedTensor(x, 0.1, -3)], []
    for kernel in chain:
        given: dict[str, Any] = {}
        area = kernel.kernel[0] * kernel.kernel[1]
        if kernel.record.weights:
            given = _lively_weights(rng, kernel)
        elif kernel.kind == "lookup":
            given = {"table": np.sort(rng.integers(-128, 128, 256, np.int8))}
        elif kernel.kind in _REAL:
            given = _real_factors(_REAL[kernel.kind](kernel, area))
        zero = int(rng.integers(-20, 20))
        tensors.append(QuantisedTensor(kernel.out, 0.1, zero))
        clamp: dict[str, Any] = {"low": zero} if kernel.clamp != "none" else {}
        given |= {"kernel": kernel.kernel, "stride": kernel.stride, "pads": kernel.pads, "groups": kernel.groups}
        given |= {"part": kernel.part, "followers": kernel.followers}
        ops.append(QuantisedOp(kernel.kind, kernel.inputs, **given, **clamp))
    return QuantisedNetwork("filled", tuple(x), tuple(tensors), tuple(ops))


_REAL: dict[str, Any] = {
    "add": lambda k, area: [0.5, 0.45, 1.6 / 2**20], "mul": lambda k, area: [1 / 90],
    "concat": lambda k, area: [0.9] * len(k.inputs), "requantise": lambda k, area: [1.2],
    "avg_pool": lambda k, area: [1.3 / n for n in range(1, area + 1)],
    "global_avg_pool": lambda k, area: [3 / (k.x.height * k.x.width)],
}  # fmt: skip


def _lively_weights(rng: Any, kernel: Kernel) -> dict[str, Any]:
    channels = kernel.out.channels
    shape = (channels, kernel.x.size)
    if kernel.kind != "linear":
        shape = (channels, kernel.x.channels // kernel.groups, *kernel.kernel)
    weights = rng.integers(-127, 128, shape, np.int8)
    spread = 73 * 50 * np.sqrt(weights[0].size)
    biases = rng.integers(-int(spread) - 1, int(spread) + 1, channels).astype(np.int32)
    return {"weights": weights, "biases": biases, **_real_factors([50 / spread] * channels)}


def _real_factors(factors: Sequence[float]) -> dict[str, Any]:
    multipliers, shifts = multipliers_shifts(list(factors))
    return {"multipliers": multipliers, "shifts": shifts}


def filled_float(chain: Sequence[Kernel], x: Shape, seed: int) -> FloatNetwork:
    """Kernels with random numbers."""
    rng = np.random.default_rng(seed)
    ops = []
    for kernel in chain:
        given: dict[str, Any] = {"kernel": kernel.kernel, "stride": kernel.stride, "pads": kernel.pads}
        if kernel.record.weights:
            shape = (kernel.out.channels, kernel.x.size)
            if kernel.kind != "linear":
                shape = (kernel.out.channels, kernel.x.channels // kernel.groups, *kernel.kernel)
            given |= {"weights": rng.normal(size=shape).astype(np.float32)}
            given |= {"biases": rng.normal(size=kernel.out.channels).astype(np.float32)}
        clamp: dict[str, Any] = {"low": 0.0} if kernel.clamp != "none" else {}
        ops.append(
            FloatOp(
                kernel.kind,
                kernel.inputs,
                groups=kernel.groups,
                function=kernel.function,
                part=kernel.part,
                **given,
                **clamp,
            )
        )
    return FloatNetwork("filled", tuple(x), (x, *(kernel.out for kernel in chain)), tuple(ops))
