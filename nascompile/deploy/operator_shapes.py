"""Random shapes of operators to measure: every kernel, small and large, with borders, groups and odd channels."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from spaces.runtimes.kernel_loops import LOOPS, KernelCall, loops
from spaces.tensors import Shape

__all__ = ["call_elements", "drawn_calls", "weight_count"]

#: The largest sides and channels drawn.
_SIDE, _CHANNELS, _WINDOW = 32, 160, 7
#: Most iterations of all loops of a call, so that a table of hundreds is run in seconds.
_ITERATIONS = 60_000
#: Draws after which a kernel that never fits is an error of the limits.
_TRIES = 2000


def drawn_calls(dtype: str, elements: int, weights: int, each: int = 24, seed: int = 0) -> tuple[KernelCall, ...]:
    """Calls of every kernel.

    Args:
        dtype: `int8` or `float32`.
        elements: most elements that a call may read and write together.
        weights: most weights of a call.
        each: calls per kernel, all different; convolutions, which have most loops, get three times as many.
        seed: of the draws.

    Returns:
        Fewer where the limits leave fewer.

    Example:
        >>> calls = drawn_calls("int8", elements=20_000, weights=20_000, each=2)
        >>> len(calls), calls[0].name, drawn_calls("int8", 20_000, 20_000, each=2) == calls
        (26, 'conv', True)
    """
    rng = random.Random(seed)
    found: list[KernelCall] = []
    for name in LOOPS[dtype]:
        mine: dict[KernelCall, None] = {}
        for _ in range(_TRIES):
            call = _DRAW.get(name, _elementwise)(rng, name)
            size = call_elements(call)
            if size <= elements and weight_count(call) <= weights and sum(loops(call, dtype).values()) <= _ITERATIONS:
                mine[call] = None
            if len(mine) == each * (3 if name == "conv" else 1):
                break
        found += mine
    return tuple(found)


def call_elements(call: KernelCall) -> int:
    """Elements of all tensors of a call; the second operand of an addition or a product has those of its output."""
    return call.x.size + call.out.size * (2 if call.name in ("add", "mul") else 1)


def weight_count(call: KernelCall) -> int:
    """Weights of a call."""
    if call.name not in ("conv", "depthwise"):
        return 0
    return call.out.channels * (call.x.channels // call.groups) * call.kernel[0] * call.kernel[1]


def _upto(rng: random.Random, most: int) -> int:
    """1 to `most`, small numbers as often as large ones."""
    return min(most, int((most + 1) ** rng.random()))


def _image(rng: random.Random, channels: int) -> Shape:
    """An image, or a series: one row."""
    return Shape(channels, 1 if rng.random() < 0.2 else _upto(rng, _SIDE), _upto(rng, _SIDE))


def _slide(rng: random.Random, name: str, x: Shape, channels: int, groups: int = 1) -> KernelCall:
    """A window that slides over an image, within it or with padding that keeps its size."""
    kernel = (min(_upto(rng, _WINDOW), x.height), min(_upto(rng, _WINDOW), x.width))
    stride = (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))
    if rng.random() < 0.6:
        sides = [-(-side // s) for side, s in zip(x[1:], stride, strict=True)]
        around = [max(0, (n - 1) * s + k - side) for n, s, k, side in zip(sides, stride, kernel, x[1:], strict=True)]
        pads = around[0] // 2, around[1] // 2
    else:
        sides = [(side - k) // s + 1 for side, k, s in zip(x[1:], kernel, stride, strict=True)]
        pads = 0, 0
    return KernelCall(name, x, Shape(channels, *sides), kernel, stride, pads, groups)


def _conv(rng: random.Random, name: str) -> KernelCall:
    channels, filters = _upto(rng, _CHANNELS), _upto(rng, _CHANNELS)
    if rng.random() < 0.15:
        return KernelCall(name, Shape(8 * channels), Shape(filters))
    groups = rng.choice((2, 3, 4)) if rng.random() < 0.35 else 1
    depth, share = _upto(rng, _CHANNELS // groups), _upto(rng, _CHANNELS // groups // 4)
    if groups > 1:
        channels, filters = groups * depth, groups * share
    return _slide(rng, name, _image(rng, channels), filters, groups)


def _depthwise(rng: random.Random, name: str) -> KernelCall:
    channels = max(4, _upto(rng, _CHANNELS))
    return _slide(rng, name, _image(rng, channels), channels, channels)


def _pool(rng: random.Random, name: str) -> KernelCall:
    channels = _upto(rng, _CHANNELS)
    return _slide(rng, name, _image(rng, channels), channels)


def _global_pool(rng: random.Random, name: str) -> KernelCall:
    x = _image(rng, _upto(rng, _CHANNELS))
    return KernelCall(name, x, Shape(x.channels))


def _gate(rng: random.Random, name: str) -> KernelCall:
    out = _image(rng, _upto(rng, _CHANNELS))
    return KernelCall(name, Shape(out.channels), out)


def _part(rng: random.Random, name: str) -> KernelCall:
    """Some of the channels of a wider tensor, as a concatenation writes them."""
    x = _image(rng, _upto(rng, _CHANNELS))
    return KernelCall(name, x, x._replace(channels=x.channels + rng.choice((0, 0, 3, 16))))


def _elementwise(rng: random.Random, name: str) -> KernelCall:
    x = _image(rng, _upto(rng, _CHANNELS))
    return KernelCall(name, x, x)


_DRAW: Mapping[str, Callable[[random.Random, str], KernelCall]] = {
    "conv": _conv, "depthwise": _depthwise, "avg_pool": _pool, "max_pool": _pool, "global_avg_pool": _global_pool,
    "global_max_pool": _global_pool, "mul": _gate, "requantise": _part, "clip": _part,
}  # fmt: skip
