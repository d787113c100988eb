"""Pruning ends at the candidate, in shapes and costs; what is tied goes together; what does nothing goes first."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nascompile.compression import CompressionError, prune, quantise_after_training
from nascompile.compression.channels import channels_of
from nascompile.compression.fake_quant import FakeQuantised
from nascompile.compression.pruning import remove_channels
from nascompile.compression.slicing import importance
from nascompile.compression.unpruned import thin_graph, unpruned_graph
from nascompile.training import Recipe, TrainingError, evaluate, train
from spaces.language.reader import read_space
from spaces.operators import OPERATORS
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.program.lowering import lower_chain
from tests.compression.networks import lively, only
from tests.training.examples import blobs, same_weights

_WIDTH = '"round_to(16 * W * (1 - S), 4)"'
_HALF = '"round_to(8 * (1 - S), 2)"'

#: Two groups with a sparsity each, so that skips come and go with it; every way in which channels are tied.
_BLOCKS = {
    "residual": (
        f"residual: {{filters: {_WIDTH}, activation: hard_swish}}",
        f"inverted_residual: {{filters: {_WIDTH}, expansion: 2, squeeze: 2}}",
    ),
    "concat": (f"fire: {{squeeze: {_HALF}, expand: {_WIDTH}}}", f"sppf: {{filters: {_WIDTH}}}"),
    "mixed": (f"ds_conv: {{filters: {_WIDTH}, stride: 2}}", f"preact_residual: {{filters: {_WIDTH}}}"),
    "norms": ("norm: {}", f"convmixer: {{filters: {_WIDTH}, kernel: 3}}"),
}
_HEAD = """
space: {name}
input: {{channels: 1, height: 8, width: 6}}
dtype: int8
bias: true
choices:
  W: {{options: [0.5, 1], shared: true}}
  S: {{options: [0.1, 0.5, 0.75], shared: group}}
network:
  - conv: {{filters: "round_to(16 * W, 4)"}}
  - group: g1
    blocks: [{a}, {a}, {b}]
  - group: g2
    blocks: [{b}, {a}]
"""
_TAILS = (
    "  - global_avg_pool\n  - linear: {units: 3}\n",
    "  - max_pool: {padding: same}\n  - flatten\n  - linear: {units: 3}\n",
)

_SERIES = """
space: series
input: {channels: 2, length: 24}
bias: true
choices: {S: {options: [0.5, 0.75], shared: group}}
network:
  - group: g1
    blocks:
      - inception1d:
          {filters: "round_to(8 * (1 - S), 2)", kernel: 8, bottleneck: "round_to(8 * (1 - S), 2)", residual: true}
      - inception1d: {filters: "round_to(8 * (1 - S), 2)", kernel: 8, residual: true}
  - linear: {units: 3}
"""


@cache
def program(name: str, tail: int) -> Program:
    if name == "series":
        return compile_space(read_space(_SERIES))
    a, b = ("{" + block + "}" for block in _BLOCKS[name])
    return compile_space(read_space(_HEAD.format(name=name, a=a, b=b) + _TAILS[tail]))


def candidates(name: str, n: int) -> list[Candidate]:
    """Random ones."""
    rng = np.random.default_rng(len(name))
    found = []
    for k in range(n):
        there = program(name, k % 2)
        row = [rng.integers(len(d.options)) for d in there.variants[0].decisions]
        found.append(candidate_of(there, 0, row))
    return found


ALL = [*_BLOCKS, "series"]


@pytest.mark.parametrize("name", ALL)
def test_ends_at_the_candidate(name: str) -> None:
    for c in candidates(name, 6):
        wide, thin = unpruned_graph(c, "S"), thin_graph(c)
        ends = {f: len(n) for f, n in channels_of(thin).families.items()}
        _, network = remove_channels(wide, wide.build(seed=1), ends)
        built = c.build()
        built.load_state_dict(network.state_dict())  # strict
        assert sum(p.numel() for p in built.parameters()) == c.costs["params"]
        x = torch.randn(2, *c.program.space.input.dims)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            assert torch.equal(network.eval()(x), built.eval()(x))
        assert counter.get_total_flops() == 2 * 2 * 2 * c.costs["macs"]  # two networks, two examples, 2 per MAC


@pytest.mark.parametrize("name", ALL)
def test_the_unpruned_network_is_as_wide_as_without_sparsity(name: str) -> None:
    wider = 0
    for c in candidates(name, 6):
        wide, thin = unpruned_graph(c, "S"), thin_graph(c)
        for place, narrow in zip(wide.places, thin.places, strict=True):
            assert (place.op.kind, place.inputs) == (narrow.op.kind, narrow.inputs)
            assert place.op.out.channels >= narrow.op.out.channels
            assert place.op.out[1:] == narrow.op.out[1:] or place.op.kind == "flatten"
        network = wide.build()
        wider += sum(p.numel() for p in network.parameters()) > c.costs["params"]
        # The first layer of the first group has the width that a sparsity of 0 gives.
        if name == "residual":
            assert wide.places[1].op.out.channels == {0.5: 8, 1: 16}[float(c["W"])]
    assert wider >= 3  # some sparsities are lost in rounding


def test_skips_that_come_and_go_with_the_sparsity_are_met() -> None:
    """The candidate with its sparsities at 0 may have other operators: what is pruned has the candidate's."""
    others = 0
    for c in candidates("residual", 20):
        values = {**c.values, **dict.fromkeys((d.label for d in c.variant.decisions if d.choice == "S"), 0)}
        wide = [op.kind for step in lower_chain(c.program.space, c.variant, values) for op in step.ops]
        others += wide != [place.op.kind for place in thin_graph(c).places]
        remove_channels(graph := unpruned_graph(c, "S"), graph.build(), {})
    assert others >= 3


@pytest.mark.parametrize("batch_norm", ["kept", "folded"])
@pytest.mark.parametrize("name", ALL)
def test_channels_that_do_nothing_go_first_and_are_not_missed(name: str, batch_norm: str) -> None:
    """As many channels of each family as are to go, at random, get weights of 0: the output stays the same."""
    for c in candidates(name, 4):
        wide, thin = (f(c, batch_norm=batch_norm) for f in (lambda c, **k: unpruned_graph(c, "S", **k), thin_graph))
        network = lively(wide.build(seed=2))
        channels = channels_of(wide)
        ends = {f: len(n) for f, n in channels_of(thin).families.items()}
        rng = np.random.default_rng(0)
        idle = {
            int(number)
            for f, numbers in channels.families.items()
            for number in rng.choice(numbers, len(numbers) - ends[f], replace=False)
        }
        _silence(wide, channels.numbers, idle, network)
        x = torch.randn(3, *c.program.space.input.dims)
        _, smaller = remove_channels(wide, network, ends)
        with torch.no_grad():
            expected = network(x)
            assert torch.allclose(smaller.eval()(x), expected, atol=1e-5)
        assert expected.std() > 0.001


def _silence(graph, numbers, idle: set[int], network: nn.Module) -> None:
    """Weights of 0 to and from these channels, and shifts of 0."""
    operators = [operator for layer in network.layers for operator in layer.operators]  # type: ignore[union-attr]
    for k, (place, operator) in enumerate(zip(graph.places, operators, strict=True)):
        out = torch.tensor([int(n) in idle for n in numbers[k + 1]])
        read = numbers[place.inputs[0]]
        for module in operator.modules():
            if isinstance(module, nn.BatchNorm2d):
                with torch.no_grad():
                    module.bias[out] = 0
                    module.running_mean[out] = 0  # type: ignore[index]
            if isinstance(module, nn.Conv2d | nn.Linear):
                with torch.no_grad():
                    module.weight[out] = 0
                    if module.bias is not None:
                        module.bias[out] = 0
                    if place.op.groups == 1:
                        each = module.weight.shape[1] // len(read)
                        module.weight[:, torch.tensor([int(n) in idle for n in np.repeat(read, each)])] = 0


@pytest.mark.parametrize("name", ["residual", "mixed", "norms"])
def test_tied_as_torch_pruning_ties(name: str) -> None:
    """DepGraph traces the module by its gradients; here the operators are known. Both find the same filters."""
    tp = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")
    c = candidates(name, 2)[1]
    wide = unpruned_graph(c, "S")
    network = wide.build()
    channels = channels_of(wide)
    traced = tp.DependencyGraph().build_dependency(network, example_inputs=torch.randn(1, 1, 8, 6))
    layers = {}
    for k, operator in enumerate(o for layer in network.layers for o in layer.operators):  # type: ignore[union-attr]
        for module in operator.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                layers[module] = k
    compared = 0
    for module, k in layers.items():
        if not OPERATORS[wide.places[k].op.kind].produces or k == len(wide.places) - 1:
            continue
        for channel in (0, 3):
            prunes = tp.prune_conv_out_channels if isinstance(module, nn.Conv2d) else tp.prune_linear_out_channels
            theirs = {
                (layers[item.dep.target.module], int(i))
                for item in traced.get_pruning_group(module, prunes, [channel]).items
                if item.dep.target.module in layers and item.dep.handler.__name__.endswith("out_channels")
                for i in item.idxs
            }
            number = channels.numbers[k + 1][channel]
            ours = {(j, int(i)) for j in layers.values() for i in np.flatnonzero(channels.numbers[j + 1] == number)}
            assert ours == theirs
            compared += 1
    assert compared >= 6


def test_importance_is_the_norm_of_all_weights_of_a_channel() -> None:
    c = only(
        "space: two\ninput: {channels: 1, height: 4, width: 4}\nchoices: {S: {options: [0.5]}}\n"
        'network: [{conv: {filters: "round_to(4 * (1 - S), 2)"}}, {depthwise: {}}, {flatten: {}}, {linear: {units: 2}}]'
    )
    graph = unpruned_graph(c, "S")
    network = graph.build()
    channels = channels_of(graph)
    found = importance(graph, channels, network)
    conv, depthwise, linear = (m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    for i in range(4):
        parts = [conv[i].flatten(), depthwise[i].flatten(), linear[:, 16 * i : 16 * i + 16].flatten()]
        assert found[channels.numbers[1][i]] == pytest.approx(torch.cat(parts).norm().item(), rel=1e-6)


TINY = """
space: tiny
input: {channels: 1, height: 8, width: 6}
bias: true
choices:
  S: {options: [0.5, 0.75]}
network:
  - conv: {filters: "round_to(16 * (1 - S), 4)", stride: 2}
  - ds_conv: {filters: "round_to(16 * (1 - S), 4)"}
  - global_avg_pool
  - linear: {units: 3}
"""
RECIPE = Recipe(lr=0.02, batch=16, epochs=8)


def test_training_in_rounds_keeps_the_accuracy() -> None:
    data, c = blobs(), only(TINY)
    told: list[tuple[int, int]] = []
    found = prune(c, data, RECIPE, steps=2, progress=lambda k, e: told.append((k, e.number)))
    assert told == [(k, e) for k, epochs in enumerate((2, 2, 4)) for e in range(epochs)]
    assert [r.channels for r in found.rounds] == [32, 24, 16]
    assert sum(p.numel() for p in c.build().parameters()) == c.costs["params"]
    assert found.network.line == str(c)
    assert not found.network.training
    assert found.valid == evaluate(found.network, data.valid, "classification")
    assert found.unpruned["accuracy"] > 0.9
    assert found.valid["accuracy"] > 0.9
    assert found.rounds[1].before["loss"] != found.rounds[0].after["loss"]
    # What comes next: the pruned network in int8.
    assert quantise_after_training(found.network, data).valid["accuracy"] > 0.85
    assert len(FakeQuantised(found.network).kernels) == 5


def test_a_stopped_pruning_goes_on(tmp_path: Path) -> None:
    data, c = blobs(), only(TINY)
    whole = prune(c, data, RECIPE, steps=2)

    def stop(number: int, epoch: object) -> None:
        if number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(c, data, RECIPE, steps=2, checkpoints=tmp_path, progress=stop)
    told: list[int] = []
    again = prune(c, data, RECIPE, steps=2, checkpoints=tmp_path, progress=lambda k, e: told.append(k))
    assert told == [1, 2, 2, 2, 2]
    assert same_weights(again.network, whole.network)


def test_pruning_learns_more_than_the_first_weights_of_the_thin_network() -> None:
    """Inherited weights are weights that were trained: the same epochs without them are worse here."""
    data, c = blobs(), only(TINY)
    found = prune(c, data, RECIPE, steps=1)
    fresh = train(c.build(batch_norm="kept"), data, Recipe(lr=0.02, batch=16, epochs=1))
    assert found.rounds[1].before["loss"] < fresh.history[0].valid["loss"] * 2
    assert found.valid["loss"] < fresh.valid["loss"]


def test_what_cannot_be_pruned_is_one_clear_error() -> None:
    data, c = blobs(), only(TINY)
    with pytest.raises(CompressionError, match="no choice `Q`"):
        prune(c, data, RECIPE, sparsity="Q")
    with pytest.raises(CompressionError, match="steps of pruning in"):
        prune(c, data, Recipe(epochs=3), steps=3)
    with pytest.raises(TrainingError, match="diverged"):
        prune(c, data, Recipe(optimiser="sgd", lr=1e30, epochs=5), steps=1)
    words = only(TINY.replace("[0.5, 0.75]", "[0.5, 1.5]").replace("(1 - S)", "(2 - S)"))
    with pytest.raises(CompressionError, match="`S` is no sparsity"):
        unpruned_graph(words, "S")
    grown = only(TINY.replace("(1 - S)", "(1 + S)"))
    with pytest.raises(CompressionError, match="only ever narrow"):
        prune(grown, data, RECIPE)
    groups = TINY.replace("stride: 2}", 'stride: 2}\n  - conv: {filters: "round_to(16 * (1 - S), 4)", groups: 2}')
    with pytest.raises(CompressionError, match="2 groups cannot be pruned"):
        prune(only(groups), data, RECIPE)


def test_what_cannot_be_pruned_is_named() -> None:
    text = """
space: s
input: {channels: 4, height: 4, width: 4}
choices: {S: {options: [0.5]}}
network: [{conv: {filters: "round_to(16 * (1 - S), 4)"}}, {shuffle_unit: {filters: 8}}]
"""
    with pytest.raises(CompressionError, match="an operator `split` cannot be narrowed") as caught:
        unpruned_graph(only(text), "S")
    assert caught.value.diagnostics[0].code == "not-prunable"
