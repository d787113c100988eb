"""The exchange formats hold the integers of the C: other programs make the same of every kernel, or nearly."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.exchange import onnx_file, tflite_graph
from nascompile.deploy.exchange.onnx_file import onnx_bytes
from nascompile.deploy.exchange.tflite_file import tflite_bytes
from nascompile.deploy.float_network import float_network
from nascompile.operators.fixed_point import multipliers_shifts
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import KERNELS
from spaces.tensors import Shape
from tests.compression.networks import NETWORKS, candidate, examples, lively
from tests.deploy.tools import quantised

for package in ("ai_edge_litert", "flatbuffers", "onnx", "onnxruntime", "tflite"):
    pytest.importorskip(package)
from benchmarks.formats import PROGRAMS, Count, compared  # noqa: E402 - it imports them

#: LiteRT enables what is for debugging alone, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")

#: Random inputs of all networks together.
INPUTS = 100_000
#: Kernels that copy numbers, and additions, whose rounding is the same everywhere.
EXACT = {"flatten", "max_pool", "global_max_pool", "shuffle", "split", "zeros"}
#: What XNNPACK rounds once, in float32: apart are ties alone, one number in a million.
ONCE = {"add", "conv", "depthwise", "global_avg_pool", "linear", "mul", "pointwise"}


@cache
def network(name: str) -> QuantisedNetwork:
    made = lively(candidate(name).build(seed=1, batch_norm="kept"))
    return quantised(made, examples(made, 6))


def any_inputs(made: QuantisedNetwork, n: int) -> Any:
    return np.random.default_rng(0).integers(-128, 128, (n, *made.input_shape), np.int8)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_kernel_is_that_of_the_c(program: str) -> None:
    # Those that round twice differ by the same rule from the first input on.
    share = (INPUTS if program == "LiteRT" else INPUTS // 20) // len(NETWORKS) + 1
    counts: dict[str, Count] = {}
    for name in NETWORKS:
        made = network(name)
        for kind, count in compared(made, program, any_inputs(made, share)).items():
            there = counts.setdefault(kind, Count())
            there.outputs, there.differ = there.outputs + count.outputs, there.differ + count.differ
            there.most = max(there.most, count.most)
    assert set(counts) >= set(KERNELS) - {"zeros"}
    assert all(count.most <= 1 for count in counts.values()), counts
    assert not any(counts[kind].differ for kind in EXACT & set(counts)), counts
    few = ONCE if program == "LiteRT" else set(counts) if program == "onnxruntime" else set()
    assert all(counts[kind].differ <= 1 + 1e-5 * counts[kind].outputs for kind in few), counts
    # A half of a double rounding is up to a step of its own.
    assert all(counts[kind].differ < 0.05 * counts[kind].outputs for kind in counts if kind != "avg_pool"), counts


def test_every_kind_is_written() -> None:
    assert set(tflite_graph.EMITTERS) == set(onnx_file.EMITTERS) == set(KERNELS)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", ["avg_pool", "max_pool", "zeros"])
def test_windows_that_reach_into_any_padding(program: str, kind: str) -> None:
    """Averages in steps much finer than their operand's, for which one rounding after another would be too many."""
    x, fine = QuantisedTensor(Shape(3, 5, 6), 0.1, -7), float(np.float32(0.02))
    factors: dict[str, Any] = {}
    if kind == "avg_pool":
        multipliers, shifts = multipliers_shifts([x.scale / (fine * n) for n in range(1, 10)])
        factors = {"multipliers": multipliers, "shifts": shifts}
    if kind == "zeros":
        op, out = QuantisedOp(kind, (0,)), QuantisedTensor(x.shape, 0.3, 20)
    else:
        op = QuantisedOp(kind, (0,), (3, 3), (2, 2), (1, 1, 2, 0), **factors)
        out = QuantisedTensor(Shape(3, 3, 3), *((fine, 20) if kind == "avg_pool" else (x.scale, x.zero_point)))
    made = QuantisedNetwork("windows", tuple(x.shape), (x, out), (op,))
    (count,) = compared(made, program, any_inputs(made, 500)).values()
    assert count.most <= (kind == "avg_pool"), count


def test_float32_is_pytorch() -> None:
    import onnxruntime
    import torch

    for name in NETWORKS:
        made = lively(candidate(name).build(seed=1, batch_norm="kept"))
        x = examples(made, 3)
        session = onnxruntime.InferenceSession(onnx_bytes(float_network(made)), providers=["CPUExecutionProvider"])
        (found,) = session.run(["output"], {"input": x})
        with torch.no_grad():
            assert np.abs(found - made(torch.from_numpy(x)).numpy()).max() < 1e-5


def test_vela_gives_all_of_it_to_an_ethos_u(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    vela = pytest.importorskip("ethosu.vela.vela")
    for name in ("squeeze", "shuffle", "preact", "sppf"):
        (tmp_path / f"{name}.tflite").write_bytes(tflite_bytes(network(name)))
        vela.main([str(tmp_path / f"{name}.tflite"), "--output-dir", str(tmp_path / "out")])
        assert "CPU operators = 0 (0.0%)" in capfd.readouterr().out
        assert (tmp_path / "out" / f"{name}_vela.tflite").is_file()


def test_what_the_schema_says() -> None:
    """As another reader has it: one input and one output in int8, the scales of the C."""
    import tflite

    made = network("conv")
    model = tflite.Model.GetRootAsModel(tflite_bytes(made), 0)
    graph = model.Subgraphs(0)
    assert (model.Version(), model.Description()) == (3, f"{made.line}, made by nascompile".encode())
    for there, number in ((made.tensors[0], graph.Inputs(0)), (made.tensors[-1], graph.Outputs(0))):
        tensor = graph.Tensors(number)
        assert tensor.Type() == tflite.TensorType.INT8
        assert tensor.Quantization().Scale(0) == np.float32(there.scale)
        assert tensor.Quantization().ZeroPoint(0) == there.zero_point
    codes = Counter(
        model.OperatorCodes(graph.Operators(k).OpcodeIndex()).BuiltinCode() for k in range(graph.OperatorsLength())
    )
    assert codes[tflite.BuiltinOperator.CONV_2D] == 3
