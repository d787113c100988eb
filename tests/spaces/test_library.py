"""The library's spaces: what their texts promise is what they hold."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest

from solvers.base import solve
from spaces.language.reader import load_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets

SMALL = Budgets(rom=1_000_000, ram=262_144)


@pytest.mark.parametrize("name", ["dscnn", "convmixer", "convmixer_ordered", "mobilenet", "autoencoder"])
def test_the_counts_in_the_text(name: str) -> None:
    space = load_space(name)
    fs = solve(compile_space(space, SMALL))
    assert f"{fs.program.size:,}" in space.doc
    assert f"{fs.size:,}" in space.doc


def encoders(layers: int) -> np.ndarray:
    """The weights of every encoder 640 -> ... -> 8 that never widens; a decoder is an encoder turned round."""
    widths = range(144, 31, -16)
    chains = [(640, *hidden, 8) for hidden in combinations_with_replacement(widths, layers)]
    return np.array([sum(a * b for a, b in pairwise(c)) for c in chains])


def test_the_autoencoders_counted_by_hand() -> None:
    counts, fitting = [], []
    for depth in range(5, 11):
        weights = encoders(depth // 2 - 1)[:, None] + encoders(depth - depth // 2 - 1)[None, :]
        counts.append(weights.size)
        fitting.append(int((weights <= 250_000).sum()))
    assert sum(counts) == 168_804
    fs = solve(compile_space(load_space("autoencoder"), SMALL))
    assert list(fs.counts.values()) == fitting
    assert (sum(fitting), fs.size) == (155_787, 155_787)
    assert solve(compile_space(load_space("autoencoder"))).size == 168_804


def test_the_ordered_convmixers_counted_by_hand() -> None:
    """From lists of widths; and the count beside the paper's 17,154 that `docs/costs.md` tells of."""
    ordered, fitting, other = 0, [], 0
    for blocks in range(7, 16):
        m = np.array(list(combinations_with_replacement(range(176, 63, -16), blocks)))
        into = np.concatenate([m[:, :1], m[:, :-1]], axis=1)
        products, fits = (into * m).sum(axis=1), m[:, 0] + m[:, 1] <= 256
        weights = 12 * m[:, 0] + 49 * into.sum(axis=1) + products + 10 * m[:, -1]
        ordered += len(m)
        fitting.append(int((fits & (4 * weights <= 1_000_000)).sum()))
        other += int((fits & (4 * (49 * m.sum(axis=1) + products + 10 * m[:, -1]) <= 1_000_000)).sum())
    fs = solve(compile_space(load_space("convmixer_ordered"), SMALL))
    assert list(fs.counts.values()) == fitting
    assert (ordered, sum(fitting), other) == (487_311, 16_868, 17_153)


def test_fourteen_pairs_of_the_running_example() -> None:
    widest = {16: 96, 32: 64, 48: 32, 64: 16, 80: 16}
    pairs = [f"mlp2: {a}-{b}" for a, most in widest.items() for b in range(16, most + 1, 16)]
    for weights in (3392, 3423):
        assert [str(c) for c in solve(compile_space(load_space("mlp2"), Budgets(rom=4 * weights)))] == pairs
    assert len(pairs) == 14
