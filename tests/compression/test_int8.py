"""Int8: folding changes nothing, simulation and integers agree, and numpy and plain Python do bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from nascompile.compression import CompressionError, quantise_after_training, quantise_in_training
from nascompile.compression.fake_quant import FakeQuantised, Range
from nascompile.compression.integers import integers
from nascompile.compression.network_kernels import kernels
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.data.dataset import Dataset, Part
from nascompile.training import Recipe, evaluate, train
from spaces.errors import FileError
from spaces.language.reader import read_space
from spaces.networks.network import Network, super_network
from spaces.operators import OPERATORS
from spaces.program.candidate import parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.program.variants import unroll
from tests.compression.networks import NETWORKS, candidate, examples, lively, only
from tests.compression.scalar_kernels import run_scalar
from tests.training.examples import blobs

CELLS = """
space: cells
input: {channels: 3, height: 8, width: 8}
bias: true
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
      pool: [{avg_pool: {kernel: 3, stride: 1, padding: same}}]
network:
  - conv: {filters: 4, activation: none}
  - cell: cell
  - preact_residual: {filters: 6}
  - cell: cell
  - norm
  - relu
  - global_avg_pool
  - linear: {units: 3}
"""


@cache
def cells() -> Program:
    return compile_space(read_space(CELLS))


def calibrated(network: Network) -> tuple[FakeQuantised, QuantisedNetwork, np.ndarray]:
    x = examples(network)
    simulated = FakeQuantised(network).eval()
    simulated.calibrate([torch.from_numpy(x)])
    return simulated, integers(simulated), x


def steps(network: QuantisedNetwork, values: np.ndarray) -> np.ndarray:
    there = network.tensors[-1]
    return np.rint(values.astype(np.float64) / there.scale) + there.zero_point


@pytest.mark.parametrize("batch_norm", ["kept", "folded"])
@pytest.mark.parametrize("name", NETWORKS)
def test_simulation_and_integers_agree(name: str, batch_norm: str) -> None:
    """Measured: equal, but where a value lies within 2^-31 of the middle of two steps; one step is allowed."""
    network = lively(candidate(name).build(seed=1, batch_norm=batch_norm))
    simulated, quantised, x = calibrated(network)
    with torch.no_grad():
        found = simulated(torch.from_numpy(x)).numpy()
        exact = network(torch.from_numpy(x)).numpy()
    difference = np.abs(quantised.run(quantised.quantise(x)) - steps(quantised, found))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002
    assert np.abs(quantised.predict(x) - found).max() <= 1.01 * quantised.tensors[-1].scale
    assert found.shape == exact.shape
    # Int8 is close to what it stands for: within 3 % of the range, and closer on average.
    span = float(exact.max() - exact.min())
    assert np.abs(found - exact).max() < 0.03 * span
    assert np.abs(found - exact).mean() < 0.008 * span


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_is_plain_python_bit_for_bit(name: str) -> None:
    network = lively(candidate(name).build(seed=3, batch_norm="kept"))
    _, quantised, x = calibrated(network)
    # Far outside of what was calibrated, so that every clamp is met.
    for example in (x[0], 5 * x[1]):
        q = quantised.quantise(example[None])
        found = quantised.run(q)[0]
        scalar = run_scalar(quantised, q[0])
        assert np.array_equal(found.reshape(-1), [scalar[place] for place in sorted(scalar)])


@pytest.mark.parametrize("name", NETWORKS)
def test_without_rounding_the_kernels_are_the_network(name: str) -> None:
    network = lively(candidate(name).build(seed=1, batch_norm="kept"))
    x = torch.from_numpy(examples(network))
    found: list[torch.Tensor] = []
    simulated = FakeQuantised(network)
    simulated.register_forward_hook(lambda *given: found.append(given[2]))
    simulated.calibrate([x])  # in floating point
    with torch.no_grad():
        assert torch.allclose(found[0], network(x), atol=2e-5)


@pytest.mark.parametrize(
    "line",
    ["|conv~0|+|skip~0|pool~1|", "|none~0|+|none~0|none~1|", "|skip~0|+|none~0|skip~1|", "|pool~0|+|conv~0|conv~1|"],
)
def test_cells(line: str) -> None:
    network = lively(parse_candidate(cells(), line).build(seed=2))
    simulated, quantised, x = calibrated(network)
    with torch.no_grad():
        found = simulated(torch.from_numpy(x)).numpy()
    assert np.abs(quantised.run(quantised.quantise(x)) - steps(quantised, found)).max() <= 1


def test_every_operator_kind_is_met_or_refused_by_name() -> None:
    met = {op.kind for name in NETWORKS for layer in candidate(name).build().layers for op in layer.ops}  # type: ignore[union-attr]
    assert set(OPERATORS) - met == {"identity", "zeros", "scale"}  # those of cells
    space = read_space(CELLS)
    (variant,) = unroll(space)
    network = super_network(space, variant, {d.label: d.options for d in variant.decisions})
    with pytest.raises(CompressionError, match="`scale` has no int8 kernel"):
        kernels(network)


def test_saved_and_loaded(tmp_path: Path) -> None:
    _, quantised, x = calibrated(lively(candidate("squeeze").build(batch_norm="kept")))
    file = tmp_path / "network.safetensors"
    quantised.save(file)
    again = QuantisedNetwork.load(file)
    assert again.tensors == quantised.tensors
    assert (again.line, again.input_shape, again.nbytes) == (quantised.line, (3, 9, 7), quantised.nbytes)
    assert np.array_equal(again.run(again.quantise(x)), quantised.run(quantised.quantise(x)))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(FileError, match="cut off"):
        QuantisedNetwork.load(file)


def test_arrays_are_frozen_and_small() -> None:
    _, quantised, _ = calibrated(lively(candidate("ds_conv").build()))
    conv = quantised.ops[0]
    with pytest.raises(ValueError, match="read-only"):
        conv.weights[0] = 0
    assert [op.weights.dtype for op in quantised.ops if op.weights.size] == [np.int8] * 4
    weights, out = sum(op.weights.size for op in quantised.ops), sum(op.biases.size for op in quantised.ops)
    # A byte per weight; 4 + 5 per output channel; the average has a multiplier and a shift.
    assert quantised.nbytes == weights + 9 * out + 5


def test_dead_and_huge_channels() -> None:
    network = candidate("conv").build()
    first = network.layers[0].operators[0].conv  # type: ignore[union-attr, index]
    conv = next(m for m in first.modules() if isinstance(m, torch.nn.Conv2d))
    with torch.no_grad():
        conv.weight[0] = 0
        conv.weight[1] = 1e-30
        assert conv.bias is not None
        conv.bias[:] = torch.tensor([0.0, 3.0, -2.0, 0.5, 0.0])
    simulated, quantised, x = calibrated(network.eval())
    with torch.no_grad():
        found = simulated(torch.from_numpy(x)).numpy()
    assert np.abs(quantised.run(quantised.quantise(x)) - steps(quantised, found)).max() <= 1
    assert quantised.ops[0].biases.dtype == np.int32


def test_range_follows_and_stands_still() -> None:
    there = Range(momentum=0.5)
    there.train()(torch.tensor([-1.0, 3.0]))
    assert (there.low.item(), there.high.item()) == (-0.5, 1.5)
    there.eval()(torch.tensor([-9.0, 9.0]))
    assert (there.low.item(), there.high.item()) == (-0.5, 1.5)
    scale, zero = there.steps()
    assert scale.item() == pytest.approx(2 / 255)
    assert zero.item() == -128 + 64


TEXT = """
space: tiny
input: {channels: 1, height: 8, width: 6}
bias: true
network:
  - conv: {filters: 6, stride: 2}
  - ds_conv: {filters: 8}
  - global_avg_pool
  - linear: {units: 3}
"""


@pytest.fixture(scope="module")
def trained() -> tuple[Dataset, Network, float]:
    data = blobs()
    found = train(only(TEXT).build(seed=1, batch_norm="kept"), data, Recipe(lr=0.02, batch=16, epochs=6))
    assert isinstance(found.network, Network)
    return data, found.network, found.valid["accuracy"]


def test_after_training_the_accuracy_stays(trained: tuple[Dataset, Network, float]) -> None:
    data, network, accuracy = trained
    found = quantise_after_training(network, data, examples=64)
    assert accuracy > 0.9
    assert found.valid["accuracy"] > accuracy - 0.05
    assert found.training is None
    assert abs(found.valid["loss"] - evaluate(found.simulated, data.valid, "classification")["loss"]) < 1e-3


def test_training_with_rounding_mends_what_rounding_breaks(
    trained: tuple[Dataset, Network, float], tmp_path: Path
) -> None:
    data, network, accuracy = trained
    # One outlier among the examples for calibration spoils the range of every tensor.
    x = data.train.x.copy()
    x[0] *= 400
    spoilt = Dataset(data.task, Part(x, data.train.y), data.valid, data.test, data.classes)
    after = quantise_after_training(network, spoilt, examples=64)
    assert after.valid["accuracy"] < accuracy - 0.1
    recipe = Recipe(lr=0.02, batch=16, epochs=1)
    file = tmp_path / "qat.safetensors"
    mended = quantise_in_training(network, data, recipe, epochs=4, examples=1, checkpoint=file)
    assert mended.valid["accuracy"] > accuracy - 0.05
    assert mended.training
    assert len(mended.training.history) == 4
    # From the checkpoint the same integers come at once.
    again = quantise_in_training(network, data, recipe, epochs=4, examples=1, checkpoint=file)
    for op, same in zip(mended.network.ops, again.network.ops, strict=True):
        assert np.array_equal(op.weights, same.weights)
        assert np.array_equal(op.multipliers, same.multipliers)
    assert mended.network.tensors == again.network.tensors


def test_training_moves_weights_through_the_rounding(trained: tuple[Dataset, Network, float]) -> None:
    data, network, _ = trained
    simulated = FakeQuantised(network)
    simulated.calibrate([torch.from_numpy(data.train.x)])
    simulated.train()(torch.from_numpy(data.train.x[:8])).square().sum().backward()
    for name, parameter in simulated.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_no_example_is_refused(trained: tuple[Dataset, Network, float]) -> None:
    data, network, _ = trained
    with pytest.raises(CompressionError, match="`examples`"):
        quantise_after_training(network, data, examples=0)
