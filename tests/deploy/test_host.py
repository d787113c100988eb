"""Generated C on this computer: in int8 the integer reference bit for bit, in float32 PyTorch."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import nascompile as nc
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.errors import DeployError
from nascompile.deploy.project import Vectors
from nascompile.deploy.toolchain import host_library, run_host
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.language.reader import read_space
from spaces.operators import KernelCall
from spaces.operators.kernel import MOST, words
from spaces.tensors import Shape
from tests.compression.networks import NETWORKS
from tests.compression.scalar_kernels import run_scalar
from tests.deploy.interpreter import STRICT, Kernels, compiled
from tests.deploy.operators import KINDS, TALL, drawn, filled, inputs, overlapping, single, together
from tests.deploy.tools import candidates, chain_of, needs_host, rows, subject, written

pytestmark = needs_host


@pytest.fixture(scope="session", params=[False, True], ids=["portable", "simd"])
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """Both halves of the kernels: the C that every core understands, and what cores with SIMD run."""
    return Kernels(compiled(tmp_path_factory.mktemp("kernels"), simd=request.param))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_operator_is_the_reference(kernels: Kernels, kind: str, data: st.DataObject) -> None:
    network, seed = data.draw(single(kind))
    plan = together(network)
    q = inputs(network, seed)
    wanted = rows(network.run(q), plan.output)
    for x, y in zip(rows(q, plan.input), wanted, strict=True):
        assert np.array_equal(kernels.run(plan, x), y)


@pytest.mark.parametrize("kind", ["pointwise", "depthwise"])
@given(data=st.data())
def test_an_output_over_its_input_is_the_reference(kernels: Kernels, kind: str, data: st.DataObject) -> None:
    """Both begin at the same place, as they do where there is nothing else; or both end there."""
    network, seed = data.draw(single(kind, sides=TALL))
    plan = planned(network)
    assume(plan.input_at == plan.output_at)
    q = inputs(network, seed)
    for other in (plan, at_the_end(plan)):
        for x, y in zip(rows(q, plan.input), rows(network.run(q), plan.output), strict=True):
            assert np.array_equal(kernels.run(other, x), y)


@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
@pytest.mark.parametrize("kind", ["conv", "max_pool", "avg_pool"])
def test_windows_over_their_outputs_are_the_reference_with_the_least_gap(
    request: pytest.FixtureRequest, kernels: Kernels, kind: str, back: bool
) -> None:
    """And with a word less they are not, of some; with two, where the windows of four pixels lie in turn by words."""
    isa = "plain" if "portable" in request.node.name else "simd"
    one, broken = 8 if (kind, isa, back) == ("conv", "simd", False) else 4, 0
    for network, seed in drawn(kind, 80):
        q = inputs(network, seed)
        for less in (0, one):
            plan = overlapping(network, isa, back=back, less=less)
            if plan is None:
                continue
            for x, y in zip(rows(q, plan.input), rows(network.run(q), plan.output), strict=True):
                same = np.array_equal(kernels.run(plan, x), y)
                assert same or less, network
                broken += not same
    assert broken > 0


def at_the_end(plan: Plan) -> Plan:
    """The same with its input and its output at the end of their buffer."""
    behind = words(max(plan.input.size, plan.output.size))
    x, out = (behind - words(shape.size) for shape in (plan.input, plan.output))
    calls = tuple(replace(call, x=x, out=out) for call in plan.calls)
    return replace(plan, calls=calls, input_at=x, output_at=out)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_the_reference_is_what_its_words_say(kind: str, data: st.DataObject) -> None:
    """Else both could share a mistake beyond what calibrated networks meet."""
    network, seed = data.draw(single(kind))
    op = network.ops[-1]
    # The largest of a window that lies in the padding altogether is no number.
    assume(kind != "max_pool" or all(pad < op.kernel[k // 2] for k, pad in enumerate(op.pads)))
    (q,) = inputs(network, seed, 1)
    scalar = run_scalar(network, q)
    assert network.run(q[None]).reshape(-1).tolist() == [scalar[place] for place in sorted(scalar)]


def test_operators_meet_all_that_kernels_tell_apart() -> None:
    """Of this the random operators are made: else the first test could pass with half of the code unseen."""
    kinds = ("conv", "grouped", "depthwise", "avg_pool", "max_pool")
    met = {kind: [network.ops[-1] for network, _ in drawn(kind, 300)] for kind in kinds}
    shares = [len(op.weights) // op.groups for op in met["grouped"] if op.groups > 1]
    assert min(shares) < 4
    assert {1, 2} <= {share % 4 for share in shares if share > 4}
    assert {1, 2, 3} <= {len(op.weights) for op in met["conv"]}
    assert {0, 1, 2, 3} <= {len(op.weights) % 4 for op in met["conv"] if len(op.weights) > 4}
    assert {0, 1, 2, 3} <= {op.groups % 4 for op in met["depthwise"] if op.groups > 4}
    rights = {31 - int(shift) for op in met["conv"] for shift in op.shifts[op.multipliers != 0]}
    # Shifts around the middle of 64 bits take different instructions; the least are those of dead channels.
    assert {31, 32, 33, 62} <= rights
    assert min(rights) <= 3
    for kind in ("conv", "avg_pool", "max_pool"):
        assert any(op.pads[0] >= op.kernel[0] > 1 for op in met[kind])
        assert any(op.pads[2] >= op.kernel[1] > 1 for op in met[kind])


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_networks_are_the_reference(name: str, tmp_path: Path) -> None:
    plan, vectors = subject(name, "int8")
    library = host_library(written(tmp_path / "p", plan, vectors))
    found = run_host(library, rows(vectors.inputs, plan.input), plan.output.size)
    assert np.array_equal(found, rows(vectors.outputs, plan.output))
    assert len(np.unique(found)) > 3


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_networks_are_pytorch(name: str, tmp_path: Path) -> None:
    plan, vectors = subject(name, "float32")
    library = host_library(written(tmp_path / "p", plan, vectors))
    found = run_host(library, rows(vectors.inputs, plan.input), plan.output.size)
    wanted = rows(vectors.outputs, plan.output)
    assert 0.2 < np.abs(wanted).max() < 50
    assert np.abs(found - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("name", ["prototype_timeseries", "nasbench201", "mobilenet"])
def test_random_networks_of_the_library(kernels: Kernels, name: str) -> None:
    (one,) = candidates(name, 1, seed=3)
    chain = chain_of(one)
    network = filled(chain, Shape(*one.program.space.input.shape), seed=1)
    plan = planned(network)
    q = inputs(network, 1)[:1]
    (wanted,) = rows(network.run(q), plan.output)
    assert np.array_equal(kernels.run(plan, rows(q, plan.input)[0]), wanted)
    assert len(np.unique(wanted)) > 1


MAIN = """
#include "network.h"
#include "test/vectors.h"
int main(void)
{
    int wrong = 0;
    for (int v = 0; v < NC_VECTORS; v++) {
        nc_value *out = nc_input();
        nc_value mine[NC_OUTPUT_SIZE];
        for (int k = 0; k < NC_INPUT_SIZE; k++)
            out[k] = nc_inputs[v][k];
        nc_run(v % 2 ? nc_inputs[v] : 0, v % 3 ? mine : 0);
        for (int k = 0; k < NC_OUTPUT_SIZE; k++) {
            const float apart = (float)(v % 3 ? mine[k] : nc_output()[k]) - (float)nc_outputs[v][k];
            wrong += !(apart < 1e-4f && apart > -1e-4f);
        }
    }
    return wrong ? 1 : 0;
}
"""


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("name", ["squeeze", "sppf", "inception", "groups"])
def test_sanitisers_find_nothing(name: str, dtype: str, tmp_path: Path) -> None:
    """Out of bounds, overflow, shifts, alignment; in C99 without a warning."""
    plan, vectors = subject(name, dtype)
    folder = written(tmp_path / "p", plan, vectors)
    (folder / "main.c").write_text(MAIN)
    sources = ["main.c", *sorted(str(p) for p in folder.glob("src/*.c"))]
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g", "-I.", "-Iinclude")
    done = subprocess.run(["cc", *STRICT, *checks, *sources, "-o", "main"], cwd=folder, capture_output=True, text=True)
    if "cannot find -lasan" in done.stderr or "libasan" in done.stderr:
        pytest.skip("needs the sanitisers of cc: apt-get install gcc")
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["./main"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


#: Pieces of the C, and mistakes in their place: none that writes where nothing is, since they run in this process.
MISTAKES = [
    ("nc_dual(&b3, v, b)", "nc_dual(&b3, u, b)"),
    ("*to = (lane)op->zero;", "*to = 0;"),
    ("return to + ((uintptr_t)to & 2 ? 7 : 1);", "return to + 1;"),
    ("second = nc_min(2, count - 1) * g->step;", "second = nc_min(1, count - 1) * g->step;"),
    ("op->out == op->x && op->out_c > op->in_c", "op->out == op->x && op->out_c < op->in_c"),
    ("nc_raised(from[k], 1 - right)", "nc_raised(from[k], 2 - right)"),
    ("before = second;", "before = first;"),
    ("if (stride & 1)", "if (stride == 1)"),
    ("cell *put = to + f->along.pad;", "cell *put = to;"),
    ("weights += taps - kernel, f->next = -kernel;", ""),
    ("#define STRIP 8", "#define STRIP 9"),
    ("nc_dual(&c, p[stride], even)", "nc_dual(&c, p[stride >> 1], even)"),
    ("even = nc_even_plus(even, four)", "even = nc_odd_plus(even, four)"),
    ("minus_other = nc_raised(-op->zero_other, 22)", "minus_other = nc_raised(op->zero_other, 22)"),
    ("left > 2 ? w1 + n : w1", "left > 2 ? w1 : w1"),
    ("even = nc_even_plus(even, third)", "even = nc_even_plus(even, second)"),
    ("if (high - low != UINT8_MAX)", "if (low > high)"),
    ("table[(uint8_t)*x++]", "table[(uint8_t)*x++ ^ 128]"),
    ("if (high - low == UINT8_MAX)", "if (low == INT8_MIN)"),
    ("1, made - top)", "1, made - first)"),
    ("window + stride * pitch", "window + pitch"),
    ("s->call.pad_top = (uint16_t)(first - top);", "s->call.pad_top = 0;"),
]


@pytest.mark.parametrize("change", MISTAKES, ids=[piece for piece, _ in MISTAKES])
def test_a_mistake_in_the_kernels_is_caught(change: tuple[str, str], tmp_path: Path) -> None:
    """Else the tests of operators would not look at what they should."""
    library = compiled(tmp_path, simd=True, change=change)
    found = Kernels(library)
    for kind in KINDS:
        for plan, x, y in cases(kind):
            try:
                if not np.array_equal(found.run(plan, x), y):
                    return
            except AssertionError:
                return
    raise AssertionError(change)


@cache
def cases(kind: str) -> list[tuple[Plan, np.ndarray, np.ndarray]]:
    """Calls of a kind of operator, inputs, and what they must make of them."""
    found = []
    for network, seed in drawn(kind, 100):
        plan, q = together(network), inputs(network, seed)
        found += [(plan, *pair) for pair in zip(rows(q, plan.input), rows(network.run(q), plan.output), strict=True)]
    return found


@pytest.mark.parametrize("simd", [False, True])
def test_undefined_behaviour_of_any_operator(simd: bool, tmp_path: Path) -> None:
    """The kernels under the sanitiser of undefined behaviour, which aborts, in a process of their own."""
    script = (
        "import sys, pathlib, pickle\n"
        "from tests.deploy.interpreter import Kernels\n"
        "kernels = Kernels(pathlib.Path(sys.argv[1]))\n"
        "for plan, x in pickle.loads(pathlib.Path(sys.argv[2]).read_bytes()):\n"
        "    kernels.run(plan, x)\n"
        "print('ran')\n"
    )
    cases = []
    for kind in KINDS:
        for network, seed in drawn(kind, 15):
            plan = together(network)
            cases += [(plan, x) for x in rows(inputs(network, seed), plan.input)]
    (tmp_path / "cases").write_bytes(pickle.dumps(cases))
    library = compiled(tmp_path, "-fsanitize=undefined", "-fno-sanitize-recover=all", simd=simd)
    command = [sys.executable, "-c", script, str(library), str(tmp_path / "cases")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_numbers_beyond_the_fields_of_c() -> None:
    tensors = (QuantisedTensor(Shape(4), 0.1, 0), QuantisedTensor(Shape(4), 0.1, 0))
    op = QuantisedOp("max_pool", (0,), kernel=(MOST, 1), pads=(MOST, 0, 0, 0))
    planned(QuantisedNetwork("n", (4, 1, 1), tensors, (op,)))
    op = replace(op, pads=(MOST + 1, 0, 0, 0))
    with pytest.raises(DeployError, match=r"`pad_top` of .* `max_pool`, is 65,536"):
        planned(QuantisedNetwork("n", (4, 1, 1), tensors, (op,)))


@pytest.mark.parametrize("inputs", [MOST, MOST + 1, 76_799])
def test_a_linear_layer_of_any_vector_is_its_reference(kernels: Kernels, inputs: int) -> None:
    """What the cost model counts is written: of a vector only the size is in the row, in whole words."""
    assert not KernelCall("linear", Shape(inputs), Shape(3)).beyond()
    rng = np.random.default_rng(inputs)
    tensors = (QuantisedTensor(Shape(inputs), 0.1, 3), QuantisedTensor(Shape(3), 0.1, -2))
    op = QuantisedOp(
        "linear", (0,), weights=rng.integers(-127, 128, (3, inputs), np.int8), biases=np.arange(3, dtype=np.int32),
        multipliers=np.full(3, 2**30, np.int32), shifts=np.full(3, -14, np.int8),
    )  # fmt: skip
    network = QuantisedNetwork("n", (inputs, 1, 1), tensors, (op,))
    q = rng.integers(-128, 128, (1, inputs, 1, 1), np.int8)
    assert np.array_equal(kernels.run(planned(network), q.reshape(-1)), network.run(q).reshape(-1))


def test_what_c_does_not_hold_is_not_counted() -> None:
    text = (
        "space: s\ndtype: int8\ninput: {channels: 1, length: LENGTH}\nnetwork: [{max_pool1d: {kernel: 2, stride: 2}}]\n"
    )
    assert len(nc.reduce(read_space(text.replace("LENGTH", str(MOST))), mcu="stm32f746", runtime="nascompile-c")) == 1
    with pytest.raises(nc.NascompileError, match="a side of 65,536, and the C of `nascompile-c` holds up to 65,535"):
        nc.reduce(read_space(text.replace("LENGTH", str(MOST + 1))), mcu="stm32f746", runtime="nascompile-c")


def test_vectors_lie_as_the_network_reads_them(tmp_path: Path) -> None:
    plan, vectors = subject("conv", "int8")
    folder = written(tmp_path / "p", plan, Vectors(vectors.inputs[:1], vectors.outputs[:1]))
    text = (folder / "test/vectors.h").read_text()
    first = vectors.inputs[0].transpose(1, 2, 0).reshape(-1)
    assert "".join(f"{q}," for q in first) in text.replace("\n", "")
