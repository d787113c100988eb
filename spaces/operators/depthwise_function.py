"""What the C function of a depthwise convolution takes: the planes that it lays out, scratch, loops."""

from __future__ import annotations

from typing import NamedTuple

from spaces.lanes import largest
from spaces.operators.conv_function import FLOAT_BLOCK
from spaces.operators.kernel import CFunction, InstructionSet, KernelCall, VectorLoops, c_function, words
from spaces.operators.sliding import columns_inside, rows_inside

__all__ = ["FLOAT_BLOCK", "depthwise_sides"]

#: Outputs that are computed together: along a row of the plane; and rows of outputs between two planes.
_OUTPUTS, _STRIP = 4, 8
#: Bytes of a vector.
_VECTOR = 16
#: Bytes of what is said of sides, plane and channel.
_FILTER = 128


class _Side(NamedTuple):
    """A side of the image, as `struct side` in C."""

    size: int
    out: int
    kernel: int
    stride: int
    pad: int

    @property
    def blocks(self) -> int:
        """Of four outputs."""
        return -(-self.out // _OUTPUTS)

    @property
    def words(self) -> int:
        """Of weights for a row of a window, two places in each, which may begin one later. An even number."""
        return ((self.kernel + 1 + self.stride % 2) // 2 + 1) // 2 * 2

    @property
    def variants(self) -> int:
        """Of each word of weights."""
        return 2 - (self.stride == 2)

    @property
    def cells(self) -> int:
        """Of a row of the plane; the last window may be computed for nothing, and may begin one place before."""
        return (_OUTPUTS * self.blocks - 1) * self.stride // 2 * 2 + 2 * self.words

    @property
    def strip(self) -> int:
        """Rows of the largest plane, where this is the side across."""
        return (-largest(-self.out, -_STRIP) - 1) * self.stride + self.kernel


def depthwise_sides(call: KernelCall) -> tuple[int, int]:
    """Which side is that along a row of the plane, and which is across: 0 for rows of the image, 1 for its columns.

    Example:
        >>> from spaces.tensors import Shape
        >>> depthwise_sides(KernelCall("depthwise", Shape(64, 25, 5), Shape(64, 25, 5), (3, 3)))
        (0, 1)
    """
    rows, columns = _sides(call)
    return (0, 1) if columns.out * rows.blocks < rows.out * columns.blocks else (1, 0)


def _sides(call: KernelCall) -> tuple[_Side, _Side]:
    return tuple(
        _Side(*side) for side in zip(call.x[1:], call.out[1:], call.kernel, call.stride, call.pads, strict=True)
    )  # pyright: ignore[reportReturnType]


def _weights(call: KernelCall, dtype: str) -> int:
    return call.out.channels * call.kernel[0] * call.kernel[1]


def _scratch(call: KernelCall, isa: InstructionSet) -> int:
    """What is said of them, and a plane; with SIMD in int16, and weights of a channel, for both places of a window.

    With vectors a line, of whose last window a whole vector is read, and which is moved by vectors from further on; and
    the weights of a channel, in whole vectors.
    """
    sides = _sides(call)
    along, across = (sides[k] for k in depthwise_sides(call))
    if isa == "vector":
        taps = call.kernel[0] * call.kernel[1]
        return _vectors(taps) * _VECTOR + words(_line(along, across) + _VECTOR - 1 + across.kernel)
    cells = across.strip * along.cells
    weights = 4 * across.kernel * along.words * along.variants
    return _FILTER + (2 * cells + weights if isa == "simd" else cells)


def _over(call: KernelCall, isa: InstructionSet) -> int | None:
    """A channel is in the plane, strip by strip, before it is overwritten by itself, pixels of it that are read.

    Outputs of the first pixels lie over pixels of the same channel, if all that is in front of them are whole pixels.
    With vectors strips are lines, and only go from the first to the last.
    """
    vector = isa == "vector"
    if call.out.size > call.x.size or (call.x.size - call.out.size) % 4 or (vector and call.out.size != call.x.size):
        return None
    along, across = (_sides(call)[k] for k in depthwise_sides(call))
    strip = 1 if vector else _STRIP
    if across.out > strip:
        turned = depthwise_sides(call) == (0, 1)
        behind = (across.out - 1) * across.stride + across.kernel - across.size - across.pad
        # Lines that are there in full when a line has been computed, of those up to the next one.
        early = across.kernel - across.stride - largest(across.pad, behind)
        if turned and (across.out != across.size or across.stride > 1 or early < 0):
            return None
        apart = across.stride * along.size - along.out
        if not turned and (apart < 0 or strip * apart + early * along.size < 0):
            return None
    return _scratch(call, isa)


def _loops(call: KernelCall, dtype: str) -> dict[str, int]:
    return _float_loops(call) if dtype == "float32" else _int8_loops(call)


def _int8_loops(call: KernelCall) -> dict[str, int]:
    """Channel by channel planes are laid out, and windows slide over them.

    `filter_row`s with `unpacked` words of weights, `pair`s and `half` ones, those of odd steps `shifted`, too; `strip`
    of outputs, to which pairs of cells are `moved` from the one before; for it each further `image_row`, of rows
    `inside` the input places in `fours` and `single` ones; pairs of cells of rows outside of it are `cleared`
    (`cleared_row`), in the beginning those of all of the plane; `line` of outputs, in it each `block` of four, the last
    one perhaps of `one`, `two` or `three`, with its `window_row`s: their pairs of `word`s in steps of one; of steps of
    two, in a `far_block`, `far_word`s; of others, in a `wide_block`, single `wide_word`s. These count with SIMD, and
    all of the `place`s without.
    """
    sides = _sides(call)
    along, across = (sides[k] for k in depthwise_sides(call))
    channels = call.out.channels
    strips = range(0, across.out, _STRIP)
    lines = [min(_STRIP, across.out - r) for r in strips]
    tops = [r * across.stride - across.pad for r in strips]
    kept = max(0, across.kernel - across.stride)
    heights = [(n - 1) * across.stride + across.kernel - kept * (k > 0) for k, n in enumerate(lines)]
    tops = [top + kept * (k > 0) for k, top in enumerate(tops)]
    there = channels * sum(
        max(0, min(across.size, top + n) - max(0, top)) for top, n in zip(tops, heights, strict=True)
    )
    rows, moves = channels * sum(heights), channels * (len(lines) - 1) * (kept > 0)
    cleared = (rows - there) * (len(lines) > 1)
    inside = min(along.size, along.cells - min(along.pad, along.cells))
    ends, over = channels * across.out, along.out % _OUTPUTS
    blocks = ends * along.blocks
    window_rows, turns = blocks * across.kernel, blocks * across.kernel * along.words // 2
    far, wide = along.stride == 2, along.stride > 2
    return {
        "call": 1, "channel": channels, "filter_row": channels * across.kernel,
        "unpacked": channels * across.kernel * along.words, "pair": channels * across.kernel * (along.kernel // 2),
        "half": channels * across.kernel * (along.kernel % 2),
        "shifted": channels * across.kernel * along.words * (along.stride % 2),
        "strip": channels * len(lines), "move": moves, "moved": moves * kept * along.cells // 2,
        "image_row": rows, "inside": there, "fours": there * (inside // 4), "single": there * (inside % 4),
        "cleared_row": cleared, "cleared": (cleared + across.strip) * along.cells // 2,
        "line": ends, "block": ends * (along.out // _OUTPUTS),
        "one": ends * (over == 1), "two": ends * (over == 2), "three": ends * (over == 3),
        "window_row": window_rows, "word": turns * (not far and not wide),
        "far_block": blocks * far, "far_word": turns * far,
        "wide_block": blocks * wide, "wide_word": 2 * turns * wide, "place": window_rows * along.kernel,
    }  # fmt: skip


def _line(along: _Side, across: _Side) -> int:
    """Bytes of a line, as `filter.bytes` in C."""
    return ((_OUTPUTS * along.blocks - 1) * along.stride + along.kernel) * across.kernel


def _vectors(n: int) -> int:
    return -(-n // _VECTOR)


def _vector_loops(call: KernelCall) -> dict[str, int]:
    """Channel by channel lines are laid out, and windows slide along them.

    Weights of a channel are `unpacked`, by `filter_row`; their vectors `cleared` once. For `line`s of
    outputs each `image_row` is laid out; if it is `inside` the input, by four (`gathered`) and what is left over
    (`single`), if there are any (`fours`, `singles`), and the zero point is `spread` where there is nothing, on one
    side or two (`border`). `block` of four outputs, which take `more` vectors of weights than one if they are `long`;
    what a line has from the one before is `moved` by vectors.
    """
    sides = _sides(call)
    along, across = (sides[k] for k in depthwise_sides(call))
    channels, taps = call.out.channels, call.kernel[0] * call.kernel[1]
    step = -largest(-across.stride, -across.kernel)
    first = [-across.pad + r * across.stride + (across.kernel - step if r else 0) for r in range(across.out)]
    last = [-across.pad + r * across.stride + across.kernel for r in range(across.out)]
    rows = channels * sum(b - a for a, b in zip(first, last, strict=True))
    there = channels * sum(max(0, min(across.size, b) - max(0, a)) for a, b in zip(first, last, strict=True))
    places = (along.out - 1) * along.stride + along.kernel
    before = min(along.pad, places)
    inside = min(along.size, places - before)
    blocks, moves = channels * across.out * along.blocks, channels * (across.out - 1)
    return {
        "call": 1, "cleared": _vectors(taps), "channel": channels, "filter_row": channels * across.kernel,
        "unpacked": channels * taps, "image_row": rows,
        "inside": there, "gathered": there * (inside // 4), "single": there * (inside % 4),
        "fours": there * (inside >= 4), "singles": there * (inside % 4 > 0),
        "border": there * ((before > 0) + (before + inside < places)),
        "spread": there * (places - inside) + (rows - there) * places,
        "line": channels * across.out, "block": blocks, "long": blocks * (taps > _VECTOR),
        "more": blocks * (_vectors(taps) - 1), "moved": moves * _vectors(_line(along, across)),
    }  # fmt: skip


def _is_kept(call: KernelCall) -> bool:
    """Whether rows of windows are kept apart, so that outputs may lie over inputs."""
    return (
        call.x == call.out and call.stride == (1, 1) and call.x.channels % FLOAT_BLOCK == 0
        and call.pads[0] < call.kernel[0]
    )  # fmt: skip


def _float_scratch(call: KernelCall) -> int:
    """The rows of a window, of four channels."""
    return call.kernel[0] * call.x.width * FLOAT_BLOCK * _is_kept(call)


def _float_loops(call: KernelCall) -> dict[str, int]:
    """Four channels at a time, or, if any are left over, these one by one.

    Of each `part` so made its `line`s of outputs, for which rows of some places are `kept`, perhaps (`kept_line`,
    `kept_row`); in a line pixels of `four` channels, the `row`s and `tap`s of their windows, or those of what is
    `left`, so many of `single` channels.
    """
    (fours, left), pixels = divmod(call.out.channels, FLOAT_BLOCK), call.out.height * call.out.width
    parts, kept = fours + (left > 0), fours * _is_kept(call)
    columns, rows = columns_inside(call), sum(rows_inside(call))
    copied = max(0, min(call.x.height, call.out.height - 1 - call.pads[0] + call.kernel[0]))
    rows, taps = rows * sum(n > 0 for n in columns), rows * sum(columns)
    return {
        "call": 1, "part": parts, "line": parts * call.out.height, "kept_line": kept * call.out.height,
        "kept_row": kept * copied, "kept": kept * copied * call.x.width, "left": pixels * (left > 0),
        "four": fours * pixels, "row": fours * rows, "tap": fours * taps,
        "single": left * pixels, "single_row": left * rows, "single_tap": left * taps,
    }  # fmt: skip


c_function(CFunction(
    "depthwise",
    {
        "int8": ("call", "channel", "filter_row", "unpacked", "pair", "half", "shifted", "strip", "move", "moved",
                 "image_row", "inside", "fours", "single", "cleared_row", "cleared", "line", "block", "one", "two",
                 "three", "window_row", "word", "far_block", "far_word", "wide_block", "wide_word", "place"),
        "float32": ("call", "part", "line", "kept_line", "kept_row", "kept", "left", "four", "row", "tap",
                    "single", "single_row", "single_tap"),
    },
    _loops, _weights, scratch=_scratch, over=_over, float_scratch=_float_scratch,
    vector=VectorLoops(
        ("call", "cleared", "channel", "filter_row", "unpacked", "image_row", "inside", "gathered", "single",
         "fours", "singles", "border", "spread", "line", "block", "long", "more", "moved"),
        _vector_loops,
    ),
))  # fmt: skip
