"""Which candidates are the same network: counted where the answer is known, and by running pairs with tied weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import nn

import nascompile as nc
from spaces.language.reader import load_space, read_space
from spaces.networks.network import Network, Operator
from spaces.program.candidate import candidate_of, parse_candidate
from spaces.program.compile import compile_space
from spaces.program.isomorphism import benchmark_form, canonical_cell
from spaces.program.network_keys import NetworkKeys, distinct

#: Which of three things a block of the chain is; `D` halves the sides, in three ways.
SAME = """
  %s:
    nodes: 2
    operators:
      skip: identity
      a: [{inverted_residual: {filters: channels, expansion: 2}}]
      b: [{inverted_residual: {filters: channels, kernel: 5}}]
"""
DOWN = """
  %s:
    nodes: 2
    operators:
      skip: [avg_pool]
      a: [{inverted_residual: {filters: channels, expansion: 2, stride: 2}}]
      b: [{inverted_residual: {filters: channels, kernel: 5, stride: 2}}]
"""


def chain(blocks: str) -> str:
    """A space of blocks, each a cell with one edge: `S` keeps the shape, `D` does not."""
    cells = "".join((SAME if kind == "S" else DOWN) % f"c{k}" for k, kind in enumerate(blocks))
    layers = "".join(f"  - cell: c{k}\n" for k in range(len(blocks)))
    return f"space: s\ninput: {{channels: 4, height: 8, width: 8}}\ncells:{cells}network:\n{layers}  - flatten\n"


@pytest.mark.parametrize(("blocks", "different"), [("SSSSSSSS", 511), ("DSDSSDSS", 3_969)])
def test_identities_may_stand_anywhere_within_a_stage(blocks: str, different: int) -> None:
    """Sequences of two blocks, up to eight long; in stages of 2, 3 and 3: 3 * 3 * (3 * 7) ** 2."""
    fs = nc.reduce(read_space(chain(blocks)))
    members = list(fs)
    assert len(members) == 6_561
    for form in (None, benchmark_form, canonical_cell):
        assert len(set(NetworkKeys(fs.program, form).all(members))) == different
    assert len(list(distinct(members, NetworkKeys(fs.program)))) == different


MIXED = """
space: mixed
input: {channels: 4, height: 6, width: 6}
choices:
  W: [0.4, 0.5]
  P: [1, 2]
  G: [1, 4]
cells:
  cell:
    nodes: 4
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, activation: none}}]
  once:
    nodes: 2
    operators:
      skip: identity
      conv: [{conv: {filters: channels}}]
network:
  - conv: {filters: "round_to(W * 9, 4)", kernel: 1}     # 4 filters either way
  - cell: cell
  - max_pool: {kernel: P, stride: P}
  - cell: once
  - shuffle_unit: {filters: 4, kernel: 3}
  - conv: {filters: 4, groups: G, kernel: 3}
  - switch: end
    cases:
      twice: [{pointwise: {filters: 4}}, {pointwise: {filters: 4}}]
      once: [{conv: {filters: 4, kernel: 1}}, {cell: once}, {max_pool: {kernel: P, stride: 1}}]
"""


@pytest.fixture
def alone() -> Iterator[None]:
    """One thread: on several, networks as small as these wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def drawn(what: str, shape: torch.Size) -> torch.Tensor:
    """Weights that depend on a text."""
    return torch.from_numpy(np.random.default_rng(crc32(what.encode())).normal(size=shape) / 2)


def tied(network: Network, x: torch.Tensor) -> torch.Tensor:
    """Its output, the weights of every operator drawn from what it is and what it reads."""

    def draw(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        read = round(sum(t.sum().item() for t in given), 5)
        for m in module.modules():
            if isinstance(m, nn.Conv2d):
                what = f"{read + 0.0} {tuple(m.weight.shape)} {m.stride} {m.groups}"
                for k, p in enumerate(m.parameters()):
                    p.data = drawn(f"{k} {what}", p.shape)

    for module in network.modules():
        if isinstance(module, Operator):
            module.register_forward_pre_hook(draw)
    with torch.no_grad():
        return network.double().eval()(x)


def partition(found: list[Any]) -> list[int]:
    """For each, the place of the first that is equal."""
    first: dict[Any, int] = {}
    return [first.setdefault(one, k) for k, one in enumerate(found)]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("dead", ["removed", "counted"])
def test_one_key_is_one_function_of_as_many_weights(dead: str) -> None:
    """Networks that differ in one or two decisions: by their keys, and by running them with tied weights.

    The number of weights tells what ties cannot: whether two operators that read the same are one or two.
    """
    program = compile_space(read_space(MIXED, overrides=[f"cells.cell.dead_edges={dead}"]))
    source, x = random.Random(7), torch.randn(1, 4, 6, 6, dtype=torch.float64)
    rows: set[tuple[int, tuple[int, ...]]] = set()
    for _ in range(2):
        for position, variant in enumerate(program.variants):
            sizes = [len(d.options) for d in variant.decisions]
            row = [source.randrange(n) for n in sizes]
            for place in range(len(row)):
                for option in range(sizes[place]):
                    rows.add((position, (*row[:place], option, *row[place + 1 :])))
    members = [candidate_of(program, *one) for one in sorted(rows)]
    live = compile_space(read_space(MIXED))
    run = [
        (*(tied(c.build(batch_norm="kept"), x).flatten() * 1e6).round().tolist(),
         candidate_of(live, c.position, c.row).costs["params"])
        for c in members
    ]  # fmt: skip
    keys = partition(NetworkKeys(program).all(members))
    assert keys == partition(run)
    assert 15 < len(set(keys)) < len(keys) - 15


def test_operators_that_several_read_are_one() -> None:
    """Of cells with one kind of convolution a form and the number of weights say all; forms alone do not."""
    text = MIXED[MIXED.index("cells:") : MIXED.index("  once:")]
    head = "space: one\ninput: {channels: 4, height: 6, width: 6}\n"
    fs = nc.reduce(read_space(f"{head}{text}network: [{{cell: cell}}, flatten]\n"))
    members = list(fs)
    cell = fs.program.space.cells["cell"]
    forms = [canonical_cell(cell, [c.values[cell.label(k)] for k in range(6)]) for c in members]
    keys = partition(NetworkKeys(fs.program).all(members))
    weights = fs.program.costs(0, np.array([c.row for c in members]))["params"].tolist()
    assert keys == partition(list(zip(forms, weights, strict=True)))
    assert len(set(keys)) > len(set(forms)) == len(set(NetworkKeys(fs.program, canonical_cell).all(members)))


def test_what_has_no_weights_is_one_wherever_it_reads_the_same() -> None:
    program = compile_space(load_space("nasbench201"))
    keys = NetworkKeys(program)
    for name, same in (("avg_pool_3x3", True), ("nor_conv_3x3", False)):
        ends = "|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"
        lines = f"|{name}~0|+|{name}~0|none~1|+{ends}", f"|{name}~0|+|none~0|skip_connect~1|+{ends}"
        one, other = (keys.of(parse_candidate(program, line)) for line in lines)
        assert (one == other) == same
