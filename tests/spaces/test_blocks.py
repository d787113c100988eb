"""The blocks of published architectures: their counts to the last parameter, and what each block computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from spaces.blocks import BLOCKS
from spaces.costs.latency_profiles import load_profile
from spaces.costs.prices import LatencyError
from spaces.errors import SpaceError
from spaces.language.reader import read_space
from spaces.language.settings import Settings
from spaces.operators import Op, Ops
from spaces.operators.memory import peak_bytes
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space
from spaces.runtimes.tflite_micro import executed
from spaces.tensors import Infeasible, Shape

# -- published networks ------------------------------------------------------------------------------------------------

IMAGENET = "space: s\ninput: {channels: 3, height: 224, width: 224}\n"
CLASSIFIER = "  - global_avg_pool\n  - linear: {units: 1000}\n    bias: true\n"

RESNET18 = f"""{IMAGENET}batch_norm: kept
network:
  - conv: {{filters: 64, kernel: 7, stride: 2, padding: 3}}
  - max_pool: {{kernel: 3, stride: 2, padding: 1}}
  - residual: {{filters: 64}}
    repeat: 2
  - residual: {{filters: 128, stride: 2}}
  - residual: {{filters: 128}}
  - residual: {{filters: 256, stride: 2}}
  - residual: {{filters: 256}}
  - residual: {{filters: 512, stride: 2}}
  - residual: {{filters: 512}}
{CLASSIFIER}"""

#: torchvision's poolings round up (`ceil_mode`), which at 224 x 224 is the same.
SQUEEZENET_1_1 = f"""{IMAGENET}bias: true
network:
  - conv: {{filters: 64, stride: 2, padding: valid}}
  - max_pool: {{kernel: 3, stride: 2}}
  - fire: {{squeeze: 16, expand: 64}}
    repeat: 2
  - max_pool: {{kernel: 3, stride: 2}}
  - fire: {{squeeze: 32, expand: 128}}
    repeat: 2
  - max_pool: {{kernel: 3, stride: 2}}
  - fire: {{squeeze: 48, expand: 192}}
    repeat: 2
  - fire: {{squeeze: 64, expand: 256}}
    repeat: 2
  - pointwise: {{filters: 1000}}
  - global_avg_pool
"""


def inverted(*rows: tuple[int, int, int, int, int], more: str) -> Iterator[str]:
    """Rows of expansion, kernel, stride, filters and repeats; the stride is the first repeat's."""
    for expansion, kernel, stride, filters, repeats in rows:
        for step in [stride] + [1] * (repeats - 1):
            keys = f"expansion: {expansion}, kernel: {kernel}, stride: {step}, filters: {filters}"
            yield f"  - inverted_residual: {{{keys}, {more}}}\n"


MOBILENET_V2_ROWS = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 3, 2, 32, 3), (6, 3, 2, 64, 4), (6, 3, 1, 96, 3), (6, 3, 2, 160, 3),
    (6, 3, 1, 320, 1),
)  # fmt: skip
EFFICIENTNET_B0_ROWS = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)  # fmt: skip


def mobile(activation: str, blocks: Iterator[str]) -> str:
    stem = f"  - conv: {{filters: 32, stride: 2, activation: {activation}}}\n"
    last = f"  - pointwise: {{filters: 1280, activation: {activation}}}\n"
    return f"{IMAGENET}batch_norm: kept\nnetwork:\n{stem}{''.join(blocks)}{last}{CLASSIFIER}"


MOBILENET_V2 = mobile("relu6", inverted(*MOBILENET_V2_ROWS, more="activation: relu6"))
EFFICIENTNET_B0 = mobile("hard_swish", inverted(*EFFICIENTNET_B0_ROWS, more="squeeze: 4, activation: hard_swish"))


def only(text: str) -> Candidate:
    """The network of a space that leaves nothing to choose."""
    return candidate_of(compile_space(read_space(text)), 0, ())


@pytest.mark.parametrize(
    ("text", "params", "gigamacs"),
    [
        pytest.param(RESNET18, 11_689_512, 1.814, id="resnet18"),
        pytest.param(SQUEEZENET_1_1, 1_235_496, 0.349, id="squeezenet1_1"),
        pytest.param(MOBILENET_V2, 3_504_872, 0.301, id="mobilenet_v2"),
        # Swish and sigmoid, where this has their hard forms, make no difference to the counts.
        pytest.param(EFFICIENTNET_B0, 5_288_548, 0.386, id="efficientnet_b0"),
    ],
)
def test_published_networks(text: str, params: int, gigamacs: float) -> None:
    """torchvision's figures: parameters exactly, multiply-accumulates to the three decimals that it prints."""
    candidate = only(text)
    assert candidate.costs["params"] == params
    assert round(candidate.costs["macs"] / 1e9, 3) == gigamacs
    pytest.importorskip("torch")
    assert sum(p.numel() for p in candidate.build().parameters()) == params


def test_yolov5_parts() -> None:
    """The parameters that YOLOv5 prints of its spatial pyramid pooling, n and s, and of the small model's head."""

    def params(layer: str, channels: int) -> int:
        return only(
            f"space: s\ninput: {{channels: {channels}, height: 4, width: 4}}\nbatch_norm: kept\nnetwork: [{layer}]\n"
        ).costs["params"]

    assert params("sppf: {filters: 256}", 256) == 164_608
    assert params("sppf: {filters: 512}", 512) == 656_896
    assert sum(params("yolo_head: {classes: 80}", channels) for channels in (128, 256, 512)) == 229_245


def test_inceptiontime_in_closed_form() -> None:
    """Six modules of 32 filters on a series of one channel, without skips: the first has no bottleneck."""
    candidate = only(
        "space: s\ninput: {channels: 1, length: 100}\nbatch_norm: kept\nnetwork:\n"
        "  - inception1d: {filters: 32}\n    repeat: 6\n"
        "  - global_avg_pool\n  - linear: {units: 5}\n    bias: true\n"
    )
    windows, norms = 40 + 20 + 10, 2 * 128
    first = windows * 1 * 32 + 1 * 32 + norms
    other = 128 * 32 + windows * 32 * 32 + 128 * 32 + norms
    assert candidate.costs["params"] == first + 5 * other + 128 * 5 + 5


# -- what they compute -------------------------------------------------------------------------------------------------


def lower(name: str, x: Shape, **arguments: Any) -> Ops:
    return BLOCKS[name].lower(x, **arguments)


def layer_of(ops: Ops, x: Shape) -> Any:
    """A layer with biases and with batch norms that do something."""
    torch = pytest.importorskip("torch")
    from spaces.networks.network import LayerModule

    torch.manual_seed(0)
    layer = LayerModule(ops, x, Settings("float32", True, True, False)).eval()
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5)
    return layer


def same(a: Any, b: Any) -> bool:
    import torch

    return a.shape == b.shape and torch.allclose(a, b, atol=1e-5)


def test_fire_puts_both_expansions_side_by_side() -> None:
    torch = pytest.importorskip("torch")
    layer = layer_of(lower("fire", Shape(6, 7, 5), squeeze=3, expand=4, kernel=(3, 3), stride=(2, 2)), Shape(6, 7, 5))
    squeeze, narrow, wide, _ = layer.operators
    x = torch.randn(2, 6, 7, 5)
    out = layer(x)
    assert out.shape == (2, 8, 4, 3)
    assert same(out, torch.cat([narrow(squeeze(x)), wide(squeeze(x))], 1))


@pytest.mark.parametrize("name", ["inverted_residual", "inverted_residual1d"])
def test_squeeze_and_excitation_gates_the_channels(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = Shape(8, 5, 7) if name == "inverted_residual" else Shape(8, 1, 7)
    layer = layer_of(lower(name, x, filters=8, expansion=3, squeeze=4, activation="hard_swish"), x)
    expand, depthwise, _, reduce, restore, _, project, _ = layer.operators
    data = torch.randn(2, *x)
    wide = depthwise(expand(data))
    weight, bias = (p.detach() for p in reduce.parameters())
    hidden = (wide.mean((2, 3)) @ weight.T + bias).clamp(min=0)
    assert hidden.shape == (2, 2)
    weight, bias = (p.detach() for p in restore.parameters())
    gates = ((hidden @ weight.T + bias) / 6 + 0.5).clamp(0, 1)
    assert same(layer(data), project(gates.reshape(2, 24, 1, 1) * wide) + data)
    convolution, norm, _ = expand
    z = norm(convolution(data))
    assert same(expand(data), z * ((z + 3).clamp(0, 6) / 6))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_inception_is_the_published_module() -> None:
    """One batch norm and ReLU behind the concatenation, as published, equal those behind each branch."""
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    x = Shape(6, 1, 50)
    layer = layer_of(lower("inception1d", x, filters=4, kernel=21, bottleneck=3, residual=True), x)
    _, pooled, narrow, *longer, _, skip, _ = layer.operators
    data = torch.randn(2, *x)

    def bare(operator: Any, operand: Any) -> Any:
        conv = next(m for m in operator.modules() if isinstance(m, torch.nn.Conv2d))
        return functional.conv1d(operand.squeeze(2), conv.weight[:, :, 0], conv.bias, padding="same").unsqueeze(2)

    assert [next(op.parameters()).shape[-1] for op in longer] == [21, 10, 5]
    branches = [bare(operator, bare(narrow, data)) for operator in longer]
    branches.append(bare(pooled, functional.max_pool1d(data.squeeze(2), 3, 1, 1).unsqueeze(2)))
    norms = [operator.norm for operator in (*longer, pooled)]
    mean, var, weight, bias = (
        torch.cat([getattr(norm, name) for norm in norms]) for name in ("running_mean", "running_var", "weight", "bias")
    )
    module = functional.relu(functional.batch_norm(torch.cat(branches, 1), mean, var, weight, bias))
    assert same(layer(data), functional.relu(module + skip(data)))


def test_chained_maxima_are_maxima_of_5_9_and_13() -> None:
    """The spatial pyramid pooling that its fast form stands for."""
    torch = pytest.importorskip("torch")
    x = Shape(6, 9, 7)
    layer = layer_of(lower("sppf", x, filters=5), x)
    data = torch.randn(2, *x)
    half = layer.operators[0](data)
    maxima = [torch.nn.functional.max_pool2d(half, size, 1, size // 2) for size in (5, 9, 13)]
    assert same(layer(data), layer.operators[5](torch.cat([half, *maxima], 1)))


# -- what they cost ----------------------------------------------------------------------------------------------------


def test_the_second_window_of_a_residual() -> None:
    def windows(**more: Any) -> list[tuple[int, int]]:
        ops = lower("residual", Shape(4, 8, 8), filters=4, kernel=(5, 5), **more)
        return [op.kernel for op in ops if op.kind == "conv"]

    assert windows() == [(5, 5), (5, 5)]
    assert windows(second_kernel=(3, 3)) == [(5, 5), (3, 3)]
    ops = lower("residual1d", Shape(4, 1, 8), filters=4, kernel=7, second_kernel=3, stride=2)
    assert [(op.kernel, op.stride) for op in ops[:2]] == [((1, 7), (1, 2)), ((1, 3), (1, 1))]


def test_a_concatenation_copies_and_a_product_overwrites() -> None:
    x = Shape(4, 8, 8)
    # At the end both branches of 2 * 10 channels, and their copy; the input and the squeezed tensor are gone.
    assert peak_bytes(lower("fire", x, squeeze=1, expand=10), x.size, 1) == (2 * 10 + 2 * 10) * 64
    plain, gated = (lower("inverted_residual", x, filters=4, squeeze=r) for r in (0, 2))
    # The widest step is the depthwise convolution, with or without gates: input, and 6 times as much twice.
    assert peak_bytes(plain, x.size, 1) == peak_bytes(gated, x.size, 1) == (1 + 6 + 6) * x.size


def test_the_pooling_comes_first_so_that_the_input_goes_early() -> None:
    """At worst there are the input's 128 channels, their maxima, and the 8 made of these."""
    x = Shape(128, 1, 100)
    assert peak_bytes(lower("inception1d", x, filters=8), x.size, 1) == (128 + 128 + 8) * 100
    # With a skip it is still there when the branches have been copied: 128 + 4 * 64 + 4 * 64 channels.
    assert peak_bytes(lower("inception1d", x, filters=64, residual=True), x.size, 1) == (128 + 512) * 100


def kinds(ops: Ops, x: Shape) -> list[str]:
    return [op.kind for op in executed(ops, x)]


def test_what_a_device_runs() -> None:
    x = Shape(8, 6, 6)
    assert kinds(lower("fire", x, squeeze=2, expand=4), x) == ["pointwise", "pointwise", "stem", "concat"]
    assert kinds(lower("inverted_residual", x, filters=8, squeeze=4, activation="hard_swish"), x) == [
        "pointwise", "hard_swish", "depthwise", "hard_swish", "global_avg_pool", "linear", "linear", "hard_sigmoid",
        "mul", "pointwise", "add",
    ]  # fmt: skip
    assert kinds(lower("inverted_residual", x, filters=4), x) == ["pointwise", "depthwise", "pointwise"]
    ops = {op.kind: op for op in executed(lower("inverted_residual", x, filters=4, squeeze=4), x)}
    assert (ops["mul"].macs, ops["mul"].outputs, ops["mul"].shape_key) == (0, 48 * 36, "48x1x1-48x6x6")
    assert (ops["hard_sigmoid"].outputs, ops["hard_sigmoid"].shape_key) == (48, "48x1x1-48x1x1")


def test_a_relu_behind_an_activation_that_is_no_clamp_runs() -> None:
    x = Shape(8, 6, 6)
    for activation, rest in (("relu6", []), ("hard_swish", ["hard_swish", "relu"])):
        (conv,) = lower("pointwise", x, filters=8, activation=activation)
        assert kinds((conv, Op("relu", (1,), x, activation="relu")), x) == ["pointwise", *rest]


def test_a_profile_without_these_operators_refuses_them() -> None:
    x = Shape(8, 6, 6)
    profile = load_profile("nrf5340")
    with pytest.raises(LatencyError, match="the latency profile `nrf5340` has no operator kind `concat`"):
        profile.layer_ns(lower("fire", x, squeeze=2, expand=4), x)
    with pytest.raises(LatencyError, match="no operator kind `hard_swish`"):
        profile.layer_ns(lower("conv", x, filters=2, activation="hard_swish"), x)
    assert load_profile("stm32h747").layer_ns(lower("fire", x, squeeze=2, expand=4), x) > 0


# -- in the language ---------------------------------------------------------------------------------------------------


def test_no_squeeze_is_an_option_and_a_negative_one_a_mistake() -> None:
    text = "space: s\ninput: {channels: 8, height: 8, width: 8}\nchoices: {R: [0, 4, 16]}\nnetwork:\n"
    program = compile_space(read_space(text + "  - inverted_residual: {filters: 8, squeeze: R}\n"))
    plain, quarter, least = (candidate_of(program, 0, (k,)).costs["params"] for k in range(3))
    # 48 channels, and 2 or (at least) 1 hidden units; the biases of the gates count though the space has none.
    assert (quarter - plain, least - plain) == (2 * 48 * 2 + 2 + 48, 2 * 48 * 1 + 1 + 48)
    with pytest.raises(SpaceError, match=r"`squeeze`: -1 is negative \[bad-value\]"):
        read_space(text + "  - inverted_residual: {filters: R, squeeze: -1}\n")
    with pytest.raises(SpaceError, match="`filters`: 0 is not positive"):
        read_space(text + "  - inverted_residual: {filters: 0, squeeze: R}\n")


def test_impossible_blocks() -> None:
    with pytest.raises(Infeasible, match="a window of 3 has no quarter"):
        lower("inception1d", Shape(4, 1, 9), filters=4, kernel=3)
    with pytest.raises(Infeasible, match="half of 1 channel"):
        lower("sppf", Shape(1, 4, 4), filters=4)


def test_a_width_multiplier_scales_every_convolution() -> None:
    text = (
        "space: s\ninput: {channels: 3, height: 32, width: 32}\n"
        "choices: {W: {options: [0.5, 1], shared: true}}\nnetwork:\n"
        '  - fire: {squeeze: "round_to(16 * W, 8)", expand: "round_to(64 * W, 8)"}\n'
        '  - inverted_residual: {filters: "round_to(32 * W, 8)", squeeze: 4}\n'
        '  - sppf: {filters: "round_to(64 * W, 8)"}\n'
        "  - yolo_head: {classes: 2}\n"
    )
    program = compile_space(read_space(text))
    half, full = ([step.out.shape.channels for step in candidate_of(program, 0, (k,)).steps] for k in (0, 1))
    assert (half, full) == ([64, 16, 32, 21], [128, 32, 64, 21])
