"""What a candidate takes before there is a network is what its plan of calls says."""

from __future__ import annotations

import pytest

from nascompile.deploy.calls import planned
from nascompile.deploy.instructions import predicted_amount
from spaces.costs.latency_profiles import named_profile
from spaces.language.library import library
from spaces.program.breakdown import totals
from spaces.program.shipping import Shipping
from spaces.tensors import DTYPES
from tests.deploy.operators import filled, filled_float
from tests.deploy.tools import any_chip, candidates, chain_of


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", [name for name in library() if not name.startswith("nasbench201_")])
def test_instructions_and_ram_are_those_of_the_plan(name: str, dtype: str) -> None:
    core = "Cortex-M4F"
    one = min(candidates(name, 3, seed=5, dtype=dtype, core=core), key=lambda one: totals(one)["rom"])
    plan = planned((filled if dtype == "int8" else filled_float)(chain_of(one), one.program.space.input.shape, 0))
    takes = Shipping.of(one.program, dtype).takes(one)
    profile = named_profile("nascompile-c", any_chip(core), dtype, "instructions")
    assert takes.instructions == predicted_amount(plan, profile)
    assert takes.ram == plan.memory.size * DTYPES[dtype]
