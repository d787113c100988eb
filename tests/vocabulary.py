"""What random spaces are made of: choices, expressions over them, blocks, and the operators of cells."""

from __future__ import annotations

from typing import Any

#: The choices a network may use, and in how many ways each can be written.
CHOICES: dict[str, list[Any]] = {
    "M": [[2, 4], [1, 3, 6], {"start": 2, "stop": 8, "step": 2}, {"options": [6, 2, 9]}, 5],
    "N": [{"start": 1, "stop": 3}, [8, 4], {"start": 4, "stop": 4}],
    "F": [[0.5, 1], {"start": 0.25, "stop": 1.0, "step": 0.25}, [1.5, 0.75, 0.1]],
    "K": [[[3, 1], [3, 2]], [[1, 1], [2, 2], [5, 1]]],
    "A": [["relu", "none"], ["none", "relu6", "relu"]],
    "P": [["same", "valid"]],
    "R": [[True, False]],
    "T": [["float32", "int8"], ["int16", "int8", "float16"]],
    "S": [{"options": [2, 4], "shared": True}, {"start": 1, "stop": 3, "shared": True}],
    "W": [{"options": [0.5, 2, 1], "shared": True}],
    "G": [{"options": [3, 5], "shared": "group"}, {"start": 2, "stop": 6, "step": 2, "shared": "group"}],
    "D": [{"options": [1, 2], "shared": "group"}],
    "L": [{"options": [1, 2], "shared": True}, {"start": 2, "stop": 4, "shared": True}],
}
NUMERIC = ("M", "N", "F", "G")

#: Expressions for a positive whole number, by the choices that they use.
COUNTS = [
    "M", "M", "M", "N", "2 * M", "M // 2 + 1", "round_to(8 * F, 2)", "ceil(4 * F)", "S", "M + S", "round_to(M * W, 2)",
    "max(M, N)", "abs(N - 6) + 1", "first(K) + last(K)", "G", "2 * G", "M % 3 + 1",
]  # fmt: skip
REPEATS = [1, 1, 1, 2, [1, 2], [1, 3], {"start": 1, "stop": 2}, "L", "L + 1", "3 - L // 2", "max(L, 2)"]
IMAGES = [
    "conv", "depthwise", "pointwise", "ds_conv", "inverted_residual", "residual", "convmixer", "max_pool", "avg_pool",
]  # fmt: skip
SERIES = [f"{name}1d" for name in IMAGES if name != "pointwise"]
SERIES += ["pointwise", "relu", "norm", "inception1d", "shuffle_unit1d"]
IMAGES += ["relu", "norm", "fire", "sppf", "yolo_head", "shuffle_unit", "preact_residual"]
BARE = ("relu", "norm")
TO_VECTOR = ["global_avg_pool", "global_max_pool", "flatten", "linear"]
BLOCKS = {0: ["linear", "linear", "flatten", "relu"], 1: [*SERIES, *TO_VECTOR], 2: [*IMAGES, *TO_VECTOR]}


#: Operators of cells: on images; those on series have the same names with `1d`.
_NORMED: list[Any] = ["relu", {"conv": {"filters": "channels", "kernel": 1, "activation": "none"}}]
OPERATORS: dict[str, Any] = {
    "none": "zero",
    "skip": "identity",
    "conv": _NORMED,
    "pool": [{"avg_pool": {"kernel": 3, "stride": 1, "padding": "same"}}],
    "deep": [*_NORMED, "norm", "relu", {"depthwise": {}}],
    "res": [{"residual": {"filters": "channels"}}, "relu"],
    "inv": [{"inverted_residual": {"filters": "channels", "expansion": 2}}],
    "se": ["relu", {"inverted_residual": {"filters": "channels", "expansion": 1, "squeeze": 2}}],
    "relu": ["relu"],
    "wide": [{"conv": {"filters": "2 * channels"}, "bias": True}],
}
IMAGE_OPERATORS = {
    "pre": [{"preact_residual": {"filters": "channels", "stride": 1}}],
    "fire": [{"fire": {"squeeze": 2, "expand": "max(channels // 2, 1)"}}],
}
