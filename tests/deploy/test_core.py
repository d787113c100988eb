"""Generated C on emulated cores: the same results as on paper, in a counted number of instructions and little stack."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import planned
from nascompile.deploy.core import CORES, RISCV
from nascompile.deploy.project import Vectors
from nascompile.deploy.toolchain import Checked, run_check
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import Kernel
from spaces.operators.kernel import instruction_set
from spaces.tensors import Shape
from tests.compression.networks import NETWORKS
from tests.deploy.operators import filled, inputs
from tests.deploy.tools import needs_arm, needs_riscv, subject, written

pytestmark = needs_arm


def checked(name: str, dtype: str, core: str, folder: Path) -> Checked:
    plan, vectors = subject(name, dtype, instruction_set(core) if dtype == "int8" else "simd")
    return run_check(written(folder, plan, vectors, core), CORES[core])


def macs(plan_calls: object) -> int:
    """Multiply-accumulates of all convolutions, borders counted as if they were inside."""
    total = 0
    for call in plan_calls:  # type: ignore[attr-defined]
        if call.kernel in ("conv", "depthwise"):
            total += len(call.weights) * call.fields["out_h"] * call.fields["out_w"]
        total += macs(call.parts)
    return total


@pytest.mark.parametrize(
    ("name", "core"),
    [
        *((n, "Cortex-M4F") for n in NETWORKS), *((n, "Cortex-M7") for n in sorted(NETWORKS)[1::3]),
        *((n, "Cortex-M55") for n in sorted(NETWORKS)[::3]),
    ],
)  # fmt: skip
def test_int8_is_the_reference(name: str, core: str, tmp_path: Path) -> None:
    found = checked(name, "int8", core, tmp_path / "p")
    plan, _ = subject(name, "int8")
    assert (found.wrong, found.difference) == (0, 0.0)
    assert 0.15 * macs(plan.calls) < found.instructions < 60 * macs(plan.calls) + 60_000
    assert 80 < found.stack <= 320


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_is_pytorch(name: str, tmp_path: Path) -> None:
    core = "Cortex-M7" if sorted(NETWORKS).index(name) % 2 else "Cortex-M4F"
    found = checked(name, "float32", core, tmp_path / "p")
    plan, vectors = subject(name, "float32")
    assert found.difference <= 1e-5 * max(1.0, float(np.abs(vectors.outputs).max()))
    assert 2 * macs(plan.calls) < found.instructions < 60 * macs(plan.calls) + 60_000
    assert 100 < found.stack < 500


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("core", ["Cortex-M0+", "Cortex-M33"])
def test_other_cores(core: str, dtype: str, tmp_path: Path) -> None:
    found = checked("squeeze", dtype, core, tmp_path / "p")
    _, vectors = subject("squeeze", dtype)
    tolerance = 0.0 if dtype == "int8" else 1e-5 * max(1.0, float(np.abs(vectors.outputs).max()))
    assert found.difference <= tolerance
    assert 100 < found.stack < 500


def test_counts_are_the_same_from_run_to_run_and_without_extras_larger(tmp_path: Path) -> None:
    first, again = (checked("ds_conv", "int8", "Cortex-M4F", tmp_path / k) for k in "ab")
    assert first == again
    assert checked("ds_conv", "int8", "Cortex-M0+", tmp_path / "c").instructions > 1.3 * first.instructions


def test_instructions_grow_with_the_network(tmp_path: Path) -> None:
    counts = []
    for channels in (8, 16, 32):
        x = Shape(channels, 6, 6)
        network = filled([Kernel("pointwise", (0,), x, x), Kernel("pointwise", (1,), x, x)], x, 0)
        q = inputs(network, 0)
        folder = written(tmp_path / str(channels), planned(network), Vectors(q, network.run(q)))
        counts.append(run_check(folder, CORES["Cortex-M4F"]).instructions)
    for less, more in pairwise(counts):
        assert 1.5 < more / less < 4.2
    # Less than two for the network of `deploy.md`.
    assert counts[-1] / (2 * 32 * 32 * 36) < 2.5


def tangle(seed: int) -> QuantisedNetwork:
    """A network of every kind of operator with channels that leave a remainder, one after another."""
    x = Shape(5, 9, 7)
    a, b, c, d = (x._replace(channels=n) for n in (6, 7, 13, 3))
    half = Shape(13, 5, 4)
    chain = [
        Kernel("conv", (0,), x, a, (3, 2), (1, 1), (1, 1, 0, 1)),
        Kernel("conv", (1,), a, b._replace(channels=9), (1, 3), (1, 1), (0, 0, 1, 1), groups=3, clamp="relu"),
        Kernel("pointwise", (2,), b._replace(channels=9), b),
        Kernel("depthwise", (3,), b, b, (3, 3), (1, 1), (1, 1, 1, 1), groups=7),
        Kernel("add", (4, 3), b, b, clamp="relu6"),
        Kernel("concat", (5, 1), b, c),
        Kernel("avg_pool", (6,), c, c, (3, 3), (1, 1), (1, 1, 1, 1)),
        Kernel("lookup", (7,), c, c, function="hard_swish"),
        Kernel("global_avg_pool", (8,), c, Shape(13), c[1:]),
        Kernel("linear", (9,), Shape(13), Shape(13)),
        Kernel("lookup", (10,), Shape(13), Shape(13), function="hard_sigmoid"),
        Kernel("mul", (11, 8), Shape(13), c),
        Kernel("max_pool", (12,), c, half, (2, 3), (2, 2), (0, 1, 1, 1)),
        Kernel("requantise", (13,), half, half, clamp="relu"),
        Kernel("depthwise", (14,), half, half, (2, 2), (1, 1), (0, 1, 1, 0), groups=13),
        Kernel("conv", (15,), half, d._replace(height=2, width=2), (3, 3), (2, 2), (0, 0, 0, 1)),
        Kernel("flatten", (16,), d._replace(height=2, width=2), Shape(12)),
        Kernel("linear", (17,), Shape(12), Shape(11)),
    ]
    return filled(chain, x, seed)


@pytest.mark.parametrize(
    "core", [pytest.param(name, marks=needs_riscv if core.tools is RISCV else ()) for name, core in CORES.items()]
)
def test_random_integers_through_every_kernel(core: str, tmp_path: Path) -> None:
    network = tangle(seed=len(core))
    q = inputs(network, 7, 8)
    wanted = network.run(q)
    assert len(np.unique(wanted)) > 20
    found = run_check(
        written(tmp_path / "p", planned(network, instruction_set(core)), Vectors(q, wanted), core), CORES[core]
    )
    assert found.wrong == 0


def test_a_wrong_answer_is_told(tmp_path: Path) -> None:
    """Else 0 wrong would mean nothing."""
    network = tangle(seed=1)
    q = inputs(network, 7, 4)
    wanted = network.run(q).copy()
    wanted[1, 4] += -9 if wanted[1, 4] > 0 else 9
    wanted[3, 2] += -2 if wanted[3, 2] > 0 else 2
    found = run_check(written(tmp_path / "p", planned(network), Vectors(q, wanted)), CORES["Cortex-M4F"])
    assert (found.wrong, found.difference) == (2, 9.0)


def test_a_part_of_the_range_is_no_part_of_the_answer(tmp_path: Path) -> None:
    """Weights and inputs at the ends of int8, where sums of two products in one instruction are largest."""
    x = Shape(8, 3, 3)
    weights = np.full((8, 8, 3, 3), -128, np.int8)
    weights[1::2] = 127
    big = {"multipliers": np.full(8, 2**30, np.int32), "shifts": np.full(8, -11, np.int8)}
    op = QuantisedOp("conv", (0,), (3, 3), (1, 1), (1, 1, 1, 1), weights=weights, biases=np.zeros(8, np.int32), **big)
    network = QuantisedNetwork("ends", tuple(x), (QuantisedTensor(x, 1.0, 127), QuantisedTensor(x, 1.0, 0)), (op,))
    q = np.full((2, *x), -128, np.int8)
    q[1, ::2] = 127
    folder = written(tmp_path / "p", planned(network), Vectors(q, network.run(q)))
    assert run_check(folder, CORES["Cortex-M4F"]).wrong == 0
