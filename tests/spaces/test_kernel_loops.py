"""Loops of the C kernels: the closed forms count what the loops of the C would, written out here in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascompile.deploy.operator_shapes import call_elements, drawn_calls, weight_count
from spaces.blocks.linear import linear
from spaces.operators import LOOPS, KernelCall, Op
from spaces.runtimes.kernels import layer_calls
from spaces.tensors import Shape


def windows(call: KernelCall) -> Iterator[tuple[int, int]]:
    """Rows and columns of each window inside the input, as nc_slide.c finds them."""
    for r in range(call.out.height):
        for c in range(call.out.width):
            top, left = r * call.stride[0] - call.pads[0], c * call.stride[1] - call.pads[1]
            ky, kx = max(0, -top), max(0, -left)
            yield (
                max(0, min(call.kernel[0], call.x.height - top) - ky),
                max(0, min(call.kernel[1], call.x.width - left) - kx),
            )


def run_conv(call: KernelCall) -> Counter[str]:
    """nc_conv.c, loop by loop."""
    found: Counter[str] = Counter()
    groups, depth, share = call.groups, call.x.channels // call.groups, call.out.channels // call.groups
    for rows, columns in windows(call):
        found["pixel"] += 1
        for end in range(share, call.out.channels + 1, share):
            found["group"] += 1
            o = end - share
            while o < end:
                if share >= 4:
                    o = min(o, end - 4)
                found["block" if share >= 4 else "single"] += 1
                for _ in range(rows):
                    found["window_row"] += 1
                    for _ in range(1 if groups == 1 else columns):
                        n = columns * depth if groups == 1 else depth
                        found["run"] += 1
                        found["word"] += n >> 2
                        found["tail"] += n & 3
                        found["tap"] += n
                o += 4 if share >= 4 else 1
    return found


def run_sliding(call: KernelCall) -> Counter[str]:
    """nc_depthwise.c and the pools, loop by loop."""
    found: Counter[str] = Counter()
    step = 4 if call.name == "depthwise" else 1
    for rows, columns in windows(call):
        found["pixel"] += 1
        for _ in range(0, call.out.channels, step):
            found["block" if step == 4 else "channel"] += 1
            found["short"] += max(1, rows * columns) <= 4
            found["window_row"] += rows
            found["tap"] += rows * columns
    return found


@pytest.mark.parametrize("dtype", LOOPS)
@pytest.mark.parametrize("seed", range(3))
def test_sliding_kernels_count_as_their_loops_run(dtype: str, seed: int) -> None:
    calls = drawn_calls(dtype, elements=6000, weights=6000, each=8, seed=seed)
    for call in calls:
        if call.name not in ("conv", "depthwise", "avg_pool", "max_pool"):
            continue
        run = run_conv(call) if call.name == "conv" else run_sliding(call)
        run |= {"call": 1, "row": call.out.height}
        assert call.loops(dtype) == {loop: run[loop] for loop in LOOPS[dtype][call.name]}, call


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_windows_that_lie_outside_altogether_count_nothing(data: st.DataObject) -> None:
    side, kernel = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    pad, stride, out = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    call = KernelCall("max_pool", Shape(2, side, 1), Shape(2, out, 1), (kernel, 1), (stride, 1), (pad, 0))
    assert call.loops("int8")["tap"] == run_sliding(call)["tap"]


def test_elements_and_parts_of_tensors() -> None:
    x = Shape(6, 3, 2)
    assert KernelCall("requantise", x, Shape(10, 3, 2)).loops("int8") == {"call": 1, "pixel": 6, "element": 36}
    assert KernelCall("mul", Shape(6), x).loops("int8") == {"call": 1, "pixel": 6, "element": 36}
    assert KernelCall("lookup", x, x).loops("int8") == {"call": 1, "element": 36}
    assert KernelCall("global_avg_pool", x, Shape(6)).loops("int8") == {"call": 1, "channel": 6, "tap": 36}


def test_a_concatenation_is_a_call_per_operand_and_a_linear_layer_a_convolution_of_one_pixel() -> None:
    x = Shape(6, 3, 2)
    calls = layer_calls(linear(x, units=5), x, "int8")
    assert [(c.name, c.x, c.out) for c in calls if c.name == "conv"] == [("conv", Shape(36), Shape(5))]
    joined = layer_calls((Op("concat", (0, 0), Shape(12, 3, 2)),), x, "float32")
    assert joined == (KernelCall("clip", x, Shape(12, 3, 2)),) * 2


@pytest.mark.parametrize("dtype", LOOPS)
def test_drawn_calls_keep_their_limits_and_cover_every_loop(dtype: str) -> None:
    calls = drawn_calls(dtype, elements=9000, weights=4000)
    assert len(set(calls)) == len(calls)
    assert max(map(call_elements, calls)) <= 9000
    assert max(map(weight_count, calls)) <= 4000
    for name, names in LOOPS[dtype].items():
        seen = [call.loops(dtype) for call in calls if call.name == name]
        assert len(seen) >= 24
        assert all(any(counts[loop] for counts in seen) for loop in names), name
