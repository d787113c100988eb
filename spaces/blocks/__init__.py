"""The blocks of the language, one file each; importing this package registers them all."""

from spaces.blocks import (
    conv,
    convmixer,
    depthwise,
    ds_conv,
    elementwise,
    flatten,
    inverted_residual,
    linear,
    pointwise,
    pooling,
    preact_residual,
    residual,
)
from spaces.blocks.base import BLOCKS, Block, Kind, Op, Ops, block

__all__ = [
    "BLOCKS", "Block", "Kind", "Op", "Ops", "block", "conv", "convmixer", "depthwise", "ds_conv",
    "elementwise", "flatten",
    "inverted_residual", "linear", "pointwise", "pooling", "preact_residual", "residual",
]  # fmt: skip
