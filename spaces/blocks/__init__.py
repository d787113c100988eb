"""The blocks of the language, one file each; importing this package registers them all."""

from spaces.blocks import (
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
    shuffle_unit,
    sppf,
    squeeze_excitation,
    yolo_head,
)
from spaces.blocks.base import BLOCKS, Block, Kind, block

__all__ = [
    "BLOCKS", "Block", "Kind", "block", "conv", "convmixer", "depthwise", "ds_conv",
    "elementwise", "fire", "flatten", "inception", "inverted_residual", "linear", "pointwise", "pooling",
    "preact_residual", "residual", "shuffle_unit", "sppf", "squeeze_excitation", "yolo_head",
]  # fmt: skip
