"""One-shot search: what networks share, and what is made of it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from samplers.oneshot.judge import Judge, Recipe
from samplers.oneshot.sampler import OneShotSampler
from samplers.oneshot.search import OneShotSearch
from samplers.oneshot.super_network import SuperNetwork
from samplers.proxies.data import Data
from samplers.testing import SamplerConformance, TrainingFreeConformance, example_set
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError, FileError
from spaces.language.reader import read_space
from spaces.operators import OPERATORS
from spaces.program.breakdown import outputs
from spaces.program.candidate import Candidate, candidate_of, parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Program

#: Of whatever differs in size: channels behind concatenations, splits and flattenings, kernels, strides and depth.
MIXED = """\
space: mixed
input: {channels: 3, height: 12, width: 12}
bias: true
choices:
  M: [4, 6, 8]
  K: [1, 3, 5]
  G: [1, 2]
  T: [1, 2]
  D: {options: [1, 2], shared: group}
  P: {options: [1, 3], shared: group}
network:
  - conv: {filters: M, kernel: K, stride: T}
  - conv: {filters: 2 * M, groups: G}
  - group: g
    depth: D
    blocks:
      - inverted_residual: {filters: 4 * P, expansion: P, kernel: P, squeeze: 2}
      - residual: {filters: 4 * P, kernel: P, stride: 2}
  - fire: {squeeze: M, expand: M}
    repeat: [1, 2]
  - shuffle_unit: {filters: 2 * M}
  - ds_conv: {filters: M, kernel: K}
  - flatten
  - linear: {units: 2 * M}
  - linear: {units: 3}
"""
CHAIN = """\
space: chain
input: {channels: 2, height: 9, width: 9}
choices:
  M: [3, 4, 8]
  K: [1, 3, 5]
  T: [1, 2]
network:
  - conv: {filters: M, kernel: K, stride: T}
  - ds_conv: {filters: M, kernel: K, stride: T}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: 5}
"""
CELLS = """\
space: cells
input: {channels: 4, height: 4, width: 4}
cells:
  c:
    nodes: 3
    operators:
      none: zero
      skip: identity
      a: [{conv: {filters: channels}}]
      b: [{conv: {filters: channels, kernel: 1}}, {conv: {filters: channels}}]
network: [{cell: c, repeat: 2}, flatten, {linear: {units: 3}}]
"""
FOLLOWED = """\
space: followed
input: {channels: 2, height: 4, width: 4}
choices: {S: [2, 4], M: [2, 4, 6], U: [4, 8]}
network:
  - fire: {squeeze: S, expand: M}
  - flatten
  - linear: {units: 3}
  - linear: {units: U}
"""


def program_of(text: str) -> Program:
    return compile_space(read_space(text), tables=False)


def drawn(program: Program, n: int) -> list[Candidate]:
    source, result = random.Random(0), []
    while len(result) < n:
        position = source.randrange(len(program.variants))
        row = [source.randrange(len(d.options)) for d in program.variants[position].decisions]
        result.append(candidate_of(program, position, row))
    return result


def noise(fs: AnySet, n: int = 15) -> Data:
    """Examples for a set, with what tells classes apart."""
    first = candidate_of(fs.program, 0, [0] * len(fs.program.variants[0].decisions))
    data = Data.gaussian(fs.program.space.input.dims, outputs(first), n)
    images = data.images + data.labels.reshape(-1, *[1] * (data.images.ndim - 1)) / 4
    return Data(images, data.labels, "made")


def plain_copy(shared: SuperNetwork, candidate: Candidate) -> nn.Module:
    """A chain's own module with first channels and centres, cut by plain slicing from the largest network."""
    program = shared.sharing.program
    position = max(range(len(program.variants)), key=lambda v: program.variants[v].depth)
    largest = candidate_of(program, position, [len(d.options) - 1 for d in program.variants[position].decisions])
    own, whole = candidate.build(batch_norm="kept"), shared.network(largest)
    behind = len(whole.layers) - len(own.layers)
    for number, layer in enumerate(own.layers):
        # The two layers behind the repeated ones keep their weights, at whatever depth.
        source = whole.layers[number if number < len(own.layers) - 2 else number + behind]
        for parameter, wide in zip(layer.parameters(), source.parameters(), strict=True):
            cut = [slice((a - b) // 2, (a - b) // 2 + b) if dim > 1 else slice(b)
                   for dim, (a, b) in enumerate(zip(wide.shape, parameter.shape, strict=True))]  # fmt: skip
            parameter.data.copy_(wide[tuple(cut)])
    return own


def test_a_network_takes_first_channels_and_centres_at_every_depth() -> None:
    program = program_of(CHAIN)
    shared = SuperNetwork(program, seed=1)
    x = torch.randn(4, *program.space.input.dims)
    for candidate in drawn(program, 8):
        plain = plain_copy(shared, candidate).train()
        assert torch.equal(shared(candidate, x), plain(x))
        # The copy stands alone, with statistics of its own.
        copy = shared.network(candidate).train()
        copy(x)
        assert torch.allclose(copy.eval()(x), plain.eval()(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("text", [MIXED, CELLS], ids=["mixed", "cells"])
def test_any_network_has_weights_of_its_own_shapes(text: str) -> None:
    program = program_of(text)
    shared = SuperNetwork(program)
    x = torch.randn(4, *program.space.input.dims)
    for candidate in drawn(program, 30):
        assert torch.equal(shared(candidate, x), shared.network(candidate).train()(x)), candidate


def test_channels_are_followed_through_flattening_and_concatenation() -> None:
    program = program_of(FOLLOWED)
    shared = SuperNetwork(program)
    narrow, wide = (shared.network(parse_candidate(program, text)) for text in ("2-2-4", "4-6-4"))
    head, whole = (dict(one.named_parameters())["layers.3_linear.operators.0.linear.weight"] for one in (narrow, wide))
    # Two branches of M channels: of each the first, all pixels.
    assert torch.equal(head, whole.reshape(3, 2, 6, -1)[:, :, :2].reshape(3, -1))


def test_gradients_reach_what_a_network_takes_and_nothing_else() -> None:
    program = program_of(CHAIN)
    shared = SuperNetwork(program)
    candidate = drawn(program, 1)[0]
    shared(candidate, torch.randn(4, *program.space.input.dims)).square().sum().backward()
    taken = {}
    for layer in shared.sharing.of(candidate):
        for operator in layer.taken:
            for one in operator:
                mask = torch.zeros_like(shared.weights[one.number], dtype=torch.bool)
                cut = [slice(len(places)) for places in one.dims]
                for side, of in zip(one.window or (), mask.shape[-2:], strict=False):
                    cut.append(slice((of - side) // 2, (of - side) // 2 + side))
                mask[tuple(cut)] = True
                taken[one.number] = mask
    reached = 0
    for number, weight in enumerate(shared.weights):
        if weight.grad is not None:
            assert not weight.grad[~taken[number]].any()
            reached += int((weight.grad != 0).sum())
        else:
            assert number not in taken
    assert reached > sum(int(mask.sum()) for mask in taken.values()) / 2


def test_weights_of_an_unknown_kind_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(OPERATORS["conv"], module=lambda op, x, bias: nn.PReLU(op.out.channels))
    monkeypatch.setitem(OPERATORS, "conv", kind)
    with pytest.raises(EngineError, match="cannot share the weights of `conv` in `conv`"):
        SuperNetwork(program_of(CHAIN))


def test_cells_that_join_channels_are_refused_by_name() -> None:
    text = CELLS.replace("[{conv: {filters: channels}}]", "[{fire: {squeeze: 2, expand: 2}}]")
    with pytest.raises(EngineError, match="cannot follow the channels of `c`"):
        SuperNetwork(program_of(text))


class Made(OneShotSampler):
    """Learns noise of the shape of the set."""

    def examples(self, fs: AnySet) -> Data:
        return noise(fs)


class TestOneShotSampler(SamplerConformance):
    many = 6

    def make(self, seed: int) -> OneShotSampler:
        return Made(trials=3, epochs=1, batch=12, seed=seed)


class TestOneShotSearch(TrainingFreeConformance):
    def make(self, seed: int) -> OneShotSearch:
        return OneShotSearch(trials=6, epochs=1, batch=8, seed=seed)

    def data(self, search: OneShotSearch) -> Data:  # pyright: ignore[reportIncompatibleMethodOverride]
        return noise(self.fs())


def test_shared_weights_learn_and_rank() -> None:
    fs = example_set("medium")
    data = noise(fs, 240)
    data = Data(data.images + 3 * nn.functional.one_hot(data.labels, 18), data.labels, data.source)
    assert Judge(fs, data, Recipe(epochs=25, lr=0.01, batch=16)).accuracy(fs[0]) > 0.5
    sampler = OneShotSampler(data, trials=16, epochs=3)
    values = [sampler.judge_.accuracy(one) for one in sampler.ask(fs, 32)]
    # Parts of 16, each from the best to the worst.
    assert values[:16] == sorted(values[:16], reverse=True)
    assert values[16:] == sorted(values[16:], reverse=True)
    assert len(set(values)) > 3


def test_a_training_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    fs, data = example_set("medium"), noise(example_set("medium"))
    heard: list[str] = []

    def judge(name: str, seed: int = 0) -> Judge:
        how = Recipe(epochs=4, batch=8, seed=seed)
        return Judge(fs, data, how, keep=tmp_path / name, on_progress=heard.append)

    def stopped(what: str) -> None:
        if "epoch 2 of" in what:
            raise KeyboardInterrupt

    whole = judge("whole").accuracy(fs[5])
    killed = judge("killed")
    killed.on_progress = stopped
    with pytest.raises(KeyboardInterrupt):
        killed.accuracy(fs[5])
    heard.clear()
    again = judge("killed")
    assert again.accuracy(fs[5]) == whole
    assert [line.split(",")[0] for line in heard] == [f"super-network: epoch {k} of 4" for k in (3, 4)]
    assert all(map(torch.equal, again.shared.weights, judge("whole").shared.weights))
    # What is over is only read; of other parameters it is another training.
    heard.clear()
    assert judge("killed").accuracy(fs[5]) == whole
    assert not heard
    judge("killed", seed=1).accuracy(fs[5])
    assert len(heard) == 4
    (tmp_path / "damaged").write_bytes((tmp_path / "whole").read_bytes()[:-100])
    with pytest.raises(FileError, match="holds no super-network"):
        judge("damaged").accuracy(fs[5])


def test_what_cannot_be_learnt_is_refused() -> None:
    fs = example_set("small")
    with pytest.raises(EngineError, match="has no data"):
        OneShotSampler().ask(fs, 1)
    data = Data(torch.randn(10, 18), torch.arange(10) + 10, "made")
    with pytest.raises(EngineError, match="tells 12 classes apart, and the data have 20"):
        list(OneShotSampler(data).ask(fs, 1))
    with pytest.raises(EngineError, match="cannot learn from 1 examples"):
        list(OneShotSampler(Data(torch.randn(2, 18), torch.arange(2), "made")).ask(fs, 1))
    with pytest.raises(EngineError, match="the examples are 7, and the space takes 18"):
        list(OneShotSampler(Data(torch.randn(15, 7), torch.zeros(15, dtype=torch.int64), "made")).ask(fs, 1))
    for wrong in (OneShotSearch(epochs=0), OneShotSearch(trials=0), OneShotSearch(batch=1), OneShotSearch(lr=0.0)):
        with pytest.raises(EngineError):
            wrong.check()
