"""An ensemble shares passes, yields what each proxy yields alone, and leaves the network as it was."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from samplers.proxies.base import PROXIES, Proxy, ProxyError, Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.ensemble import evaluate
from samplers.proxies.naswot import agreements, log_determinant
from samplers.proxies.network import borrowed
from samplers.proxies.ranking import worst_last
from tests.samplers.reference_networks import CELL_284, CELL_13714, NasBench201, PlainC

SHARED = ("meco", "zico", "naswot", "snip", "grad_norm")
DISCONNECTED = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
DATA = Data.gaussian((3, 16, 16), classes=10, n=16, seed=0)


def shared(batch: int = 8) -> list[Proxy]:
    return [proxy("meco"), *(proxy(name, batch=batch) for name in SHARED[1:])]


class Noisy(nn.Module):
    """Random in training: dropout in two places, and a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.3))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def seeded(make: type[nn.Module] | str) -> nn.Module:
    torch.manual_seed(0)
    return NasBench201(make, channels=8) if isinstance(make, str) else make()


NETWORKS = {"nb201": CELL_13714, "nb201 small": CELL_284, "disconnected": DISCONNECTED, "plain": PlainC, "noisy": Noisy}


@pytest.mark.parametrize("name", NETWORKS)
def test_ensemble_equals_one_by_one(name: str) -> None:
    net = seeded(NETWORKS[name])
    together = evaluate(Subject(net), shared(), DATA, seed=3)
    assert together == {p.name: p.score(Subject(net), DATA, seed=3) for p in shared()}
    assert together == evaluate(Subject(net), shared()[::-1], DATA, seed=3)
    assert list(together) == list(SHARED)
    batch = proxy("meco", batch=8)
    assert evaluate(Subject(net), [*shared()[1:], batch], DATA, 3)["meco"] == batch.score(Subject(net), DATA, 3)
    assert isfinite(together["zico"])
    assert together["meco"] > 0


def test_noise_follows_the_seed_and_leaks_nowhere() -> None:
    net = Subject(seeded(Noisy))
    before = torch.get_rng_state()
    first, same, other = (evaluate(net, shared(), DATA, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert first == same
    assert first["snip"] != other["snip"]


def test_each_batch_has_its_own_noise() -> None:
    """Two equal batches: only dropout sets their gradients apart."""
    data = Data(DATA.images[:8].repeat(2, 1, 1, 1), DATA.labels[:8].repeat(2), "one batch twice")
    assert proxy("zico", batch=8).score(Subject(seeded(PlainC)), data) == 0
    assert proxy("zico", batch=8).score(Subject(seeded(Noisy)), data) > 0


@dataclass
class Passes:
    """Counts forward passes by batch size, those that keep a graph, and backward passes."""

    net: nn.Module

    def __post_init__(self) -> None:
        self.forward: Counter[int] = Counter()
        self.backward = self.graphs = 0
        self.net.register_forward_pre_hook(self._forward)
        self.net.register_full_backward_hook(self._backward)

    def _forward(self, net: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self.forward[len(inputs[0])] += 1
        self.graphs += torch.is_grad_enabled()

    def _backward(self, net: nn.Module, inputs: object, outputs: object) -> None:
        self.backward += 1


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_passes_are_shared() -> None:
    """Five proxies: one image forward, two batches forward and backward. Alone they take seven passes."""
    together, alone = (Passes(seeded(PlainC)) for _ in range(2))
    evaluate(Subject(together.net), shared(), DATA)
    assert (together.forward, together.graphs, together.backward) == ({1: 1, 8: 2}, 2, 2)
    for one in shared():
        one.score(Subject(alone.net), DATA)
    assert (alone.forward, alone.graphs, alone.backward) == ({1: 1, 8: 5}, 4, 4)


def test_meco_of_a_batch_costs_no_pass() -> None:
    passes = Passes(seeded(PlainC))
    evaluate(Subject(passes.net), [proxy("meco", batch=8), proxy("naswot", batch=8)], DATA)
    assert (passes.forward, passes.graphs, passes.backward) == ({8: 1}, 0, 0)


def state(net: nn.Module) -> dict[str, object]:
    """All that a proxy could change."""
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in net.modules()]
    parameters = {name: (p.requires_grad, id(p.grad), id(p)) for name, p in net.named_parameters()}
    tensors = {name: tensor.tolist() for name, tensor in net.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.tolist() for p in net.parameters()]
    return {"hooks": hooks, "modes": [m.training for m in net.modules()], "parameters": parameters,
            "tensors": tensors, "gradients": gradients}  # fmt: skip


def used(net: nn.Module) -> nn.Module:
    """In evaluation mode but for one module, with gradients, and a frozen layer."""
    net(DATA.images).sum().backward()
    net.eval()
    modules = list(net.modules())
    modules[-1].train()
    next(net.parameters()).requires_grad_(False).grad = None
    return net


@pytest.mark.parametrize("name", NETWORKS)
def test_network_comes_back_unchanged(name: str) -> None:
    net = used(seeded(NETWORKS[name]))
    before = state(net)
    evaluate(Subject(net), shared(), DATA)
    assert state(net) == before


def test_borrowed_network_gets_its_gradients_back() -> None:
    net = used(seeded(PlainC))
    before = state(net)
    with borrowed(net):
        net.zero_grad()
        net(DATA.images).square().sum().backward()
    assert state(net) == before


class Failing(nn.Module):
    """Runs so many times, then fails."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.net, self.times = seeded(Noisy), times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.net(x)
        self.times -= 1
        if self.times < 0:
            raise RuntimeError("out of order")
        return logits


@pytest.mark.parametrize("times", [1, 2, 3])
def test_network_comes_back_unchanged_after_an_error(times: int) -> None:
    """One forward pass is the preparation's."""
    net = used(Failing(times))
    before = state(net)
    with pytest.raises(ProxyError, match="out of order"):
        evaluate(Subject(net), shared(), DATA)
    assert state(net) == before


def test_frozen_weights_count() -> None:
    net = seeded(PlainC)
    expected = evaluate(Subject(net), shared(), DATA)
    assert evaluate(Subject(net.requires_grad_(False)), shared(), DATA) == expected


def test_scores_do_not_depend_on_mode_or_gradients() -> None:
    net = seeded(Noisy)
    expected = evaluate(Subject(net), shared(), DATA)
    with torch.no_grad():
        assert evaluate(Subject(net.eval()), shared(), DATA) == expected


# Degenerate networks.


def test_network_of_zeros() -> None:
    net = seeded(PlainC)
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    assert evaluate(Subject(net), shared(), DATA) == {"meco": 0, "zico": 0, "naswot": -inf, "snip": 0, "grad_norm": 0}


def test_disconnected_network() -> None:
    """Worse than a connected one by every proxy; MeCo still counts the stem."""
    broken, sound = (evaluate(Subject(seeded(cell)), shared(), DATA) for cell in (DISCONNECTED, CELL_284))
    assert broken["naswot"] == -inf
    assert all(broken[name] < sound[name] for name in SHARED)


@pytest.mark.parametrize("value", [nan, inf])
def test_weights_that_are_not_finite(value: float) -> None:
    net = seeded(CELL_284)
    nn.init.constant_(list(net.parameters())[-1], value)
    assert evaluate(Subject(net), shared(), DATA) == dict.fromkeys(SHARED, -inf)


def test_duplicate_images() -> None:
    """Equal codes: the determinant is 0, exactly, though the images differ in scale."""
    images = DATA.images.clone()
    images[5] = 2 * images[3]
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    data = Data(images, DATA.labels % 8, "duplicates")
    scores = evaluate(Subject(net), [*shared(), proxy("naswot", batch=8)], data)
    assert scores["naswot"] == -inf
    assert isfinite(evaluate(Subject(net), shared(), Data(DATA.images, DATA.labels % 8, "distinct"))["naswot"])


def test_one_image_on_a_map_of_one_pixel() -> None:
    """Where MeCo's image ends in one pixel, batch norm yields its bias: the network behind sees nothing else."""
    torch.manual_seed(0)
    norms = [nn.BatchNorm2d(8), nn.BatchNorm1d(8)]
    net = nn.Sequential(nn.Conv2d(3, 8, 16), norms[0], nn.Flatten(), norms[1], nn.Linear(8, 10))
    for norm in norms:
        nn.init.normal_(norm.bias)
    with borrowed(net), torch.no_grad():
        expected = net[4](norms[1].bias[None])
        torch.testing.assert_close(net(DATA.images[:1]), expected)
        assert not torch.allclose(net(DATA.images[:2])[:1], expected)
    assert evaluate(Subject(net), [proxy("meco")], DATA) == {"meco": 0}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_hard_swish_counts_as_on_where_its_input_is_positive() -> None:
    scores = []
    for activation in (nn.ReLU(), nn.Hardswish()):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
        scores.append(evaluate(Subject(net), [proxy("naswot", batch=8)], DATA)["naswot"])
    assert scores[0] == scores[1] > 0


def test_loss_that_depends_on_no_weight() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 10)

    scores = evaluate(Subject(Constant()), shared(), DATA)
    assert scores == {"meco": 0, "zico": 0, "naswot": -inf, "snip": 0, "grad_norm": 0}


# Agreements of codes.


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 2**32))
def test_agreements_are_counts(images: int, units: int, seed: int) -> None:
    activations = torch.randn(images, units, generator=torch.Generator().manual_seed(seed)).round(decimals=0)
    on = activations > 0
    expected = [[int((a == b).sum()) for b in on] for a in on]
    assert agreements(activations).tolist() == expected


def test_agreements_of_more_units_than_are_taken_at_once() -> None:
    """Exact beyond 2^24, where float32 no longer counts."""
    activations = torch.ones(1, 1).expand(1, (1 << 24) + 3)
    assert agreements(activations).tolist() == [[(1 << 24) + 3]]
    codes = torch.randn(3, 150_000, generator=torch.Generator().manual_seed(0)) > 0
    assert agreements(codes.float()).tolist() == [[int((a == b).sum()) for b in codes] for a in codes]


def test_log_determinant_of_a_large_singular_kernel() -> None:
    codes = torch.randn(128, 3000, generator=torch.Generator().manual_seed(0))
    assert isfinite(log_determinant(agreements(codes)))
    codes[77] = codes[11]
    assert log_determinant(agreements(codes)) == -inf


# Ranks.


@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.sampled_from([nan, inf, -inf]))), st.booleans())
def test_ranks(values: list[float], higher: bool) -> None:
    ranks = worst_last(values, "higher" if higher else "lower")
    for value, rank in zip(values, ranks.tolist(), strict=True):
        finite = [v for v in values if isfinite(v)]
        better = finite if not isfinite(value) else [v for v in finite if (v > value if higher else v < value)]
        assert rank == len(better)


# Mistakes.


def test_unknown_names() -> None:
    with pytest.raises(ProxyError, match="did you mean `naswot`"):
        evaluate(Subject(seeded(PlainC)), ["naswt"], DATA)
    with pytest.raises(ProxyError, match=r"`naswot` has no option `bach`.*\n.*did you mean `batch`"):
        proxy("naswot", bach=3)


def test_options_that_count_too_little() -> None:
    for name, option, value in (("snip", "batch", 0), ("zico", "batches", 1), ("meco", "channels", -4)):
        with pytest.raises(ProxyError, match=f"`{name}` cannot have {option} = {value}"):
            proxy(name, **{option: value})


def test_what_is_missing() -> None:
    with pytest.raises(ProxyError, match="`meco` scores a network"):
        evaluate(Subject(), ["meco"], DATA)
    with pytest.raises(ProxyError, match="`zico` needs 256 examples, and got 16"):
        evaluate(Subject(seeded(PlainC)), SHARED, DATA)
    with pytest.raises(ProxyError, match="`snip` needs 128 examples, and got 0"):
        evaluate(Subject(seeded(PlainC)), ["snip"])


def test_two_sets_of_options() -> None:
    with pytest.raises(ProxyError, match="`naswot` is wanted with two sets of options"):
        evaluate(Subject(seeded(PlainC)), ["naswot", proxy("naswot", quirk=True)], DATA)
    assert evaluate(Subject(seeded(PlainC)), ["meco", "meco"], DATA).keys() == {"meco"}


def test_data_that_do_not_fit() -> None:
    net = Subject(seeded(PlainC))
    with pytest.raises(ProxyError, match="cannot run on images of 1x1x16x16"):
        evaluate(net, ["meco"], Data.gaussian((1, 16, 16), 10, 1))
    with pytest.raises(ProxyError, match="is none of the network's 10 classes"):
        evaluate(net, shared(), Data.gaussian((3, 16, 16), 30, 16))
    with pytest.raises(ProxyError, match="the network yields 1x3x16x16"):
        evaluate(Subject(nn.Identity()), ["meco"], DATA)
    with pytest.raises(ProxyError, match="yields tuple"):
        evaluate(Subject(nn.LSTM(16, 4)), ["meco"], Data.gaussian((3, 16), 4, 1))


def test_every_shared_proxy_is_described() -> None:
    for one in shared():
        assert one.name in PROXIES
        assert one.better == "higher"
        assert one.worst == -inf
        assert all((one.cost, one.randomness, one.degenerate, one.reference))
        assert not isnan(one.score(Subject(copy.deepcopy(seeded(PlainC))), DATA))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    """The same scores there, up to rounding, from data that stay on the CPU."""
    net = seeded(CELL_13714)
    here = evaluate(Subject(net), shared(), DATA)
    there = evaluate(Subject(net.cuda()), shared(), DATA)
    assert np.allclose(list(here.values()), list(there.values()), rtol=2e-3)
    assert there == {p.name: p.score(Subject(net), DATA) for p in shared()}
