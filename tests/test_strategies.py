"""Random spaces and budgets reach what they should: every block, all of its parameters, and the edges of budgets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from spaces.blocks import BLOCKS
from tests import vocabulary
from tests.strategies import block_arguments, bounds


def test_the_vocabulary_has_every_block() -> None:
    assert {name for names in vocabulary.BLOCKS.values() for name in names} == set(BLOCKS)
    for rank, names in vocabulary.BLOCKS.items():
        assert all(rank in BLOCKS[name].ranks for name in names)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_parameter_is_given_now_and_then(block: str) -> None:
    unshrunk = settings(derandomize=True, database=None, phases=[Phase.generate])

    def give(parameter: str) -> dict[str, Any]:
        return find(block_arguments(block), lambda a: parameter in a, settings=unshrunk)

    assert all(set(give(parameter)) <= set(BLOCKS[block].params) for parameter in BLOCKS[block].params)


def test_a_third_of_the_bounds_is_attained_exactly() -> None:
    attained = np.arange(0, 1000, 10)
    kinds: Counter[int] = Counter()

    @settings(derandomize=True, database=None, max_examples=300)
    @given(bounds(attained))
    def collect(bound: int) -> None:
        kinds[bound % 10] += 1

    collect()
    assert kinds[0] >= kinds.total() / 3
    assert kinds[9] >= kinds.total() / 5
    assert kinds.total() - kinds[0] - kinds[9] >= kinds.total() / 5
