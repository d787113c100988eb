"""Loops of the C kernels: the closed forms count what the loops of the C would, written out here in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascompile.deploy.operator_shapes import drawn_calls, places, weight_count
from spaces.blocks.conv import conv
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


def run_float_conv(call: KernelCall) -> Counter[str]:
    """nc_conv.c of float32, loop by loop."""
    height, width = call.out[1:]
    pixelwise = call.kernel == call.stride == (1, 1) and call.groups == 1 and call.x[1:] == call.out[1:] != (1, 1)
    turned = not pixelwise and height > width
    found: Counter[str] = Counter(output=call.out.size, pixelwise=pixelwise, turned=turned)
    lines = [[(r, c) for r in range(height)] for c in range(width)]
    if not turned:
        lines = [[(r, c) for c in range(width)] for r in range(height)]
    if pixelwise:
        lines = [[pixel for line in lines for pixel in line]]
    for line in lines:
        found["line"] += 1
        block: list[tuple[int, int, int, int]] = []
        for r, c in line:
            found["copied_pixel" if pixelwise else "pixel"] += 1
            found["copied"] += call.x.channels * pixelwise
            top, left = r * call.stride[0] - call.pads[0], c * call.stride[1] - call.pads[1]
            ky, kx = max(0, -top), max(0, -left)
            rows, columns = min(call.kernel[0], call.x.height - top) - ky, min(call.kernel[1], call.x.width - left) - kx
            shape = (ky, kx, max(0, rows), max(0, columns))
            if block and block[0] != shape:
                found["cut"] += 1
                flush(call, block, found)
            block.append(shape)
            if len(block) == 4:
                flush(call, block, found)
        if block:
            flush(call, block, found)
    return found


def flush(call: KernelCall, block: list[tuple[int, int, int, int]], found: Counter[str]) -> None:
    """All channels of some pixels."""
    count, (_, _, rows, columns) = len(block), block[0]
    block.clear()
    found["block"] += 1
    found["filled"] += 4 - count
    depth, share = call.x.channels // call.groups, call.out.channels // call.groups
    for _ in range(call.groups):
        found["group"] += 1
        found["left"] += share % 4
        kinds = ["wide" if count > 1 else "narrow"] * (share // 4) + ["single"] * (share % 4 * count)
        for kind in kinds:
            found[kind] += 1
            for _ in range(rows if columns else 0):
                found[f"{kind}_row"] += 1
                for _ in range(1 if call.groups == 1 else columns):
                    found[f"{kind}_run"] += 1
                    found[f"{kind}_tap"] += depth * (columns if call.groups == 1 else 1)


def run_conv(call: KernelCall) -> Counter[str]:
    """nc_conv.c of int8, loop by loop; an element's place in its window is what tells odd from even."""
    found: Counter[str] = Counter()
    depth, share = call.x.channels // call.groups, call.out.channels // call.groups
    size = -(-call.kernel[0] * call.kernel[1] * depth // 4) * 4
    for _ in range(call.groups):
        found["group"] += 1
        count = 0
        for r in range(call.out.height):
            found["row"] += 1
            for c in range(call.out.width):
                found["pixel"] += 1
                lay_out(call, r * call.stride[0] - call.pads[0], c * call.stride[1] - call.pads[1], found)
                count += 1
                if count == 4 or (r, c) == (call.out.height - 1, call.out.width - 1):
                    found["block"] += 1
                    found["channel"] += share
                    for _ in range(0, share, 2):
                        found["pair"] += 1
                        found["product"] += size // 4
                    count = 0
    return found


def lay_out(call: KernelCall, top: int, left: int, found: Counter[str]) -> None:
    """A window of one group."""
    depth, columns = call.x.channels // call.groups, call.kernel[1]
    found["ungrouped"] += call.groups == 1
    found["started"] += call.groups == 1 and left >= 0
    together = call.groups == 1 and left >= 0 and left + columns <= call.x.width
    found["inner"] += together
    places, length = (1, columns * depth) if together else (columns, depth)
    at = 0
    for y in range(top, top + call.kernel[0]):
        found["window_row"] += 1
        for x in range(left, left + places):
            found["place"] += 1
            if 0 <= y < call.x.height and 0 <= x < call.x.width:
                copy(at, length, found)
            else:
                found["outside"] += 1
                found["missing"] += 0 <= y < call.x.height
                found["border"] += length
            at += length


def copy(at: int, n: int, found: Counter[str]) -> None:
    """Elements into a window, from this place on."""
    found["run"] += 1
    while n:
        if at % 2 == 0:
            found["word"] += n // 4
            words, n = n >= 4, n % 4
            found["whole"] += words
            if n == 0:
                found["ended"] += words
                return
        found["odd" if at % 2 else "even"] += 1
        at, n = at + 1, n - 1


def run_depthwise(call: KernelCall) -> Counter[str]:
    """nc_depthwise.c of int8, loop by loop."""
    found: Counter[str] = Counter()
    sides = list(zip(call.x[1:], call.out[1:], call.kernel, call.stride, call.pads, strict=True))
    blocks = [-(-out // 4) for out in call.out[1:]]
    turned = call.out.width * blocks[0] < call.out.height * blocks[1]
    (size, out, kernel, stride, pad), across = (sides[0], sides[1]) if turned else (sides[1], sides[0])
    # Pairs of places of a window that begins at an even one, and at an odd one, in whole pairs of pairs.
    words = len(range(0, kernel + stride % 2, 4)) * 2
    cells = (4 * -(-out // 4) - 1) * stride // 2 * 2 + 2 * words
    found["cleared"] = ((min(8, across[1]) - 1) * across[3] + across[2]) * cells // 2
    for _ in range(call.out.channels):
        found["channel"] += 1
        for _ in range(across[2]):
            found["filter_row"] += 1
            found["unpacked"] += words
            found["pair"] += kernel // 2
            found["half"] += kernel % 2
            found["shifted"] += words * (stride % 2)
        for line in range(0, across[1], 8):
            found["strip"] += 1
            lines = min(8, across[1] - line)
            kept = max(0, across[2] - across[3]) if line else 0
            found["move"] += kept > 0
            found["moved"] += kept * cells // 2
            for row in range(kept, (lines - 1) * across[3] + across[2]):
                found["image_row"] += 1
                if 0 <= line * across[3] - across[4] + row < across[0]:
                    found["inside"] += 1
                    copied = sum(1 for place in range(size) if pad + place < cells)
                    found["fours"] += copied // 4
                    found["single"] += copied % 4
                elif across[1] > 8:
                    found["cleared_row"] += 1
                    found["cleared"] += cells // 2
            for _ in range(lines):
                found["line"] += 1
                for block in range(0, out, 4):
                    found[("block", "one", "two", "three")[min(4, out - block) % 4]] += 1
                    found["window_row"] += across[2]
                    found["place"] += across[2] * kernel
                    kind = ("", "far_", "wide_")[min(stride, 3) - 1]
                    found[f"{kind}block"] += kind != ""
                    found[f"{kind}word"] += across[2] * words // (1 if kind == "wide_" else 2)
    return found


def run_float_depthwise(call: KernelCall) -> Counter[str]:
    """nc_depthwise.c of float32, loop by loop."""
    found: Counter[str] = Counter()
    kept = call.x == call.out and call.stride == (1, 1) and call.x.channels % 4 == 0 and call.pads[0] < call.kernel[0]
    for o in range(0, call.out.channels, 4):
        found["part"] += 1
        count, copied = min(4, call.out.channels - o), 0
        for r in range(call.out.height):
            found["line"] += 1
            found["kept_line"] += kept
            while kept and copied < min(r - call.pads[0] + call.kernel[0], call.x.height):
                copied += 1
                found["kept_row"] += 1
                found["kept"] += call.x.width
        for rows, columns in windows(call):
            rows *= columns > 0
            found["left"] += count < 4
            names = ("four", "row", "tap") if count == 4 else ("single", "single_row", "single_tap")
            for name, n in zip(names, (1, rows, rows * columns), strict=True):
                found[name] += n * (1 if count == 4 else count)
    return found


def run_sliding(call: KernelCall, dtype: str = "int8") -> Counter[str]:
    """The pools, loop by loop."""
    found: Counter[str] = Counter(row=call.out.height)
    many = call.out.channels >= 4 and (call.name == "max_pool" or call.kernel[0] * call.kernel[1] <= 255)
    step, names = 1, ("channel", "window_row", "tap")
    if dtype == "int8":
        step = 4 if many else 1
        names = ("block", "block_row", "block_tap") if many else ("single", "single_row", "single_tap")
        found["wide"] = int(many)
    for rows, columns in windows(call):
        found["pixel"] += 1
        found["wide_pixel" if many else "narrow_pixel"] += 1
        for _ in range(0, call.out.channels, step):
            if names[0] == "block" and call.name == "avg_pool" and columns == 3:
                found["block"] += 1
                found["triple"] += rows
                continue
            for name, n in zip(names, (1, rows, rows * columns), strict=True):
                found[name] += n
    return found


def run(call: KernelCall, dtype: str) -> Counter[str]:
    """Whichever it is."""
    if call.name == "conv":
        return run_conv(call) if dtype == "int8" else run_float_conv(call)
    if call.name == "depthwise":
        return run_depthwise(call) if dtype == "int8" else run_float_depthwise(call)
    return run_sliding(call, dtype)


@pytest.mark.parametrize("dtype", LOOPS)
@pytest.mark.parametrize("seed", range(3))
def test_sliding_kernels_count_as_their_loops_run(dtype: str, seed: int) -> None:
    calls = drawn_calls(dtype, elements=6000, weights=6000, each=8, seed=seed)
    for call in calls:
        if call.name not in ("conv", "depthwise", "avg_pool", "max_pool"):
            continue
        found = run(call, dtype)
        found["call"] = 1
        assert call.loops(dtype) == {loop: found[loop] for loop in LOOPS[dtype][call.name]}, call


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_windows_that_lie_outside_altogether_count_nothing(data: st.DataObject) -> None:
    side, kernel = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    pad, stride, out = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    call = KernelCall("max_pool", Shape(2, side, 1), Shape(2, out, 1), (kernel, 1), (stride, 1), (pad, 0))
    assert call.loops("float32")["tap"] == run_sliding(call, "float32")["tap"]


def test_elements_and_parts_of_tensors() -> None:
    x = Shape(6, 3, 2)
    assert KernelCall("requantise", x, Shape(10, 3, 2)).loops("int8") == {"call": 1, "pixel": 6, "element": 36}
    assert KernelCall("requantise", x, x).loops("int8") == {"call": 1, "pixel": 1, "element": 36}
    assert KernelCall("linear", Shape(6), Shape(7)).loops("int8") == {
        "call": 1, "block": 1, "one": 0, "two": 0, "three": 1, "word": 4, "output": 7,
    }  # fmt: skip
    assert KernelCall("mul", Shape(6), x).loops("int8") == {"call": 1, "pixel": 6, "element": 36}
    assert KernelCall("lookup", x, x).loops("int8") == {"call": 1, "element": 36}
    assert KernelCall("global_max_pool", x, Shape(6)).loops("int8") == {"call": 1, "channel": 6, "tap": 36}
    averages = KernelCall("global_avg_pool", x, Shape(6)).loops("int8")
    assert averages == {"call": 1, "block": 2, "output": 8, "block_tap": 12, "tap": 0}


def test_a_concatenation_is_a_call_per_operand_and_a_whole_window_a_linear_layer() -> None:
    x = Shape(6, 3, 2)
    calls = layer_calls(linear(x, units=5), x, "int8", "simd")
    assert [(c.name, c.x, c.out) for c in calls] == [("linear", Shape(36), Shape(5))]
    window = conv(x, filters=5, kernel=(3, 2), padding="valid")
    assert layer_calls(window, x, "int8", "simd")[0] == calls[0]
    assert layer_calls(window, x, "float32", "simd")[0].name == "conv"
    joined = layer_calls((Op("concat", (0, 0), Shape(12, 3, 2)),), x, "float32", "simd")
    assert joined == (KernelCall("clip", x, Shape(12, 3, 2)),) * 2


@pytest.mark.parametrize("dtype", LOOPS)
def test_drawn_calls_keep_their_limits_and_cover_every_loop(dtype: str) -> None:
    calls = drawn_calls(dtype, elements=9000, weights=4000)
    assert len(set(calls)) == len(calls)
    assert max(places(call, dtype)[-1] for call in calls) <= 9000
    assert max(weight_count(call, dtype) for call in calls) <= 4000
    for name, names in LOOPS[dtype].items():
        seen = [call.loops(dtype) for call in calls if call.name == name]
        assert len(seen) >= 24
        assert all(any(counts[loop] for counts in seen) for loop in names), name
