"""Every kind of operator is complete, from its module to its C, or says what it cannot do."""

from __future__ import annotations

from importlib.resources import files

import pytest

from nascompile.operators import INTEGER_KERNELS, TIMED
from spaces.operators import C_FUNCTIONS, KERNELS, LOOPS, OPERATORS, Kernel, Op
from spaces.operators.activations import ACTIVATIONS
from spaces.tensors import Shape

torch = pytest.importorskip("torch")

X = Shape(6, 5, 4)
TYPES = ("int8", "float32")


def example(kind: str) -> Op:
    """An operator whose input and output have the same shape, or as many channels."""
    has_weights = bool(KERNELS[kind].weights) if kind in KERNELS else False
    groups = X.channels if OPERATORS[kind].per_channel else 1
    return Op(kind, (0,), X, weights=int(has_weights), groups=groups, part=(0, X.channels))


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_kind_has_a_module(kind: str) -> None:
    x = torch.ones(1, *X)
    module = OPERATORS[kind].module(example(kind), X, False).eval()
    operands = (torch.ones(1, X.channels), x) if kind == "mul" else (x,)
    assert torch.isfinite(module(*operands)).all()


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_kind_has_a_kernel_or_needs_none_or_says_why_not(kind: str) -> None:
    record = OPERATORS[kind]
    assert set(record.cannot) <= {"deploy", "prune"}
    if "deploy" in record.cannot or record.kernel is None:
        # What needs no kernel is a view of its sum, or nothing but its activation.
        assert "deploy" in record.cannot or record.view or record.activates
        return
    kernel = record.kernel(example(kind), X, (0, 0) if record.joins else (0,))
    assert (kernel.x, kernel.out) == (X, X)
    assert kernel.record is KERNELS[kernel.kind]


@pytest.mark.parametrize("kind", KERNELS)
def test_a_kernel_has_floating_point_integers_and_c(kind: str) -> None:
    record, integer = KERNELS[kind], INTEGER_KERNELS[kind]
    assert bool(record.weights) != bool(record.compute)  # weights are convolved, or multiplied
    assert bool(record.weights) == bool(integer.layout)
    factors = record.factors(Kernel(kind, (0,), X, X, kernel=(2, 3)))
    assert bool(integer.factors) == bool(factors)
    if integer.factors:
        operands = 2 if record.calls in ("each", "both") else 1
        made = integer.factors(Kernel(kind, (0,) * operands, X, X, kernel=(2, 3)), [0.5] * operands, 0.1)
        # One of the three of an addition is a half, and is not written.
        assert len(made) == factors * (operands if record.calls == "each" else 1) + (kind == "add")
    for dtype in TYPES:
        lookups = [name for name, one in ACTIVATIONS.items() if one.bounds is None]
        for function in lookups if record.table else [""]:
            name = record.c(Kernel(kind, (0,), X, X, function=function), dtype)
            assert name in LOOPS[dtype] if name else record.view


@pytest.mark.parametrize("name", C_FUNCTIONS)
def test_a_c_function_has_a_file_in_each_of_its_types_and_is_timed(name: str) -> None:
    function = C_FUNCTIONS[name]
    assert function.loops
    assert set(function.loops) <= set(TYPES)
    for dtype in TYPES:
        there = (files("nascompile.deploy") / "c" / dtype / f"nc_{name}.c").is_file()
        assert there == (dtype in function.loops)
    assert TIMED[name].name == name


def test_the_two_halves_know_the_same_kinds() -> None:
    assert set(INTEGER_KERNELS) == set(KERNELS)
    assert set(TIMED) == set(C_FUNCTIONS)
    used = {KERNELS[kind].c(Kernel(kind, (0,), X, X, function="hard_swish"), t) for kind in KERNELS for t in TYPES}
    # Of many channels; the other look-up; several kernels.
    assert set(C_FUNCTIONS) - used <= {"depthwise", "hard_sigmoid", "by_rows"}
