"""Costs: tables against a walk of the network, RAM against a simulation, windows against other frameworks."""
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spaces.blocks import BLOCKS
from spaces.costs.layer import layer_cost
from spaces.language.reader import load_space, read_space
from spaces.language.settings import Settings
from spaces.operators import Op, Ops
from spaces.operators.memory import peak_bytes
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import candidate_of, parse_candidate
from spaces.program.compile import compile_space
from spaces.runtimes.ebs import Ebs
from spaces.tensors import DTYPES, Infeasible, Shape, Tensor, window
from tests.block_strategies import Lowered, lowered
from tests.strategies import possible_rows, rows_of, small_spaces

CODE = {"conv": 1000, "pointwise": 70, "add": 3, "flatten": 1}


@given(small_spaces(), st.sampled_from([None, "pingpong", "liveness"]), st.sampled_from([{}, CODE]))
def test_the_tables_agree_with_a_walk_of_the_network(text: str, ram_model: str | None, code: dict[str, int]) -> None:
    program = compile_space(read_space(text), ram_model=ram_model, runtime=Ebs(code))
    for v, chain in enumerate(program.chains):
        rows = possible_rows(program, v)
        if chain.impossible or not len(rows):
            continue
        costs = program.costs(v, rows)
        for k in {0, len(rows) // 3, len(rows) // 2, len(rows) - 1}:
            candidate = candidate_of(program, v, rows[k])
            walked = totals(candidate)
            assert candidate.costs == {name: column[k].item() for name, column in costs.items()}
            assert walked.pop("entropy") == pytest.approx(candidate.costs["entropy"], rel=1e-12)
            assert walked == {name: cost for name, cost in candidate.costs.items() if name != "entropy"}


@given(small_spaces(constrained=False), st.data())
def test_the_tables_know_which_networks_cannot_be(text: str, data: st.DataObject) -> None:
    program = compile_space(read_space(text))
    v = data.draw(st.integers(0, len(program.variants) - 1))
    possible = set(map(tuple, possible_rows(program, v).tolist()))
    for row in data.draw(st.lists(st.sampled_from(rows_of(program, v).tolist()), min_size=1, max_size=20)):
        try:
            breakdown(candidate_of(program, v, row))
            exists = True
        except Infeasible:
            exists = False
        assert (tuple(row) in possible) == exists


# -- liveness ----------------------------------------------------------------------------------------------------------


def most_bytes(ops: Ops, sizes: list[int]) -> int:
    """The most bytes allocated while the operators run one after another, each tensor freed after its last use.

    A buffer has room, from the start, for the widest tensor that is ever written into it.
    """
    needed = {0: 0, len(ops): len(ops) + 1}
    for k, op in enumerate(ops, start=1):
        for source in op.inputs:
            needed[source] = max(needed.get(source, 0), k)
    tensors = {0: "input"}
    for k, op in enumerate(ops, start=1):
        tensors[k] = tensors[op.inputs[-1]] if op.in_place else f"made at {k}"
    room: dict[str, int] = {}
    for k, size in enumerate(sizes):
        room[tensors[k]] = max(room.get(tensors[k], 0), size)
    buffers = {"input": room["input"]}
    most = 0
    for k in range(1, len(ops) + 1):
        buffers[tensors[k]] = room[tensors[k]]
        most = max(most, sum(buffers.values()))
        wanted = {tensors[t] for t in tensors if needed.get(t, 0) > k}
        buffers = {name: size for name, size in buffers.items() if name in wanted}
    return most


@st.composite
def operators(draw: st.DrawFn) -> Ops:
    """A random graph of operators, every tensor but the last read by a later one."""
    count = draw(st.integers(1, 6))
    ops: list[Op] = []
    for k in range(1, count + 1):
        sources = draw(st.lists(st.integers(0, k - 1), min_size=1, max_size=3, unique=True))
        if k - 1 not in sources:
            sources.insert(0, k - 1)
        last = ops[sources[-1] - 1] if sources[-1] else None
        free = not any(sources[-1] in op.inputs or op.in_place for op in ops)
        in_place = draw(st.booleans()) and last is not None and free
        out = last.out if in_place and last else Shape(draw(st.integers(1, 9)))
        ops.append(Op("add", tuple(sources), out, in_place=in_place))
    return tuple(ops)


@given(operators(), st.integers(1, 40), st.sampled_from([1, 2, 4]))
def test_peak_is_that_of_a_simulation(ops: Ops, x_bytes: int, width: int) -> None:
    assert peak_bytes(ops, x_bytes, width) == most_bytes(ops, [x_bytes, *(op.out.size * width for op in ops)])


@given(lowered(), st.sampled_from(sorted(DTYPES)), st.sampled_from(sorted(DTYPES)), st.booleans(), st.booleans())
def test_a_layer_costs_the_sum_of_its_operators(
    layer: Lowered, dtype: str, out_dtype: str, bias: bool, norm: bool
) -> None:
    _, shape, _, ops = layer
    x, out = Tensor(shape, dtype, 2), Tensor(ops[-1].out, out_dtype, 2)
    cost = layer_cost(ops, x, out, Settings("float32", bias, norm, True), Ebs(CODE))
    weights = sum(op.weights for op in ops)
    weighted = [op for op in ops if op.kind in ("conv", "depthwise", "pointwise", "linear")]
    biases = sum(op.out.channels for op in weighted if (bias or op.bias) and op.bias is not False)
    normalised = ("conv", "depthwise", "pointwise") if norm else ()
    scales = sum(2 * op.out.channels for op in ops if op.kind in normalised and op.norm)
    scales += sum(2 * op.out.channels for op in ops if op.kind == "batch_norm")
    assert cost.params == weights + biases + scales
    wide = 4 if "int" in out_dtype else DTYPES[out_dtype]
    code = sum(CODE.get(op.kind, 0) for op in ops)
    assert cost.rom == weights * DTYPES[out_dtype] + (biases + scales) * wide + code
    assert cost.macs == sum(op.macs for op in ops)
    assert cost.flops == 2 * cost.macs + sum(op.out.size for op in ops if op.activation != "none")
    assert cost.out_bytes == ops[-1].out.size * DTYPES[out_dtype]
    assert cost.log_width == pytest.approx(sum(log2(op.width) for op in ops))
    sizes = [x.nbytes, *(op.out.size * DTYPES[out_dtype] for op in ops)]
    if ops[0].kind != "flatten":
        assert cost.peak == most_bytes(ops, sizes)


# -- operators against their definitions ----------------------------------------------------------------------------------


@given(lowered())
@example(Lowered("conv", Shape(4, 5, 5), {"groups": 2}, BLOCKS["conv"].lower(Shape(4, 5, 5), filters=6, groups=2)))
def test_operators_follow_the_formulas(layer: Lowered) -> None:
    name, x, arguments, ops = layer
    shapes = [x, *(op.out for op in ops)]
    given_kernel = arguments.get("kernel", BLOCKS[name].defaults.get("kernel"))
    given_kernel = (1, given_kernel) if isinstance(given_kernel, int) else given_kernel
    windows = [op.kernel for op in ops if op.kind in ("conv", "depthwise")]
    # The first window is the block's `kernel`; which others there are is the block's own affair.
    assert windows[:1] in ([], [given_kernel]) or name == "fire"
    for op in ops:
        n, out, kernel = shapes[op.inputs[0]], op.out, op.kernel
        match op.kind:
            case "depthwise":
                assert (op.weights, op.width) == (kernel[0] * kernel[1] * n.channels, kernel[0] * kernel[1])
            case "pointwise":
                assert (op.weights, op.width) == (n.channels * out.channels, out.channels)
            case "linear":
                assert (op.weights, op.width) == (n.size * out.channels, out.channels)
            case "conv":
                g = arguments.get("groups", 1)
                assert op.weights * g == kernel[0] * kernel[1] * n.channels * out.channels
                assert op.width == Fraction(out.channels * kernel[0] * kernel[1], g)
            case "add":
                assert {shapes[source] for source in op.inputs} == {out}
                assert op.weights == 0
            case "concat":
                assert sum(shapes[source].channels for source in op.inputs) == out.channels
                assert {shapes[source][1:] for source in op.inputs} == {out[1:]}
                assert (op.weights, op.macs, op.width) == (0, 0, 1)
            case "mul":
                assert [shapes[source] for source in op.inputs] == [Shape(out.channels), out]
                assert (op.weights, op.macs, op.width) == (0, 0, 1)
            case _:
                assert (op.weights, op.macs) == (0, 0)
        assert op.macs == op.weights * out.height * out.width
    assert not name.endswith("1d") or all(op.out.height == 1 for op in ops)


SIDES = st.integers(1, 20)
PAIRS = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(SIDES, SIDES, PAIRS, PAIRS)
def test_same_is_tensorflows(height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    """TensorFlow pads max((ceil(n / s) - 1) * s + k - n, 0) zeros in all, then slides without padding."""
    out = window(Shape(1, height, width), 3, kernel, stride, "same")
    for n, k, s, got in zip((height, width), kernel, stride, out[1:], strict=True):
        padded = n + max((-(-n // s) - 1) * s + k - n, 0)
        assert got == len(range(0, padded - k + 1, s))


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@given(
    SIDES,
    SIDES,
    PAIRS,
    PAIRS,
    st.just("valid") | st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.sampled_from([1, 2, 4]),
)
def test_windows_are_torchs(
    height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int], padding: Any, groups: int
) -> None:
    import torch

    layer = torch.nn.Conv2d(
        4, 8, kernel, stride, padding if padding == "valid" else tuple(padding), groups=groups, bias=False
    )
    arguments = {"filters": 8, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups}
    lower: Callable[..., Ops] = BLOCKS["conv"].lower
    try:
        (op,) = lower(Shape(4, height, width), **arguments)
    except Infeasible:
        with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
            layer(torch.zeros(1, 4, height, width))
        return
    out = layer(torch.zeros(1, 4, height, width))
    assert tuple(out.shape[1:]) == op.out
    assert op.weights == sum(p.numel() for p in layer.parameters())
    pool = torch.nn.MaxPool2d(kernel, stride)
    if padding == "valid":
        (pooled,) = BLOCKS["max_pool"].lower(Shape(4, height, width), kernel=kernel, stride=stride)
        assert tuple(pool(torch.zeros(1, 4, height, width)).shape[1:]) == pooled.out


# -- known answers ----------------------------------------------------------------------------------------------------------


def cost_of(space: str, candidate: str, *overrides: str) -> dict[str, Any]:
    return parse_candidate(compile_space(load_space(space, overrides)), candidate).costs


def test_micronets() -> None:
    assert cost_of("dscnn", "84-112-84-84-84-196")["rom"] == 236_544
    assert cost_of("dscnn", "276-248-276-276-248-248-248-248", "choices.M=[248, 276]")["rom"] == 1_985_712


def test_convmixer_256_5() -> None:
    costs = cost_of("convmixer", "256-256-256-256-256-256", "choices.M=256", "network.1.repeat=5")
    assert (costs["rom"], costs["ram"]) == (1_584_128, 524_288)


def test_mobilenet_ram() -> None:
    costs = cost_of("mobilenet", "64-128-128-128-128-128-128-128")
    assert costs["ram"] == 246_528


def test_autoencoder() -> None:
    costs = cost_of("autoencoder", "autoencoder/10: 128-128-128-128-128-128-128-128")
    assert costs["params"] == costs["macs"] == 264_192
    assert costs["rom"] == 4 * 264_192


@pytest.mark.parametrize(
    ("network", "macs"), [("kws", 2_656_768), ("ic", 12_501_632), ("vww", 7_489_664), ("ad", 264_192)]
)
def test_the_networks_of_mlperf_tiny(network: str, macs: int) -> None:
    """As their reference models have them; what was measured of them was measured of these."""
    assert cost_of(f"mlperf_{network}", "")["macs"] == macs
    assert f"{macs:,} multiply-accumulates" in load_space(f"mlperf_{network}").doc


def test_sizes() -> None:
    assert compile_space(load_space("dscnn")).size == 8**6 + 8**7 + 8**8 == 19_136_512
    assert compile_space(load_space("convmixer")).size == sum(8**k for k in range(8, 17))
    assert compile_space(load_space("mobilenet")).size == sum(8**k for k in range(8, 17))
    assert compile_space(load_space("autoencoder")).size == sum(8**k for k in range(3, 9))


def test_entropy_of_the_running_example() -> None:
    """EBS Eq. 6 for two linear layers: log2(u_2) * (log2 M1 + log2 M2), u_2 = M2; the classifier is not numbered."""
    assert cost_of("mlp2", "32-64")["entropy"] == pytest.approx(6 * (5 + 6), rel=1e-15)


def test_pingpong_by_hand() -> None:
    """EBS Eq. 4 on MicroNet-KWS-S: layer 1 at 49 x 10 beside layer 2 at 25 x 5."""
    assert cost_of("dscnn", "84-112-84-84-84-196")["ram"] == 4 * (84 * 490 + 196 * 125)


def test_liveness_of_a_residual() -> None:
    text = "space: s\ninput: {channels: 4, height: 8, width: 8}\nram_model: liveness\nnetwork:\n  - residual: {filters: 4}\n"
    program = compile_space(read_space(text))
    costs = {name: values[0].item() for name, values in program.costs(0, np.zeros((1, 0), np.int64)).items()}
    # Input, first convolution, second convolution: the skip is needed until the end.
    assert (costs["ram"], costs["ram_pingpong"]) == (3 * 4 * 4 * 64, 2 * 4 * 4 * 64)
