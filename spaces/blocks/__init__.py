"""The blocks of the language, one file each; importing this package registers them all."""

from spaces.blocks import (
    concat,
    conv,
    convmixer,
    depthwise,
    ds_conv,
    elementwise,
    fire,
    flatten,
    inception,
    inverted_residual,
    linear,
    pointwise,
    pooling,
    preact_residual,
    residual,
    sppf,
    squeeze_excitation,
    yolo_head,
)
from spaces.blocks.base import BLOCKS, Block, Kind, Op, Ops, block

__all__ = [
    "BLOCKS", "Block", "Kind", "Op", "Ops", "block", "concat", "conv", "convmixer", "depthwise", "ds_conv",
    "elementwise", "fire", "flatten", "inception", "inverted_residual", "linear", "pointwise", "pooling",
    "preact_residual", "residual", "sppf", "squeeze_excitation", "yolo_head",
]  # fmt: skip
