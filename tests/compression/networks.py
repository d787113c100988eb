"""Small networks of spaces, one per block that matters, with lively batch norms."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from spaces.language.reader import read_space
from spaces.networks.network import Network
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space

torch.set_num_threads(1)

IMAGE = "{channels: 3, height: 9, width: 7}"
SERIES = "{channels: 2, length: 24}"
VECTOR = "{channels: 10}"

#: name -> (input, layers); each ends in what a classifier would.
NETWORKS: dict[str, tuple[str, str]] = {
    "conv": (
        IMAGE,
        "- conv: {filters: 5, stride: 2}\n- conv: {filters: 4, padding: valid, activation: none}\n- flatten",
    ),
    "groups": (IMAGE, "- conv: {filters: 6}\n- conv: {filters: 9, groups: 3}\n- global_max_pool"),
    "ds_conv": (IMAGE, "- conv: {filters: 4, kernel: [4, 3]}\n- ds_conv: {filters: 6, stride: 2}\n- global_avg_pool"),
    "inverted": (
        IMAGE,
        "- inverted_residual: {filters: 3, expansion: 4}\n- inverted_residual: {filters: 5, stride: 2}",
    ),
    "squeeze": (
        IMAGE,
        "- conv: {filters: 8, activation: hard_swish}\n"
        "- inverted_residual: {filters: 8, expansion: 2, squeeze: 2, activation: hard_swish}\n- global_avg_pool",
    ),
    "residual": (IMAGE, "- residual: {filters: 3}\n- residual: {filters: 4, stride: 2}\n- avg_pool: {padding: same}"),
    "preact": (IMAGE, "- conv: {filters: 4}\n- preact_residual: {filters: 6}\n- relu\n- norm\n- relu\n- max_pool"),
    "convmixer": (IMAGE, "- convmixer: {filters: 4, kernel: 3}\n- global_avg_pool"),
    "fire": (IMAGE, "- fire: {squeeze: 3, expand: 4}\n- max_pool: {kernel: 3, stride: 2, padding: same}"),
    "shuffle": (
        IMAGE,
        "- conv: {filters: 6}\n- shuffle_unit: {filters: 6}\n- shuffle_unit: {filters: 8, stride: 2, activation: none}",
    ),
    "sppf": (IMAGE, "- conv: {filters: 4}\n- sppf: {filters: 5}\n- yolo_head: {classes: 2, anchors: 1}"),
    "inception": (
        SERIES,
        "- inception1d: {filters: 2, kernel: 8, bottleneck: 3, stride: 2, residual: true}\n"
        "- avg_pool1d: {kernel: 3, stride: 2, padding: same}\n- global_avg_pool",
    ),
    "mlp": (VECTOR, "- linear: {units: 8, activation: relu6}\n- linear: {units: 6, activation: hard_swish}"),
}


def candidate(name: str, classes: int = 3) -> Candidate:
    """The one candidate of a space without choices."""
    shape, layers = NETWORKS[name]
    # The yolo head of `sppf` is a map, as detection needs it.
    end = "" if name == "sppf" else f"\n- linear: {{units: {classes}}}"
    lines = "".join(f"  {line}\n" for line in f"{layers}{end}".splitlines())
    return only(f"space: {name}\ninput: {shape}\ndtype: int8\nbias: true\nnetwork:\n{lines}")


def only(text: str) -> Candidate:
    """The first candidate of a space."""
    program = compile_space(read_space(text))
    return candidate_of(program, 0, [0] * len(program.variants[0].decisions))


def lively(network: Network, seed: int = 0) -> Network:
    """Batch norms as after training: any mean, variance, scale and shift; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            with torch.no_grad():
                norm.weight.copy_(torch.rand(norm.weight.shape, generator=generator) + 0.5)
                norm.bias.copy_(torch.randn(norm.bias.shape, generator=generator) * 0.3)
            norm.running_mean.copy_(torch.randn(norm.running_mean.shape, generator=generator) * 0.3)
            norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.5)
    return network.eval()


def examples(network: Network, n: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *network.input_shape)).astype(np.float32)
