"""Proxies that run on their own: equal to the authors' codes, side-effect free, and sane on degenerate networks."""

from __future__ import annotations

import json
from math import inf, isfinite, log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from samplers.proxies.base import PROXIES, Proxy, ProxyError, Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.grasp import grasp
from samplers.proxies.initialisation import kaiming_normal_
from samplers.proxies.ntk import condition_number, ntk_eigenvalues
from samplers.proxies.regions import crops, linear_regions
from samplers.proxies.repeated_backward import ChannelsLast
from samplers.proxies.synflow import log_synflow
from samplers.proxies.zen import zen_of_inputs
from spaces.language.reader import load_space
from spaces.program.candidate import parse_candidate
from spaces.program.compile import compile_space
from tests.samplers.reference_networks import CELL_11, FOLDER, NETWORKS, NasBench201, PlainA, reference_network
from tests.samplers.supernetwork import SuperNetwork, one_hot

shared = pytest.mark.skipif(not FOLDER.exists(), reason="needs the reference data of ../shared/data/proxies")
networks = pytest.mark.parametrize("name", NETWORKS)
PRECISIONS = {"fp32": torch.float32, "fp64": torch.float64}
precisions = pytest.mark.parametrize("precision", PRECISIONS)
NETWORK_PROXIES = ("synflow", "grasp", "zen", "ntk", "regions")


def reference(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "reference_values.json").read_text())["networks"][name]


def arrays(file: str) -> dict[str, torch.Tensor]:
    with np.load(FOLDER / file) as found:
        return {key: torch.from_numpy(found[key]) for key in found}


def small(name: str, **options: Any) -> Proxy:
    """The proxy, with options that make it fast."""
    fast = {"synflow": {}, "grasp": {"batch": 8}, "zen": {"batch": 4}, "ntk": {"batch": 6, "repeats": 1}}
    return proxy(name, **fast.get(name, {"batch": 20, "batches": 2, "repeats": 1, "size": 4}), **options)


@pytest.fixture
def data() -> Data:
    return Data.gaussian((3, 8, 8), classes=10, n=12, seed=3)


# The authors' values


@shared
@networks
def test_synflow_is_the_authors(name: str) -> None:
    expected = reference(name)["fp64"]["synflow"]["value"]
    assert log_synflow(reference_network(name), (3, 32, 32)) == pytest.approx(log(expected), rel=1e-11)
    found = proxy("synflow").score(Subject(reference_network(name)), Data.gaussian((3, 32, 32), 10, n=1))
    assert found == pytest.approx(log(expected), rel=1e-9)


@shared
@networks
@precisions
def test_grasp_is_the_authors(name: str, precision: str) -> None:
    batch, dtype = arrays("batch.npz"), PRECISIONS[precision]
    found = grasp(reference_network(name).to(dtype), batch["x"].to(dtype), batch["y"])
    tolerance = 1e-4 if precision == "fp32" else 1e-6
    assert found == pytest.approx(reference(name)[precision]["grasp"]["value"], rel=tolerance)


@shared
@networks
def test_zen_is_the_authors(name: str) -> None:
    found = arrays(f"{name}_zen.npz")
    net = NETWORKS[name]()
    net.load_state_dict({key: value for key, value in found.items() if not key.startswith("__")})
    score = zen_of_inputs(net, found["__input"], found["__input2"], gamma=0.01)
    assert score == pytest.approx(reference(name)["zen"]["value"], rel=1e-5)


@shared
@networks
@precisions
@pytest.mark.parametrize("train", [True, False])
def test_ntk_is_the_authors(name: str, precision: str, train: bool) -> None:
    if (name, precision, train) == ("nb201_idx11", "fp64", False):
        pytest.skip("takes long, and float32 is tested")
    dtype = PRECISIONS[precision]
    values = ntk_eigenvalues(reference_network(name).to(dtype), arrays("batch.npz")["x"].to(dtype), train)
    expected = reference(name)["fp64"]["ntk_train" if train else "ntk_eval"]["K_i"]
    tolerance = 1e-6 if precision == "fp64" else 1e-4 if train else 1e-2
    assert {i: condition_number(values, int(i)) for i in expected} == pytest.approx(expected, rel=tolerance)


@shared
@pytest.mark.parametrize("seed", range(3))
def test_te_nas_protocol_is_reproduced_from_its_seeds(seed: int) -> None:
    protocol = reference("nb201_idx11")["tenas_protocol"]
    expected = protocol["ntk_C3_N1_b32"]["K_0..3_repeats"][seed]
    values = ntk_eigenvalues(seeded(SuperNetwork, seed, "fan_out"), arrays("batch.npz")["x"])
    assert [condition_number(values, i) for i in range(4)] == pytest.approx(expected, rel=1e-4)
    thin = arrays("nb201_idx11_thin.npz")
    inputs = [thin[f"__b{k}"] for k in range(3)]
    net = seeded(lambda: SuperNetwork(1, thin=True), seed, "fan_in")
    assert linear_regions(net, inputs) == protocol["regions_thin"]["repeats"][seed]


def seeded(make: Any, seed: int, mode: Any) -> nn.Module:
    """A super-network of cell 11, made and initialised from one stream of random numbers as TE-NAS does."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = make()
        generator = torch.Generator()
        generator.set_state(torch.get_rng_state())
    net.arch_parameters.data.copy_(one_hot(CELL_11))
    kaiming_normal_(net, mode, generator)
    return net


@shared
def test_regions_of_shipped_weights() -> None:
    thin = arrays("nb201_idx11_thin.npz")
    net = SuperNetwork(1, thin=True)
    net.load_state_dict({key: value for key, value in thin.items() if not key.startswith("__")})
    assert linear_regions(net, [thin[f"__b{k}"] for k in range(3)]) == 2552


@shared
@pytest.mark.parametrize("name", ["plainA", "plainC"])
def test_regions_are_the_authors(name: str) -> None:
    inputs = list(arrays(f"{name}_lr.npz").values())
    assert linear_regions(reference_network(name), inputs, train=False) == reference(name)["regions_small"]["value"]


# Fast ways equal slow ways


def slow_kernel(net: nn.Module, images: torch.Tensor) -> np.ndarray:
    """The eigenvalues by the definition: one plain backward pass per image."""
    weights = [p for name, p in net.named_parameters() if "weight" in name]
    rows = []
    for i in range(len(images)):
        found = torch.autograd.grad(net(images)[i].sum(), weights, allow_unused=True)
        rows.append(torch.cat([g.flatten() for g in found if g is not None]))
    jacobian = torch.stack(rows)
    return torch.linalg.eigvalsh(jacobian @ jacobian.T).flip(0).numpy()


@st.composite
def random_networks(draw: st.DrawFn) -> nn.Module:
    channels, layers = 3, []
    for _ in range(draw(st.integers(1, 4))):
        width = draw(st.integers(1, 5))
        kernel = draw(st.sampled_from([1, 3]))
        groups = channels if draw(st.booleans()) and width % channels == 0 else 1
        layers.append(nn.Conv2d(channels, width, kernel, draw(st.integers(1, 2)), kernel // 2, groups=groups))
        if draw(st.booleans()):
            layers.append(nn.BatchNorm2d(width, affine=draw(st.booleans()), eps=draw(st.sampled_from([1e-5, 1e-1]))))
        layers.append(nn.ReLU(inplace=draw(st.booleans())))
        if draw(st.booleans()):
            layers.append(nn.AvgPool2d(3, draw(st.integers(1, 2)), 1, count_include_pad=draw(st.booleans())))
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


@settings(max_examples=30)
@given(random_networks(), st.integers(0, 99))
def test_ntk_equals_one_plain_backward_per_image(net: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    net = net.double()
    kaiming_normal_(net, "fan_in", generator)
    images = torch.randn(5, 3, 9, 8, generator=generator, dtype=torch.float64)
    expected = slow_kernel(net, images)
    assert ntk_eigenvalues(net, images) == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(expected[0], 1e-300))


def test_ntk_of_a_super_network_is_as_precise_as_the_plain_layout() -> None:
    net = SuperNetwork(3)
    kaiming_normal_(net, "fan_out", torch.Generator().manual_seed(1))
    images = Data.gaussian((3, 16, 16), 10, n=6).images
    found, plain = ntk_eigenvalues(net, images), slow_kernel(net, images)
    exact = slow_kernel(net.double(), images.double())
    assert plain == pytest.approx(exact, rel=1e-4)
    assert found == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.AvgPool2d(3, 1, 1),
        nn.AvgPool2d(2, 1),
        nn.AvgPool2d((3, 3), (1, 1), (1, 1), count_include_pad=False),
        nn.AvgPool2d(3, 1, 1, divisor_override=5),
        nn.AvgPool2d((3, 2), 1),
        nn.AvgPool2d(3),
        nn.AvgPool2d(3, 1, ceil_mode=True),
    ],
)
def test_pools_and_norms_differentiate_alike(pool: nn.Module) -> None:
    x = torch.randn(3, 2, 7, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    net = nn.Sequential(nn.BatchNorm2d(2), pool).double()
    nn.init.uniform_(net[0].weight)
    nn.init.uniform_(net[0].bias)
    expected, sources = net(x), [x, net[0].weight, net[0].bias]
    with ChannelsLast():
        found = net(x)
    assert torch.allclose(found, expected)
    slope = torch.randn_like(expected)
    pairs = zip(*(torch.autograd.grad(y, sources, slope) for y in (found, expected)), strict=True)
    assert all(torch.allclose(a, b) for a, b in pairs)


def test_networks_that_flatten_with_view_run() -> None:
    class Viewing(PlainA):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.features(x)
            return self.fc(x.view(len(x), 16, -1).mean(2))

    net, images = Viewing().double(), torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert ntk_eigenvalues(net, images) == pytest.approx(slow_kernel(net, images))


def test_regions_are_distinct_rows_of_all_batches_together() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Conv2d(2, 1, 1), nn.ReLU())
    x = torch.randn(300, 1, 3, 3)
    first = net[1](net[0](x))
    signs = torch.cat([(y > 0).flatten(1) for y in (first, net[3](net[2](first)))], dim=1)
    # TE-NAS's own sum: each input counts one over the number of inputs that share its pattern.
    same = (signs[:, None] == signs[None]).all(2).sum(1)
    expected = round(float((1 / same).sum()))
    assert 1 < expected < 300
    assert linear_regions(net, x) == linear_regions(net, x.split(7)) == linear_regions(net, (b for b in x.split(100)))
    assert linear_regions(net, x) == expected


# Manners


@pytest.mark.parametrize("name", NETWORK_PROXIES)
def test_the_network_is_left_as_it_was(name: str, data: Data) -> None:
    net = NasBench201(CELL_11, channels=4)
    net.cells[0].eval()
    net.stem[0].weight.requires_grad_(False)
    net.classifier.bias.grad = torch.ones(10)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    state = torch.get_rng_state()
    assert isfinite(small(name).score(Subject(net), data))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert not net.stem[0].weight.requires_grad
    assert torch.equal(net.classifier.bias.grad, torch.ones(10))
    assert [n for n, p in net.named_parameters() if p.grad is not None] == ["classifier.bias"]
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in net.modules())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NETWORK_PROXIES)
def test_the_seed_decides(name: str, data: Data) -> None:
    net = NasBench201(CELL_11, channels=4)
    scores = [small(name).score(Subject(net), data, seed) for seed in (1, 1, 2)]
    assert scores[0] == scores[1]
    assert (scores[0] == scores[2]) == (name in ("synflow", "grasp"))


@pytest.mark.parametrize("name", NETWORK_PROXIES)
def test_what_is_missing_is_said(name: str) -> None:
    with pytest.raises(ProxyError, match="scores a network, and got none"):
        small(name).score(Subject())
    with pytest.raises(ProxyError, match="needs"):
        small(name).score(Subject(PlainA()))
    with pytest.raises(ProxyError, match="cannot run on images of"):
        small(name).score(Subject(nn.Linear(5, 10)), Data.gaussian((3, 8, 8), 10, n=12))


# Degenerate networks


class Disconnected(nn.Module):
    """Its logits depend on neither the input nor the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.relu(self.convolution(x)) * 0.0).flatten(1))


class Exploding(Disconnected):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.relu(self.convolution(x)) / 0.0).flatten(1))


DISCONNECTED = {"synflow": -inf, "grasp": 0.0, "zen": -inf, "ntk": inf}


@pytest.mark.parametrize("name", DISCONNECTED)
def test_disconnected_networks_score_as_documented(name: str, data: Data) -> None:
    assert small(name).score(Subject(Disconnected()), data) == DISCONNECTED[name]


@pytest.mark.parametrize("name", ["grasp", "zen", "ntk"])
def test_networks_that_overflow_score_worst(name: str, data: Data) -> None:
    chosen = small(name)
    assert chosen.score(Subject(Exploding()), data) == chosen.worst


def test_all_zero_networks(data: Data) -> None:
    net = PlainA()
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    assert log_synflow(net, (3, 8, 8)) == -inf
    assert grasp(net, data.images, data.labels) == 0
    assert linear_regions(net, data.images) == 1
    assert condition_number(ntk_eigenvalues(net, data.images)) == inf


def test_networks_without_weights() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.randn(3, 2, 4, 4)
    assert log_synflow(net, (2, 4, 4)) == -inf
    assert grasp(net, images, torch.tensor([0, 1, 0])) == 0
    assert ntk_eigenvalues(net, images).tolist() == [0, 0, 0]


def test_images_that_repeat_make_the_kernel_singular() -> None:
    values = ntk_eigenvalues(PlainA(), torch.randn(1, 3, 8, 8).expand(4, -1, -1, -1))
    assert condition_number(values) == inf


def test_condition_number_indexes_from_the_smallest() -> None:
    values = np.array([12.0, 6.0, 3.0, 1.0])
    assert [condition_number(values, i) for i in range(4)] == [12, 4, 2, 1]
    assert condition_number(np.array([1.0, 2.0**-23])) == inf
    assert condition_number(np.array([1.0, -1e-9])) == inf
    assert condition_number(np.full(3, np.nan)) == inf
    for i in (-1, 4):
        with pytest.raises(ProxyError, match="eigenvalues"):
            condition_number(values, i)


def test_regions_need_relu_modules_on_feature_maps() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(144, 4), nn.ReLU())
    with pytest.raises(ProxyError, match=r"no `nn.ReLU` on feature maps"):
        linear_regions(net, torch.randn(2, 3, 8, 8))


def test_crops_are_windows_of_the_images() -> None:
    images = torch.arange(2 * 3 * 5 * 6.0).reshape(2, 3, 5, 6)
    windows = {w.numpy().tobytes() for w in images.unfold(2, 3, 1).unfold(3, 3, 1).reshape(-1, 3, 3)}
    found = crops(images, 2000, 3, 1, torch.Generator().manual_seed(0))
    assert {w.numpy().tobytes() for w in found.reshape(-1, 3, 3)} == windows
    assert torch.equal(crops(images[:1, :, :, 1:], 2, 5, None, torch.Generator()), images[[0, 0], :, :, 1:])
    with pytest.raises(ProxyError, match="cuts any channels of 9x9"):
        proxy("regions", size=9).score(Subject(PlainA()), Data.gaussian((3, 8, 8), 10, n=2))


# Interface


@pytest.mark.parametrize("name", PROXIES)
def test_every_proxy_describes_itself(name: str) -> None:
    found = proxy(name)
    assert found.name == name
    assert all((found.cost, found.randomness, found.degenerate, found.reference))


def test_shape_comes_from_the_candidate_where_there_are_no_data() -> None:
    candidate = parse_candidate(compile_space(load_space("dscnn")), "dscnn/6: 84-112-84-84-84-196")
    shape = tuple(candidate.program.space.input.shape)
    net = nn.Sequential(nn.Conv2d(shape[0], 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with_data = Data.gaussian(shape, 2, n=1)
    for name in ("synflow", "zen"):
        assert small(name).score(Subject(net, candidate)) == small(name).score(Subject(net), with_data)
