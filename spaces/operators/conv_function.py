"""What the C functions of convolutions and linear layers take: weights as they lie in flash, scratch, loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from spaces.operators.gap import conv_gap
from spaces.operators.kernel import CFunction, Gap, InstructionSet, KernelCall, VectorLoops, c_function, words
from spaces.operators.sliding import columns_before, columns_inside, rows_inside

__all__ = ["FLOAT_BLOCK", "block_pixels", "conv_size"]

#: Channels that one pass over a window computes together in float32.
FLOAT_BLOCK = 4
#: The same of a linear layer in int8, and pixels of a convolution.
_OUTPUTS = _PIXELS = 4
#: Pixels of a convolution with vectors.
_VECTOR_PIXELS = 3
#: Elements of a vector.
_VECTOR = 16
#: Loops in float32.
_FLOAT = (
    "call", "pixelwise", "turned", "line", "pixel", "copied_pixel", "copied", "block", "filled", "cut", "group", "left",
    *(f"{kind}{part}" for kind in ("wide", "narrow", "single") for part in ("", "_row", "_run", "_tap")), "output",
)  # fmt: skip
#: What laying out windows in int8 takes.
_LAID_OUT = (
    "started", "inner", "place", "missing", "run", "odd", "even", "whole", "word", "ended", "outside", "border",
)  # fmt: skip


def conv_size(call: KernelCall) -> int:
    """Elements of a window of one group as int8 C lays it out, a multiple of four.

    Example:
        >>> from spaces.tensors import Shape
        >>> conv_size(KernelCall("conv", Shape(3, 8, 8), Shape(8, 8, 8), (3, 3)))
        28
    """
    return words(call.kernel[0] * call.kernel[1] * (call.x.channels // call.groups))


def _pairs(call: KernelCall) -> int:
    """Pairs of output channels of a group; a channel left over is one with nothing."""
    return (call.out.channels // call.groups + 1) // 2


def _conv_weights(call: KernelCall, dtype: str) -> int:
    rows, columns = call.kernel
    if dtype == "float32":
        return call.out.channels * (call.x.channels // call.groups) * rows * columns
    return call.groups * _pairs(call) * 2 * conv_size(call)


def _conv_scratch(call: KernelCall, isa: InstructionSet) -> int:
    """The windows of four pixels, with SIMD in int16; or of three."""
    size = conv_size(call)
    return _VECTOR_PIXELS * size if isa == "vector" else _PIXELS * size * (1 + (isa == "simd"))


def _conv_over(call: KernelCall, isa: InstructionSet) -> int | None:
    """Of single pixels four, or three, are laid out before any of theirs is written.

    What fills up words is less than a block of four pixels grows or shrinks by; of three it may be more.
    """
    pixelwise = call.kernel == call.stride == (1, 1) and call.groups == 1 and call.x[1:] == call.out[1:]
    whole = isa != "vector" or (call.x.size - call.out.size) % 4 == 0
    return _conv_scratch(call, isa) if pixelwise and whole else None


def _conv_gap(call: KernelCall, dtype: str, isa: InstructionSet) -> Gap | None:
    """Windows of several places: between what is left of the input and the outputs goes what is laid out."""
    if dtype != "int8" or call.groups != 1 or _conv_over(call, isa) is not None:
        return None
    return conv_gap(call, block_pixels(isa), _conv_scratch(call, isa))


def block_pixels(isa: InstructionSet) -> int:
    """Pixels whose windows a convolution in int8 lays out before it writes their outputs."""
    return _VECTOR_PIXELS if isa == "vector" else _PIXELS


def _float_scratch(call: KernelCall) -> int:
    """Four pixels, where each is copied."""
    return FLOAT_BLOCK * call.x.channels * _is_pixelwise(call)


def _conv_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    return _float_loops(call) if dtype == "float32" else _int8_loops(call)


def _int8_loops(call: KernelCall) -> dict[str, int]:
    """Windows are laid out row by row, then channels computed pair by pair.

    A pixel is asked whether its window is one run of memory in each row: whether it is `ungrouped`, has `started` in
    the input, and is an `inner` one. `window_row`s; in each, as one `place` or as so many, `run`s of what is inside:
    elements one by one at `odd` and at `even` places of the window, and, in `whole` runs, `word`s of four elements,
    with which it has perhaps `ended`. Places that are `outside`, of these `missing` in rows that are there, and their
    elements, `border`. `block` of up to four pixels, in it each `pair` of channels, with `product`s of four elements of
    a window, and each `channel`.
    """
    groups = call.groups
    pixels = groups * call.out.height * call.out.width
    blocks = groups * -(-call.out.height * call.out.width // _PIXELS)
    pairs = blocks * _pairs(call)
    return {
        "call": 1, "group": groups, "row": groups * call.out.height, "pixel": pixels,
        "ungrouped": pixels * (groups == 1), "window_row": pixels * call.kernel[0],
        **{loop: groups * n for loop, n in _laid_out(call).items()},
        "block": blocks, "pair": pairs, "product": pairs * conv_size(call) // 4,
        "channel": blocks * call.out.channels // groups,
    }  # fmt: skip


def _laid_out(call: KernelCall) -> dict[str, int]:
    """What the windows of one group take, all pixels together."""
    depth, (height, width) = call.x.channels // call.groups, call.kernel
    found: dict[str, int] = dict.fromkeys(_LAID_OUT, 0)
    # Window rows inside the input, by whether they begin at an odd element.
    rows = [0, 0]
    for r, n in enumerate(rows_inside(call)):
        first = max(0, call.pads[0] - r * call.stride[0])
        odd = ((first + n) // 2 - first // 2) * (width * depth % 2)
        rows[0] += n - odd
        rows[1] += odd
    every, there = call.out.height * height, sum(rows)
    for (before, inside), n in Counter(zip(columns_before(call), columns_inside(call), strict=True)).items():
        together = inside == width and call.groups == 1
        places, runs = (1, 1) if together else (width, inside)
        # A window is asked whether it lies inside from left to right, until an answer is no.
        found["started"] += n * call.out.height * (call.groups == 1 and before == 0)
        found["inner"] += n * call.out.height * together
        found["place"] += n * every * places
        found["run"] += n * there * runs
        found["missing"] += n * there * (places - runs)
        found["outside"] += n * (every * places - there * runs)
        found["border"] += n * (every * width - there * inside) * depth
        length = (width if together else 1) * depth
        for odd_row, count in enumerate(rows):
            for place in range(before, before + runs):
                odd = (odd_row + place * depth * (not together)) % 2
                words, rest = divmod(length - odd, 4)
                found["odd"] += n * count * (odd + (rest > 1))
                found["even"] += n * count * ((rest + 1) // 2)
                found["word"] += n * count * words
                found["whole"] += n * count * (words > 0)
                found["ended"] += n * count * (rest == 0 and words > 0)
    return found


def _vector_loops(call: KernelCall) -> dict[str, int]:
    """Windows are laid out row by row, then channels computed by four.

    Windows that are not inside the input are `filled` first, so many vectors of it, `fill`. Of what is inside each
    `run` is copied in one go, or, with groups, each `place`, vector by vector, `copy`. `block` of up to three pixels;
    in it each `quad` of channels, its `pair`s, their `step`s of 16 elements of a window, and those of eight of a
    `rest`; the `output`s of a quad, one a pixel.
    """
    groups, size, depth = call.groups, conv_size(call), call.x.channels // call.groups
    pixels = call.out.height * call.out.width
    blocks, share = groups * -(-pixels // _VECTOR_PIXELS), call.out.channels // groups
    pairs, quads = blocks * _pairs(call), -(-share // 4)
    rows, columns = rows_inside(call), columns_inside(call)
    whole = sum(n == call.kernel[0] for n in rows) * sum(n == call.kernel[1] for n in columns)
    inside, there = sum(rows), sum(n > 0 for n in columns)
    places = inside * sum(columns)
    lengths = Counter(n * depth for n in columns if n)
    copies = inside * sum(n * -(-length // _VECTOR) for length, n in lengths.items())
    grouped = groups > 1
    return {
        "call": 1, "group": groups, "row": groups * call.out.height, "pixel": groups * pixels,
        "filled": groups * (pixels - whole), "fill": groups * (pixels - whole) * -(-size // _VECTOR),
        "run": inside * there * (not grouped), "grouped_run": groups * inside * there * grouped,
        "place": groups * places * grouped,
        "copy": groups * places * -(-depth // _VECTOR) if grouped else copies,
        "block": blocks, "quad": blocks * quads, "pair": pairs, "step": pairs * (size // _VECTOR),
        "rest": pairs * -(-(size % _VECTOR) // 8), "output": groups * pixels * quads,
    }  # fmt: skip


def _is_pixelwise(call: KernelCall) -> bool:
    """A window is one element of several: in float32 these are copied, so that outputs may lie over them."""
    return call.kernel == call.stride == (1, 1) and call.groups == 1 and call.x[1:] == call.out[1:] != (1, 1)


def _float_loops(call: KernelCall) -> dict[str, int]:
    """Pixels go `line` by line, those whose windows have the same part inside the input in blocks of up to four.

    `pixel`s, or copied ones (`copied_pixel`) of some elements (`copied`); each `block`, one of three pixels or two with
    some `filled` up, or `cut` short by the next window's shape; in it each `group`, its channels four by four, of
    several pixels (`wide`) or of one (`narrow`), and of each pixel those `left` over, `single`; the `row`s of these
    windows, their `run`s of memory and elements, `tap`s; in the end all `output`s are clamped.
    """
    pixelwise, groups, pixels = _is_pixelwise(call), call.groups, call.out.height * call.out.width
    depth, (quads, left) = call.x.channels // groups, divmod(call.out.channels // groups, FLOAT_BLOCK)
    turned = not pixelwise and call.out.height > call.out.width
    sides = list(zip(call.x[1:], call.kernel, call.stride, call.pads, call.out[1:], strict=True))
    across, along = ([(0, 1)], [(0, 1)] * pixels) if pixelwise else (
        [_parts(*side) for side in (sides[::-1] if turned else sides)]
    )  # fmt: skip
    found = dict.fromkeys(_FLOAT, 0)
    found |= {
        "call": 1, "line": len(across), "pixel": pixels * (not pixelwise), "output": call.out.size,
        "pixelwise": int(pixelwise), "turned": int(turned), "copied_pixel": pixels * pixelwise,
        "copied": call.x.size * pixelwise,
    }  # fmt: skip
    lines = Counter(inside for _, inside in across)
    blocks = [(part, n) for part, n in _blocks(along)]
    for k, ((_, inside), n) in enumerate(blocks):
        found["block"] += len(across)
        found["group"] += len(across) * groups
        found["filled"] += len(across) * (FLOAT_BLOCK - n)
        found["cut"] += len(across) * (n < FLOAT_BLOCK and k + 1 < len(blocks))
        for other, count in lines.items():
            rows, columns = (inside, other) if turned else (other, inside)
            rows *= columns > 0
            runs = rows * (1 if groups == 1 else columns)
            for kind, times in (("wide", quads * (n > 1)), ("narrow", quads * (n == 1)), ("single", left * n)):
                times *= count * groups
                found[kind] += times
                found[f"{kind}_row"] += times * rows
                found[f"{kind}_run"] += times * runs
                found[f"{kind}_tap"] += times * rows * columns * depth
        found["left"] += len(across) * groups * left
    return found


def _parts(size: int, kernel: int, stride: int, pad: int, out: int) -> list[tuple[int, int]]:
    """Of each window along a side how much of it lies before the input, and how much inside."""
    starts = [k * stride - pad for k in range(out)]
    return [(max(0, -start), max(0, min(kernel, size - start) - max(0, -start))) for start in starts]


def _blocks(parts: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], int]]:
    """Equal ones that follow each other, in blocks of up to four."""
    for part, same in groupby(parts):
        n = len(list(same))
        for k in range(0, n, FLOAT_BLOCK):
            yield part, min(FLOAT_BLOCK, n - k)


def _linear_weights(call: KernelCall, dtype: str) -> int:
    return call.out.channels * words(call.x.size)


def _linear_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """`block` of four outputs, or of the `one`, `two` or `three` that are left over, with `word`s of four inputs of
    each, and the `output`s.
    """
    full, left = divmod(call.out.channels, _OUTPUTS)
    return {
        "call": 1, "block": full, "one": int(left == 1), "two": int(left == 2), "three": int(left == 3),
        "word": -(-call.out.channels // _OUTPUTS) * words(call.x.size) // 4, "output": call.out.channels,
    }  # fmt: skip


def _linear_vectors(call: KernelCall) -> dict[str, int]:
    """`block` of four outputs; `step`s of 16 inputs, if there are any (`stepped`), and what is left, the `rest`."""
    blocks, inputs = -(-call.out.channels // _OUTPUTS), words(call.x.size)
    full, rest = divmod(inputs, _VECTOR)
    return {
        "call": 1, "block": blocks, "stepped": blocks * (full > 0), "step": blocks * full, "rest": blocks * (rest > 0),
    }  # fmt: skip


c_function(CFunction(
    "conv",
    {
        "int8": ("call", "group", "row", "pixel", "ungrouped", "window_row",
                 *_LAID_OUT, "block", "pair", "product", "channel"),
        "float32": _FLOAT,
    },
    _conv_loops, _conv_weights, scratch=_conv_scratch, over=_conv_over, gap=_conv_gap, float_scratch=_float_scratch,
    vector=VectorLoops(
        ("call", "group", "row", "pixel", "filled", "fill", "run", "grouped_run", "place", "copy", "block", "quad",
         "pair", "step", "rest", "output"),
        _vector_loops,
    ),
))  # fmt: skip
c_function(CFunction(
    "linear", {"int8": ("call", "block", "one", "two", "three", "word", "output")}, _linear_loops,
    _linear_weights, vector=VectorLoops(("call", "block", "stepped", "step", "rest"), _linear_vectors),
))  # fmt: skip
