"""What the C function of a depthwise convolution takes: the planes that it lays out, scratch, loops."""

from __future__ import annotations

from typing import NamedTuple

from spaces.lanes import largest
from spaces.operators.conv_function import FLOAT_BLOCK
from spaces.operators.kernel import CFunction, InstructionSet, KernelCall, VectorLoops, c_function, words
from spaces.operators.sliding import columns_inside, rows_inside

__all__ = ["FLOAT_BLOCK", "depthwise_phases", "depthwise_sides"]

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
    def phases(self) -> int:
        """Rows of a plane that a row of the image is, where this is the side along: places so many steps apart."""
        return -largest(-self.stride, -self.kernel)

    @property
    def words(self) -> int:
        """Of weights for a phase of a window row, two places in each, which may begin one later. An even number."""
        places = -(-self.kernel // self.stride)
        return ((places + 2) // 2 + 1) // 2 * 2

    @property
    def cells(self) -> int:
        """Of a row of the plane."""
        return 2 * (self.words - 1) + _OUTPUTS * self.blocks

    @property
    def strip(self) -> int:
        """Rows of the largest plane, where this is the side across."""
        return (-largest(-self.out, -_STRIP) - 1) * self.stride + self.kernel


def depthwise_phases(call: KernelCall) -> tuple[int, int]:
    """Phases of a row of the plane, and how far apart its places are."""
    along = _sides(call)[depthwise_sides(call)[0]]
    return along.phases, along.stride


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
    simd = isa == "simd"
    cells = across.strip * along.phases * along.cells
    return _FILTER + (2 * cells + 8 * across.kernel * along.phases * along.words if simd else cells)


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

    `filter_row`s, and each `phase` of one, with `unpacked` words of weights of all `taps`; `strip` of outputs, to which
    pairs of cells are `moved` from the one before; for it each further `image_row`, in the plane each `plane_row`, all
    cells of `cleared_row`s, of rows `inside` the input places `before` it and `copied` ones;
    `line` of outputs, in it each `block` of four, the last one perhaps of `one`, `two` or `three`, with its
    `window_row`s and their phases: a `row` has two or three places, or there are more in a `long_block`, all but the
    first of which is a `long_row`; their pairs of `word`s count with SIMD, and all of the `place`s without.
    """
    sides = _sides(call)
    along, across = (sides[k] for k in depthwise_sides(call))
    channels, phases = call.out.channels, along.phases
    strips = range(0, across.out, _STRIP)
    lines = [min(_STRIP, across.out - r) for r in strips]
    tops = [r * across.stride - across.pad for r in strips]
    kept = max(0, across.kernel - across.stride)
    heights = [(n - 1) * across.stride + across.kernel - kept * (k > 0) for k, n in enumerate(lines)]
    tops = [top + kept * (k > 0) for k, top in enumerate(tops)]
    there = sum(max(0, min(across.size, top + n) - max(0, top)) for top, n in zip(tops, heights, strict=True))
    rows, cleared = phases * sum(heights), (channels if len(lines) > 1 else 1) * phases * sum(heights)
    moves = channels * (len(lines) - 1) * (kept > 0)
    before, copied = _places(along)
    blocks, long = channels * across.out * along.blocks, along.words > 2
    window_rows, over = blocks * across.kernel * phases, along.out % _OUTPUTS
    ends = channels * across.out
    return {
        "call": 1, "channel": channels, "filter_row": channels * across.kernel,
        "phase": channels * across.kernel * phases,
        "unpacked": channels * across.kernel * phases * along.words, "taps": channels * across.kernel * along.kernel,
        "strip": channels * len(lines), "move": moves, "moved": moves * kept * phases * along.cells // 2,
        "image_row": channels * sum(heights), "plane_row": channels * rows,
        "cleared_row": cleared, "cleared": cleared * along.cells, "inside": channels * phases * there,
        "before": channels * there * before, "copied": channels * there * copied,
        "line": ends, "block": ends * (along.out // _OUTPUTS),
        "one": ends * (over == 1), "two": ends * (over == 2), "three": ends * (over == 3),
        "row": window_rows * (not long), "window_row": blocks * across.kernel, "long_block": blocks * long,
        "long_row": (window_rows - blocks) * long, "word": window_rows * along.words // 2 * long,
        "place": blocks * across.kernel * along.kernel,
    }  # fmt: skip


def _line(along: _Side, across: _Side) -> int:
    """Bytes of a line, as `filter.bytes` in C."""
    return ((_OUTPUTS * along.blocks - 1) * along.stride + along.kernel) * across.kernel


def _vectors(n: int) -> int:
    return -(-n // _VECTOR)


def _vector_loops(call: KernelCall) -> dict[str, int]:
    """Channel by channel lines are laid out, and windows slide along them.

    Weights of a channel are `unpacked`, by `filter_row` and `phase`; their vectors `cleared` once. For `line`s of
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
        "phase": channels * across.kernel * along.phases, "unpacked": channels * taps, "image_row": rows,
        "inside": there, "gathered": there * (inside // 4), "single": there * (inside % 4),
        "fours": there * (inside >= 4), "singles": there * (inside % 4 > 0),
        "border": there * ((before > 0) + (before + inside < places)),
        "spread": there * (places - inside) + (rows - there) * places,
        "line": channels * across.out, "block": blocks, "long": blocks * (taps > _VECTOR),
        "more": blocks * (_vectors(taps) - 1), "moved": moves * _vectors(_line(along, across)),
    }  # fmt: skip


def _places(along: _Side) -> tuple[int, int]:
    """Of all phases of a row of the image the places before it, and those that are copied from it."""
    before = copied = 0
    for phase in range(along.phases):
        skipped = max(0, -((phase - along.pad) // along.stride))
        before += skipped
        first = phase - along.pad + skipped * along.stride
        copied += max(0, min(-(-(along.size - first) // along.stride), along.cells - skipped))
    return before, copied


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
        "int8": ("call", "channel", "filter_row", "phase", "unpacked", "taps", "strip", "move", "moved",
                 "image_row", "plane_row",
                 "cleared_row", "cleared", "inside", "before", "copied", "line", "block", "one", "two",
                 "three", "row", "window_row", "long_block", "long_row", "word", "place"),
        "float32": ("call", "part", "line", "kept_line", "kept_row", "kept", "left", "four", "row", "tap",
                    "single", "single_row", "single_tap"),
    },
    _loops, _weights, scratch=_scratch, over=_over, float_scratch=_float_scratch,
    vector=VectorLoops(
        ("call", "cleared", "channel", "filter_row", "phase", "unpacked", "image_row", "inside", "gathered", "single",
         "fours", "singles", "border", "spread", "line", "block", "long", "more", "moved"),
        _vector_loops,
    ),
))  # fmt: skip
