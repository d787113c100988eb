"""A runtime as a cost: tables, walks and engines count the same bytes of code once; and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import verify
from solvers.sets.feasible_set import FeasibleSet
from spaces.blocks.conv import conv
from spaces.costs.latency import LatencyProfile
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.language.settings import Settings
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.runtimes.base import RuntimeProfileError
from spaces.runtimes.ebs import Ebs
from spaces.runtimes.kernels import layer_calls
from spaces.runtimes.library import find_runtime
from spaces.runtimes.nascompile_c import NascompileC
from spaces.runtimes.tflite_micro import TfliteMicro
from spaces.tensors import Shape, Tensor
from tests.agreement import check_solvers
from tests.program_strategies import M4, runtimes
from tests.strategies import bounds, possible_rows, small_spaces

#: Members that call other kernels than one another, in one layer and in the next.
CELLS = """
space: cells
input: {channels: 3, height: 8, width: 8}
dtype: int8
bias: true
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
      pool: [{avg_pool: {kernel: 3, stride: 1, padding: same}}]
      max: [{max_pool: {kernel: 3, stride: 1, padding: same}}]
network:
  - conv: {filters: 4, activation: none}
  - cell: cell
  - global_avg_pool
  - linear: {units: 3}
"""
SWITCH = """
space: switched
input: {channels: 3, height: 8, width: 8}
dtype: int8
bias: true
choices:
  M: [4, 6, 8]
  A: [relu, hard_swish]
network:
  - switch: kind
    cases:
      separable:
        - conv: {filters: M, activation: A}
        - ds_conv: {filters: M}
      full:
        - conv: {filters: M}
        - conv: {filters: M, activation: A}
        - max_pool
      fire:
        - fire: {squeeze: 2, expand: M}
  - global_avg_pool
  - linear: {units: 3}
"""
GROUPS = """
space: groups
input: {channels: 4, height: 8, width: 8}
dtype: int8
choices:
  G: [1, 2, 4]
  M: [2, 4, 8]
  A: [relu, hard_swish]
network:
  - conv: {filters: M, groups: G}
  - depthwise: {kernel: 3, activation: A}
  - conv: {filters: M, kernel: 1, groups: G}
  - global_max_pool
  - linear: {units: 3}
"""


#: What may run row by row, where that takes less, and what is next to it in other cells.
ROWS = """
space: rows
input: {channels: 3, height: 9, width: 8}
dtype: int8
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      wide: [{inverted_residual: {filters: channels, expansion: 6, residual: false}}]
      narrow: [{pointwise: {filters: channels}}]
      per: [{depthwise: {kernel: 3}}]
choices:
  E: {options: [1, 6], shared: true}
  K: {options: [[3, 1], [5, 2]], shared: true}
network:
  - inverted_residual: {filters: 4, expansion: E, kernel: first(K), stride: last(K), squeeze: 2}
  - inverted_residual: {filters: 4, expansion: E, kernel: first(K), stride: last(K)}
  - cell: cell
  - global_avg_pool
"""


@st.composite
def programs(draw: st.DrawFn) -> Program:
    own = st.sampled_from([CELLS, SWITCH, GROUPS])
    text = draw(st.one_of(own, small_spaces(max_size=200), small_spaces(max_size=200)))
    # The C has one data type; without a word a space is in float32.
    dtype = draw(st.sampled_from(["int8", "float32"])) if re.search(r"^dtype:", text, re.M) else "float32"
    space = read_space(re.sub(r"""dtype: *["']?\w+["']?""", f"dtype: {dtype}", text))
    try:
        return compile_space(space, runtime=draw(runtimes(dtype)))
    except EngineError:  # a type that a choice decides
        reject()


@st.composite
def budgeted(draw: st.DrawFn) -> Program:
    """A program with a ROM budget that some network just keeps, or misses by a byte, or more; near the middle."""
    program = draw(programs())
    every = [
        program.costs(v, possible_rows(program, v))["rom"] for v, c in enumerate(program.chains) if not c.impossible
    ]
    known = np.unique(np.concatenate([[0], *every]))
    middle = known[len(known) // 4 : max(len(known) // 4 + 1, 3 * len(known) // 4)]
    return compile_space(program.space, Budgets(rom=draw(bounds(middle))), runtime=program.runtime)


@given(programs(), st.data())
def test_tables_and_walks_agree(program: Program, data: st.DataObject) -> None:
    v = data.draw(st.integers(0, len(program.variants) - 1))
    rows = possible_rows(program, v)
    if not len(rows):
        return
    rows = rows[data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8))]
    found = program.costs(v, rows)
    for k, row in enumerate(rows):
        walked = totals(candidate_of(program, v, row))
        assert {name: values[k] for name, values in found.items() if name != "entropy"} == {
            name: walked[name] for name in found if name != "entropy"
        }


def test_tables_and_walks_agree_on_what_runs_row_by_row() -> None:
    program = compile_space(read_space(ROWS), runtime=find_runtime("nascompile-c", M4, "int8"))
    rows = possible_rows(program, 0)[::3]
    found = program.costs(0, rows)
    walked = [totals(candidate_of(program, 0, row)) for row in rows]
    for name in ("rom", "ram_liveness"):
        assert found[name].tolist() == [one[name] for one in walked]
    steps = candidate_of(program, 0, rows[-1]).steps
    names = [{call.name for call in layer_calls(step.ops, step.x.shape, "int8", "simd")} for step in steps]
    assert ["by_rows" in some for some in names] == [True, False, False, False]


@given(programs(), st.data())
def test_code_is_paid_once(program: Program, data: st.DataObject) -> None:
    """From the names of the kernels, without their bits."""
    runtime = program.runtime
    assert runtime
    v = data.draw(st.integers(0, len(program.variants) - 1))
    rows = possible_rows(program, v)
    if not len(rows):
        return
    candidate = candidate_of(program, v, rows[data.draw(st.integers(0, len(rows) - 1))])
    layers = breakdown(candidate)
    names = {name for terms in layers for name in runtime.names(terms.cost.kernels)}
    assert all(part in names for name in names for part in runtime.needs.get(name, ()))
    shared = runtime.base + sum(runtime.code[name] for name in names)
    assert candidate.costs["rom"] == shared + sum(terms.cost.rom for terms in layers)


@given(budgeted())
def test_the_engines_agree(program: Program) -> None:
    check_solvers(program)


@pytest.mark.parametrize("text", [CELLS, SWITCH, GROUPS])
def test_networks_of_a_space_call_different_kernels(text: str) -> None:
    """What these spaces are for: else code that is paid once would be a constant."""
    program = compile_space(read_space(text), runtime=find_runtime("nascompile-c", M4, "int8"))
    used = set()
    for v in range(len(program.variants)):
        for row in possible_rows(program, v):
            union = 0
            for terms in breakdown(candidate_of(program, v, row)):
                union |= terms.cost.kernels
            used.add(union)
    assert len(used) > 2


def test_a_second_layer_pays_its_constants_only() -> None:
    def rom(*layers: str) -> int:
        lines = "".join(f"  - {layer}\n" for layer in layers)
        text = f"space: s\ninput: {{channels: 4, height: 8, width: 8}}\ndtype: int8\nnetwork:\n{lines}"
        return nc.compile(read_space(text), mcu="stm32f412", runtime="nascompile-c").costs(0, np.zeros((1, 0), int))[
            "rom"
        ][0]

    runtime = find_runtime("nascompile-c", M4, "int8")
    assert runtime
    conv1 = 4 * 4 * 9 + 4 * 9 + 56
    code, pool = runtime.code["conv"] + runtime.code["clamp"], runtime.code["max_pool"] + runtime.code["slide"]
    assert rom("conv: {filters: 4}") == runtime.base + code + conv1
    assert rom("conv: {filters: 4}", "conv: {filters: 4}") == runtime.base + code + 2 * conv1
    assert rom("conv: {filters: 4}", "max_pool") == runtime.base + code + conv1 + pool + 56


@pytest.mark.parametrize("text", [CELLS, SWITCH])
def test_set_files_hold_the_runtime(text: str, tmp_path: Path) -> None:
    every = nc.reduce(read_space(text), mcu="stm32f412", runtime="nascompile-c")
    roms = sorted(int(c.costs["rom"]) for c in every)
    fs = nc.reduce(read_space(text), mcu="stm32f412", runtime="nascompile-c", rom=roms[len(roms) // 2])
    assert 0 < len(fs) < len(every)
    again = FeasibleSet.load(fs.save(tmp_path / "set"))
    assert again == fs
    assert again.program.runtime == fs.program.runtime == find_runtime("nascompile-c", M4, "int8")
    assert [c.costs for c in again] == [c.costs for c in fs]
    assert verify(again)
    assert len(nc.reduce(read_space(text), mcu="stm32f412", rom=roms[len(roms) // 2])) > len(fs)


def test_its_ram_is_what_is_alive_unless_asked_otherwise() -> None:
    assert nc.compile("dscnn", mcu="stm32f412", overrides=["dtype=int8"]).ram_model == "pingpong"
    given = {"mcu": "stm32f412", "runtime": "nascompile-c", "overrides": ["dtype=int8"]}
    assert nc.compile("dscnn", **given).ram_model == "liveness"
    assert nc.compile("dscnn", **given, ram_model="pingpong").ram_model == "pingpong"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"runtime": "nascompile"}, "unknown-runtime", "there is no runtime `nascompile`"),
        ({"runtime": "tflm" * 30}, "unknown-runtime", "known: ebs, nascompile-c"),
        ({"runtime": "tflite-micro"}, "no-rom", "says nothing of ROM: its flash and arena were not measured"),
        ({"runtime": "tflite-micro"}, "no-rom", "take --runtime ebs or --runtime nascompile-c"),
        ({"runtime": "nascompile-c", "mcu": None}, "no-core", "name one with --mcu"),
        ({"runtime": "nascompile-c", "mcu": "esp32"}, "not-measured", "was not measured on a Xtensa LX6 in int8"),
        ({"runtime": "nascompile-c", "overrides": ["dtype=float16"]}, "not-measured", "on a Cortex-M4F in float16"),
    ],
)
def test_mistakes(given: dict[str, object], code: str, words: str) -> None:
    with pytest.raises(RuntimeProfileError) as caught:
        nc.compile("mlp2", **{"mcu": "stm32f412", "overrides": ["dtype=int8"], **given})  # type: ignore[arg-type]
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert words in str(caught.value)


def test_what_a_runtime_cannot_say_it_refuses() -> None:
    conv_op = conv(Shape(3, 8, 8), filters=4)
    x, out = Tensor(Shape(3, 8, 8), "int8", 2), Tensor(Shape(4, 8, 8), "int8", 2)
    with pytest.raises(RuntimeProfileError, match="`ebs` says nothing of latency"):
        Ebs().latency(LatencyProfile("any", "int8"), conv_op, x.shape)
    with pytest.raises(RuntimeProfileError, match="`tflite-micro` says nothing of ROM"):
        TfliteMicro().layer(conv_op, x, out, Settings("int8", True, False, False))


def test_an_operator_without_a_kernel_is_named() -> None:
    made = NascompileC("Cortex-M4F", "int8", 100, 44, {"max_pool": 80})
    x, out = Tensor(Shape(3, 8, 8), "int8", 2), Tensor(Shape(4, 8, 8), "int8", 2)
    with pytest.raises(RuntimeProfileError, match="the runtime `nascompile-c` has no kernel for the operator `conv`"):
        made.layer(conv(x.shape, filters=4), x, out, Settings("int8", True, False, False))


def test_layers_of_another_type_are_refused() -> None:
    text = """space: s
input: {channels: 4, height: 8, width: 8}
dtype: int8
network:
  - conv: {filters: 4}
  - conv: {filters: 4}
    dtype: int16
"""
    assert compile_space(read_space(text)).size == 1
    with pytest.raises(EngineError, match=r"<text>:6:5: a layer `conv` in int16, and the C of `nascompile-c`"):
        compile_space(read_space(text), runtime=find_runtime("nascompile-c", M4, "int8"))
