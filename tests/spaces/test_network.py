"""What a candidate's module has and does equals what its costs count: on random candidates of all spaces."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.base import solve
from spaces.blocks import BLOCKS
from spaces.blocks.base import CountKind
from spaces.costs.layer import layer_cost
from spaces.language.library import library
from spaces.language.reader import load_space, read_space
from spaces.language.settings import Settings
from spaces.operators import OPERATORS
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.runtimes.ebs import Ebs
from spaces.tensors import DTYPES, Shape, Tensor
from tests.block_strategies import lowered as lowered_blocks
from tests.strategies import possible_rows, small_spaces

torch = pytest.importorskip("torch")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from spaces.networks.network import LayerModule, Network, Operator  # noqa: E402


def members(program: Program, picks: list[int]) -> Iterator[Candidate]:
    """Some possible candidates of each variant."""
    for v, chain in enumerate(program.chains):
        rows = [] if chain.impossible else possible_rows(program, v)
        for row in {tuple(rows[p % len(rows)]) for p in picks} if len(rows) else ():
            yield candidate_of(program, v, row)


def operators(net: Network) -> list[Operator]:
    return [operator for layer in net.layers for operator in layer.operators]


def run(net: Network, examples: int = 2) -> torch.Tensor:
    return net(torch.randn(examples, *net.input_shape))


def check_counts(candidate: Candidate) -> None:
    net = candidate.build().eval()
    assert sum(p.numel() for p in net.parameters()) == candidate.costs["params"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(net, 1)
    assert counter.get_total_flops() == 2 * candidate.costs["macs"]


def check_shapes(candidate: Candidate) -> None:
    net = candidate.build()
    seen: list[tuple[int, ...]] = []
    for operator in operators(net):
        operator.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[1:])))
    run(net)
    expected = [tuple(op.out) for step in candidate.steps for op in step.ops]
    assert [s if len(s) == 3 else (*s, 1, 1) for s in seen] == expected
    last = candidate.steps[-1].out
    assert run(net).shape == (2, *((last.shape.channels,) if last.rank == 0 else tuple(last.shape)))


def measured_peak(layer: LayerModule, x: torch.Tensor) -> int:
    """Most elements held by living tensors right after any operator has run; one in place reuses its operand."""
    alive: dict[int, weakref.ref[torch.Tensor]] = {0: weakref.ref(x)}
    peaks: list[int] = []
    operands: dict[int, tuple[int, ...]] = {k: op.inputs for k, op in enumerate(layer.ops)}

    def ran(k: int, out: torch.Tensor) -> None:
        # Inside the hook every operand still lives, so this is the step's working set.
        alive[k + 1] = weakref.ref(out)
        held = {s: ref() for s, ref in alive.items() if ref() is not None}
        if layer.ops[k].in_place:
            held.pop(operands[k][-1])
        # One storage counts once: an identity hands on its operand.
        peaks.append(sum({id(t): t.numel() for t in held.values() if t is not None}.values()))

    hooks = [
        operator.register_forward_hook(lambda _m, _i, out, k=k: ran(k, out))
        for k, operator in enumerate(layer.operators)
    ]
    # `forward` takes the input over, as in a chain; `__call__` would keep it to the end.
    boxes = [x]
    del x
    with torch.no_grad():
        layer.forward(boxes.pop())
    for hook in hooks:
        hook.remove()
    return max(peaks)


def check_liveness(candidate: Candidate) -> None:
    """With one data type, the bytes of the compiled peak are its elements times the width of one."""
    steps = candidate.steps
    # In training, batch norm refuses a single value per channel.
    net = candidate.build().eval()
    peak = 0
    for step, layer in zip(steps, net.layers, strict=True):
        assert isinstance(layer, LayerModule)
        peak = max(peak, measured_peak(layer, torch.randn(1, *_dims(step.x.shape, step.x.rank))))
    width = DTYPES[candidate.program.space.settings.dtype]
    assert peak * width == candidate.costs["ram_liveness"]


def _dims(shape: Shape, rank: int) -> tuple[int, ...]:
    return (shape.channels,) if rank == 0 else tuple(shape)


@given(small_spaces(max_size=200, constrained=False), st.lists(st.integers(0, 10**6), min_size=1, max_size=2))
def test_counts_and_shapes_of_random_spaces(text: str, picks: list[int]) -> None:
    for candidate in members(compile_space(read_space(text)), picks):
        check_counts(candidate)
        check_shapes(candidate)
        dtypes = {step.out.dtype for step in candidate.steps} | {candidate.program.space.input.dtype}
        if len(dtypes) == 1:
            check_liveness(candidate)


@pytest.mark.parametrize("name", library())
def test_library_spaces(name: str) -> None:
    fs = solve(compile_space(load_space(name)))
    for candidate in (fs[0], fs[-1], *fs.sample(min(4, len(fs)), seed=0)):
        check_counts(candidate)
        check_shapes(candidate)
        check_liveness(candidate)


LIVE = """
space: live
input: {channels: 4, height: 9, width: 9}
network:
  - residual: {filters: 8, stride: 2}
  - residual: {filters: 8}
  - inverted_residual: {filters: 8, expansion: 3}
  - convmixer: {filters: 6, kernel: 3}
  - relu
  - norm
  - ds_conv: {filters: 5}
  - max_pool: {padding: same}
  - avg_pool: {kernel: 3, padding: 1}
  - linear: {units: 7}
"""


def test_liveness_of_branches() -> None:
    program = compile_space(read_space(LIVE))
    check_liveness(candidate_of(program, 0, ()))


@pytest.mark.parametrize("name", sorted(BLOCKS))
@settings(max_examples=12)
@given(data=st.data(), bias=st.booleans(), norm=st.booleans())
def test_every_block_has_and_does_what_it_counts(name: str, data: st.DataObject, bias: bool, norm: bool) -> None:
    """A block that is registered is in here: parameters, MACs, shapes and buffers, against torch."""
    _, x, _, ops = data.draw(lowered_blocks((name,)))
    space = Settings("float32", bias, norm, False)
    rank = 0 if name in ("linear", "flatten") and x.height == x.width == 1 else 2
    cost = layer_cost(ops, Tensor(x, "float32", rank), Tensor(ops[-1].out, "float32", 2), space, Ebs())
    layer = LayerModule(ops, x, space).eval()
    assert sum(p.numel() for p in layer.parameters()) == cost.params
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes = output_shapes(layer, torch.randn(1, *_dims(x, rank)))
    assert counter.get_total_flops() == 2 * cost.macs
    assert shapes == [op.out for op in ops]
    # Not inside the assertion, which would hold on to the input.
    peak = measured_peak(layer, torch.randn(1, *_dims(x, rank)))
    assert 4 * peak == cost.peak


def output_shapes(layer: LayerModule, x: torch.Tensor) -> list[Shape]:
    """What each operator gives for one example."""
    seen: list[Shape] = []
    hooks = [op.register_forward_hook(lambda *call: seen.append(Shape(*call[2].shape[1:]))) for op in layer.operators]
    layer(x)
    for hook in hooks:
        hook.remove()
    return seen


def test_every_block_and_kind_has_a_module() -> None:
    kinds = {op.kind for name in BLOCKS for op in _some_ops(name)}
    assert kinds <= set(OPERATORS)
    assert set(OPERATORS) - kinds <= {"identity", "zeros", "scale"}


def _some_ops(name: str) -> tuple[object, ...]:
    block = BLOCKS[name]
    # Counts that are 0 by default are operators left out.
    needed = {key: 8 for key, kind in block.params.items() if isinstance(kind, CountKind)}
    x = {0: Shape(8), 1: Shape(8, 1, 8), 2: Shape(8, 8, 8)}[block.ranks[-1]]
    return block.lower(x, **needed)


def test_seeds() -> None:
    program = compile_space(load_space("dscnn"))
    candidate = candidate_of(program, 0, (0, 1, 2, 3, 4, 5))
    state = torch.random.get_rng_state()
    a, b, c = (candidate.build(seed=s).state_dict() for s in (3, 3, 4))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in a)


def test_torchs_own_scheme() -> None:
    """The weights are those that torch's constructors draw in order, after the same seed."""
    program = compile_space(load_space("mlp2"))
    net = candidate_of(program, 0, (1, 2)).build(seed=7)
    torch.manual_seed(7)
    own = [torch.nn.Linear(i, o, bias=False).weight for i, o in ((18, 32), (32, 48), (48, 12))]
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), own, strict=True))


def test_batch_norm_kept_or_folded() -> None:
    candidate = candidate_of(compile_space(load_space("dscnn")), 0, (0,) * 6)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in candidate.build().modules())
    kept = candidate_of(compile_space(load_space("dscnn", ["batch_norm=kept"])), 0, (0,) * 6)
    assert sum(p.numel() for p in candidate.build(batch_norm="kept").parameters()) == kept.costs["params"]
    assert kept.build(batch_norm="folded").state_dict().keys() == candidate.build().state_dict().keys()
    with pytest.raises(ValueError, match="`kept` or `folded`"):
        candidate.build(batch_norm="both")


def test_padding_that_torch_lacks() -> None:
    """`same` of even windows pads below and to the right; averages leave padding out."""
    text = (
        "space: odd\ninput: {channels: 1, height: 4, width: 5}\nnetwork:\n"
        "  - {POOL: {kernel: 2, stride: 2, padding: same}}\n"
    )
    x = torch.arange(20.0).reshape(1, 1, 4, 5) - 30
    for pool, expected in (
        ("avg", [[-27.0, -25, -23.5], [-17, -15, -13.5]]),
        ("max", [[-24, -22, -21], [-14, -12, -11]]),
    ):
        net = candidate_of(compile_space(read_space(text.replace("POOL", f"{pool}_pool"))), 0, ()).build()
        assert net(x)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    "layers",
    [
        "- conv: {filters: 2, stride: 3}\n  - linear: {units: 4}",  # a feature map of one pixel
        "- norm:\n    batch_norm: false\n  - conv: {filters: 2}",  # a norm of its own stays what it is
        "- shuffle_unit: {filters: 4}\n  - shuffle_unit: {filters: 6, stride: 2}",
    ],
)
def test_small_networks_are_what_they_count(layers: str) -> None:
    text = f"space: s\ninput: {{channels: 4, height: 3, width: 3}}\nnetwork:\n  {layers}\n"
    candidate = candidate_of(compile_space(read_space(text)), 0, ())
    check_counts(candidate)
    check_shapes(candidate)
    check_liveness(candidate)
