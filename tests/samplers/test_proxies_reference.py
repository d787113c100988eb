"""Proxies equal the values that the authors' code yields on three networks, and slow implementations on others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from samplers.proxies.base import Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.meco import correlations, smallest_eigenvalue_sum
from samplers.proxies.network import weighted_layers
from samplers.proxies.passes import merged
from tests.samplers.reference_networks import CELL_284, FOLDER, NETWORKS, NasBench201, reference_network

needs_references = pytest.mark.skipif(not FOLDER.exists(), reason=f"the reference values are not at {FOLDER}")

# Reference -> proxy, its options, and the relative tolerance in float32.
CASES: dict[str, tuple[str, dict[str, Any], float]] = {
    "meco": ("meco", {}, 1e-5),
    "meco_batch_first": ("meco", {"batch": 32}, 1e-5),
    "zico": ("zico", {"batch": 16}, 2e-3),
    "naswot_relu_only": ("naswot", {"batch": 32}, 1e-5),
    "naswot": ("naswot", {"batch": 32, "quirk": True}, 1e-5),
    "snip": ("snip", {"batch": 32}, 1e-5),
    "grad_norm": ("grad_norm", {"batch": 32}, 1e-5),
}


@pytest.fixture(scope="module")
def batch() -> Data:
    return Data.gaussian((3, 32, 32), classes=10, n=32, seed=1234)


@pytest.fixture(scope="module")
def references() -> dict[str, Any]:
    return json.loads((FOLDER / "reference_values.json").read_text())["networks"]


@needs_references
def test_gaussian_data_are_the_reference_batch(batch: Data) -> None:
    with np.load(FOLDER / "batch.npz") as arrays:
        assert np.array_equal(batch.images.numpy(), arrays["x"])
        assert np.array_equal(batch.labels.numpy(), arrays["y"])


@needs_references
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("case", CASES)
def test_reference_values(network: str, case: str, batch: Data, references: dict[str, Any]) -> None:
    """In float32 within the authors' rounding, also of the float64 values; in float64 to 1e-6."""
    name, options, tolerance = CASES[case]
    single, double = (references[network][precision][case]["value"] for precision in ("fp32", "fp64"))
    indicator = proxy(name, **options)
    net = reference_network(network)
    assert indicator.score(Subject(net), batch) == pytest.approx(single, rel=tolerance)
    assert indicator.score(Subject(net), batch) == pytest.approx(double, rel=tolerance)
    assert indicator.score(Subject(net.double()), batch) == pytest.approx(double, rel=1e-6)


@needs_references
def test_meco_of_a_larger_image(references: dict[str, Any]) -> None:
    with np.load(FOLDER / "batch.npz") as arrays:
        data = Data(torch.from_numpy(arrays["x64"]), torch.zeros(1, dtype=torch.int64), "reference")
    for network in NETWORKS.keys() - {"plainC"}:
        expected = references[network]["fp32"]["meco_rand64"]["value"]
        assert proxy("meco").score(Subject(reference_network(network)), data) == pytest.approx(expected, rel=1e-5)


class Mixed(nn.Module):
    """Containers that hand on their child's output, in-place rectifiers, a block called twice, a reused feature."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU6(inplace=True))
        self.again = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.ReLU())
        self.wide = nn.Conv2d(6, 70, 1)
        self.skip = nn.Identity()
        self.unused = nn.Linear(4, 4)
        self.head = nn.Sequential(nn.Dropout(0.0), nn.Linear(70, 9), nn.ReLU(inplace=True), nn.Linear(9, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.skip(self.first(x))
        x = self.again(self.again(x) + x)
        return self.head(self.wide(x).mean(dim=(2, 3)))


def networks() -> list[nn.Module]:
    torch.manual_seed(3)
    return [Mixed().double(), NasBench201(CELL_284, channels=4, classes=5).double(), NETWORKS["plainA"]().double()]


DATA = Data.gaussian((3, 8, 8), classes=5, n=12, seed=5)


@pytest.mark.filterwarnings("ignore:cov..:UserWarning")
@pytest.mark.parametrize("channels", [None, 4])
@pytest.mark.parametrize("net", networks(), ids=lambda net: type(net).__name__)
def test_meco_equals_its_definition(net: nn.Module, channels: int | None) -> None:
    """Correlations and general eigenvalues of every module call, none skipped, none shared."""
    terms: list[float] = []
    generator = torch.Generator().manual_seed(2)

    def see(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        features = output[0].detach().reshape(output.shape[1], -1)
        factor = 1.0
        if channels is not None and len(features) > channels:
            factor = len(features) / channels
            features = features[torch.randperm(len(features), generator=generator)[:channels]]
        correlated = torch.corrcoef(features).nan_to_num(0, 0, 0).reshape(len(features), -1)
        terms.append(factor * torch.linalg.eigvals(correlated).real.min().item())

    score = proxy("meco", channels=channels).score(Subject(net), DATA, seed=2)
    for module in net.modules():
        module.register_forward_hook(see)
    net.train()(DATA.images[:1].double())
    assert len(terms) > 9
    assert score == pytest.approx(sum(terms), rel=1e-9)
    assert score > 0


@pytest.mark.parametrize("net", networks(), ids=lambda net: type(net).__name__)
def test_naswot_equals_its_definition(net: nn.Module) -> None:
    """K = sum of x x^T + (1 - x)(1 - x)^T over rectifiers, of inputs seen after the fact."""
    kernel = np.zeros((12, 12))

    def see(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        x = (output.detach().flatten(1) > 0).numpy().astype(float)
        nonlocal kernel
        kernel = kernel + x @ x.T + (1 - x) @ (1 - x).T

    score = proxy("naswot", batch=12).score(Subject(net), DATA)
    for module in net.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.register_forward_hook(see)
    net.train()(DATA.images.double())
    assert score == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)


@pytest.mark.parametrize("batches", [2, 3])
@pytest.mark.parametrize("net", networks(), ids=lambda net: type(net).__name__)
def test_gradient_proxies_equal_their_definitions(net: nn.Module, batches: int) -> None:
    """With `backward` and numpy, as the authors' codes have it."""
    gradients, size = [], 12 // batches
    layers = [layer.weight for layer in weighted_layers(net) if layer is not getattr(net, "unused", None)]
    for i in range(0, 12, size):
        net.zero_grad()
        logits = net.train()(DATA.images[i : i + size].double())
        functional.cross_entropy(logits, DATA.labels[i : i + size]).backward()
        gradients.append([weight.grad.numpy().copy() for weight in layers if weight.grad is not None])
    weights = [weight.detach().numpy() for weight in layers]
    zico = 0.0
    for layer in zip(*gradients, strict=True):
        deviation, mean = np.std(layer, axis=0), np.mean(np.abs(layer), axis=0)
        zico += np.log(np.sum(mean[deviation > 0] / deviation[deviation > 0]))
    subject = Subject(net)
    first = gradients[0]
    assert proxy("zico", batch=size, batches=batches).score(subject, DATA) == pytest.approx(zico, rel=1e-9)
    snip = sum(np.abs(w * g).sum() for w, g in zip(weights, first, strict=True))
    assert proxy("snip", batch=size).score(subject, DATA) == pytest.approx(snip, rel=1e-9)
    assert proxy("grad_norm", batch=size).score(subject, DATA) == pytest.approx(sum(map(np.linalg.norm, first)))


def test_meco_opt_scales_sampled_channels() -> None:
    """Uncorrelated channels: each term is 1 times c/n; a sample as large as the map is the map."""
    convolution = nn.Conv2d(16, 16, 1, bias=False)
    nn.init.dirac_(convolution.weight)
    net = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    # Orthogonal to each other and to the constant, so uncorrelated.
    noise = torch.randn(36, 16, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(torch.cat([torch.ones(36, 1), noise], dim=1)).Q[:, 1:]
    data = Data(basis.T.reshape(1, 16, 6, 6).contiguous(), torch.zeros(1, dtype=torch.int64), "orthogonal")
    subject = Subject(net)
    assert proxy("meco").score(subject, data) == pytest.approx(1, rel=1e-5)
    assert proxy("meco", channels=4).score(subject, data) == pytest.approx(4, rel=1e-5)
    assert proxy("meco", channels=16).score(subject, data) == proxy("meco").score(subject, data)


def test_meco_opt_follows_the_seed() -> None:
    subject = Subject(NETWORKS["plainA"]())
    sampled = [proxy("meco", channels=4).score(subject, DATA, seed) for seed in (0, 0, 1)]
    assert sampled[0] == sampled[1] != sampled[2]


@pytest.mark.parametrize("samples", [7, 8, 9, 10, 30])
def test_fewer_samples_than_channels_are_not_decomposed(samples: int) -> None:
    """8 channels: the smallest eigenvalue is 0 up to 8 samples, and from 9 on it is not."""
    features = torch.randn(8, samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    smallest = torch.linalg.eigvalsh(torch.corrcoef(features))[0].item()
    assert (smallest > 1e-6) == (samples > 8)
    assert smallest_eigenvalue_sum([correlations(features)], [1.0]) == pytest.approx(smallest, abs=1e-12)


def test_no_matrices() -> None:
    assert smallest_eigenvalue_sum([], []) == 0
    assert merged([]) == []
