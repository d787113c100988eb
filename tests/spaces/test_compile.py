"""The compiled tables: states, transitions, what is carried, what is fixed."""
# ruff: noqa: E501

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from spaces.errors import EngineError, SpaceError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.runtimes.ebs import Ebs


def compiled(choices: str, network: str, *constraints: str, budgets: Budgets | None = None) -> Program:
    text = f"space: s\ninput: {{channels: 4, height: 8, width: 8}}\nchoices: {{{choices}}}\nnetwork:\n{network}"
    if constraints:
        text += "constraints:\n" + "".join(f"  - {c}\n" for c in constraints)
    return compile_space(read_space(text), budgets or Budgets())


def rows_kept(program: Program) -> list[tuple[int, ...]]:
    """The rows that no transition forbids."""
    (chain,) = program.chains
    rows = np.array(list(product(*(range(len(d.options)) for d in chain.variant.decisions))))
    return [tuple(row) for row in rows[(chain.states(rows) >= 0).all(axis=1)].tolist()]


def test_a_stage_per_decision_and_a_state_per_tensor() -> None:
    program = compile_space(load_space("dscnn"))
    assert [[stage.shape for stage in chain.stages] for chain in program.chains] == [
        [(1, 8)] + [(8, 8)] * (depth - 1) for depth in (6, 7, 8)
    ]
    first, second, third = program.chains[0].stages[:3]
    assert first.states == ("1x49x10:float32",)
    assert second.states == tuple(f"{m}x49x10:float32" for m in range(84, 281, 28))
    assert third.states == tuple(f"{m}x25x5:float32" for m in range(84, 281, 28))
    assert first.next.tolist() == [list(range(8))]
    assert second.next.tolist() == [list(range(8))] * 8


def test_tables_hold_the_costs_of_the_layers() -> None:
    (chain,) = compile_space(load_space("mlp2")).chains
    first, last = chain.stages
    assert first.costs["params"].tolist() == [[18 * m for m in range(16, 129, 16)]]
    assert first.column("odd").tolist() == [[4 * m for m in range(16, 129, 16)]]
    assert first.column("even").tolist() == [[0] * 8]
    # The classifier has no decision of its own: it runs with the last one.
    assert last.costs["params"][2, 4] == 48 * 80 + 80 * 12
    assert last.column("even")[2, 4] == 4 * 80
    assert last.column("odd")[2, 4] == 0
    assert last.costs["rom"].dtype == np.int64
    assert chain.base["even"] == 4 * 18
    assert chain.out_size.tolist() == [16, 32, 48, 64, 80, 96, 112, 128]


def test_layers_before_the_first_decision_are_the_base() -> None:
    (chain,) = compiled("M: [1, 2]", "  - conv: {filters: 3}\n  - conv: {filters: M}\n  - conv: {filters: 5}\n").chains
    assert chain.base["params"] == 9 * 4 * 3
    assert chain.base["odd"] == 4 * 3 * 64
    assert [stage.shape for stage in chain.stages] == [(1, 2)]
    assert chain.stages[0].costs["params"].tolist() == [[9 * 3 * m + 9 * m * 5 for m in (1, 2)]]


def test_a_space_without_decisions() -> None:
    program = compiled("", "  - conv: {filters: 3}\n")
    assert (program.size, program.chains[0].stages) == (1, ())
    costs = program.costs(0, np.zeros((1, 0), np.int64))
    assert {name: values.tolist() for name, values in costs.items() if name != "entropy"} == {
        "rom": [432], "ram": [1792], "params": [108], "macs": [6912], "flops": [13824],
        "ram_pingpong": [1792], "ram_liveness": [1792],
    }  # fmt: skip


def test_a_shared_decision_is_carried_while_needed() -> None:
    network = "  - conv: {filters: S}\n  - conv: {filters: M}\n  - conv: {filters: S}\n  - conv: {filters: M}\n"
    (chain,) = compiled("M: [1, 2], S: {options: [3, 4], shared: true}", network).chains
    assert [d.label for d in chain.variant.decisions] == ["S", "M[1]", "M[2]"]
    # Before M[1] the tensor tells S; before M[2] layer 3 has run, and nothing needs S any more.
    assert [stage.states for stage in chain.stages] == [
        ("4x8x8:float32",),
        ("3x8x8:float32 S=3", "4x8x8:float32 S=4"),
        ("3x8x8:float32", "4x8x8:float32"),
    ]


@pytest.mark.parametrize(
    ("constraint", "kept"),
    [
        ("M[i] >= M[i+1]", lambda a, b, c: a >= b >= c),
        ("M[1] == M[3]", lambda a, b, c: a == c),
        ("M[1] + M[2] > M[3]", lambda a, b, c: a + b + 2 > c + 1),
        ("max(M) - min(M) <= 1", lambda a, b, c: max(a, b, c) - min(a, b, c) <= 1),
        ("channels[i] != channels[i+1]", lambda a, b, c: a != b != c),
        ("M[1] % 2 == 0 or channels[-1] == 1", lambda a, b, c: a % 2 == 1 or c == 0),
        ("depth == 3", lambda a, b, c: True),
        ("M[2] < 3 and M[2] > 1", lambda a, b, c: b == 1),
        ("M[i] >= M[i-2]", lambda a, b, c: c >= a),
        ("M[-2] == 3", lambda a, b, c: b == 2),
        ("sum(M) == 4 and M[1] * M[2] == 2", lambda a, b, c: a + b + c == 1 and (a + 1) * (b + 1) == 2),
    ],
)
def test_relations_delete_transitions(constraint: str, kept: object) -> None:
    program = compiled("M: [1, 2, 3]", "  - conv: {filters: M}\n    repeat: 3\n", constraint)
    assert rows_kept(program) == [row for row in product(range(3), repeat=3) if kept(*row)]  # type: ignore[operator]
    assert (program.chains[0].limits, program.chains[0].residual) == ((), ())


def test_a_relation_carries_only_what_it_needs() -> None:
    network = "  - conv: {filters: M}\n    repeat: 4\n"
    (chain,) = compiled("M: [1, 2, 3]", network, "M[1] == M[3]").chains
    assert [stage.shape[0] for stage in chain.stages] == [1, 3, 9, 3]
    (chain,) = compiled("M: [1, 2, 3]", network, "M[i] >= M[i+1]").chains
    assert [stage.shape[0] for stage in chain.stages] == [1, 3, 3, 3]


def test_options_that_vanish_are_missing_transitions() -> None:
    network = "  - conv: {filters: 2, kernel: K, padding: valid}\n    repeat: 2\n"
    program = compiled("K: [1, 4, 6, 9]", network)
    # 8 - k + 1 remains after the first layer.
    assert rows_kept(program) == [
        (a, b) for a, b in product(range(4), repeat=2) if (1, 4, 6, 9)[a] + (1, 4, 6, 9)[b] <= 9
    ]


def test_a_variant_that_cannot_be() -> None:
    program = compiled("M: [1, 2]", "  - conv: {filters: M, kernel: 4, padding: valid}\n    repeat: [1, 2, 3]\n")
    assert [chain.impossible for chain in program.chains] == ["", "", "the height vanishes: a window of 4 on 2"]
    assert program.size == 2 + 4 + 8


def test_budgets_become_limits() -> None:
    network = "  - conv: {filters: 2}\n  - conv: {filters: M}\n"
    (chain,) = compiled(
        "M: [1, 2]", network, "ram < 3 KiB", "macs <= 10M", "2 * macs < 9999", budgets=Budgets(rom=500, ram=4000)
    ).chains
    assert [(limit.name, limit.metric, limit.bound, limit.budget) for limit in chain.limits] == [
        ("rom", "rom", 500 - 4 * 9 * 4 * 2, 500),
        ("macs <= 10M", "macs", 10**7 - 9 * 4 * 2 * 64, 10**7),
        ("2 * macs < 9999", "macs", 4999 - 9 * 4 * 2 * 64, 4999),
    ]
    assert chain.limits[0].columns[0].tolist() == [[4 * 18, 4 * 36]]
    assert chain.ram_limits == (("ram", 4000), ("ram < 3 KiB", 3071))
    assert chain.ram_limit == 3071


@pytest.mark.parametrize("constraint", ["macs >= 1", "macs + rom <= 9999", "macs <= 9000 * M[1]"])
def test_a_sum_that_is_no_upper_bound_on_one_metric_has_none(constraint: str) -> None:
    (chain,) = compiled("M: [1, 2]", "  - conv: {filters: M}\n", constraint).chains
    assert [limit.metric for limit in chain.limits] == [""]


def test_code_sizes_and_ram_model() -> None:
    program = compile_space(load_space("mlp2"), ram_model="liveness", runtime=Ebs({"linear": 100}))
    costs = program.costs(0, np.array([[0, 1]]))
    assert costs["rom"].item() == 4 * (18 * 16 + 16 * 32 + 32 * 12) + 300
    assert costs["ram"].item() == costs["ram_liveness"].item() == 4 * (16 + 32)


@pytest.mark.parametrize(
    ("network", "constraints", "expected"),
    [
        ("  - conv: {filters: M * 1000000000000}\n", (), "too-large: a layer `conv` on 4x8x8 costs more than 2^52"),
        ("  - max_pool: {padding: 100000000000000000000}\n  - linear: {units: M}\n", (), "too-large: a layer `max_pool` on 4x8x8 costs more than 2^52"),
        ("  - conv: {filters: M}\n", ("rom * 9000000000000000 <= M[1]",), "too-large: `rom * 9000000000000000 <= M[1]` reaches numbers above 2^62"),
    ],
)  # fmt: skip
def test_numbers_beyond_64_bits_are_refused(network: str, constraints: tuple[str, ...], expected: str) -> None:
    with pytest.raises(EngineError) as caught:
        compiled("M: [1000, 2000]", network, *constraints)
    (d,) = caught.value.diagnostics
    assert (f"{d.code}: {d.message}", d.span is not None) == (expected, True)


def test_the_largest_layers_that_are_allowed_still_add_up() -> None:
    filters = 2**20
    program = compiled("M: [1]", f"  - conv: {{filters: {filters}, kernel: 1}}\n  - conv: {{filters: {2**22}, kernel: 1}}\n    repeat: 2\n  - linear: {{units: M}}\n")  # fmt: skip
    costs = program.costs(0, np.zeros((1, 1), np.int64))
    assert costs["macs"].item() == 64 * (4 * filters + filters * 2**22 + 2**44) + 64 * 2**22


def test_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces.program.tabulate.MAX_STATES", 5)
    with pytest.raises(EngineError, match="leads to 9 states; at most 5 are supported"):
        compiled("M: [1, 2, 3]", "  - conv: {filters: M}\n    repeat: 3\n", "M[1] == M[3]")


def test_no_network_can_exist() -> None:
    with pytest.raises(SpaceError) as caught:
        compiled("M: [1, 2]", "  - conv: {filters: M, kernel: 9, padding: valid}\n")
    (d,) = caught.value.diagnostics
    assert (str(d.span), d.code, d.message, d.hint) == (
        "<text>:5:5",
        "impossible-space",
        "no network of `s` can exist: the height vanishes: a window of 9 on 8",
        "lower the strides, kernels or repeats",
    )


def test_constraints_that_leave_nothing_are_an_answer() -> None:
    program = compiled("M: [1, 2]", "  - conv: {filters: M}\n    repeat: 2\n", "M[1] > M[2]", "M[2] > M[1]")
    (chain,) = program.chains
    assert chain.impossible == "`M[1] > M[2]` and `M[2] > M[1]` do not hold together"
    assert (program.size, chain.stages) == (4, ())


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        (("M[1] > M[2]", "M[2] > M[1]"), "`M[1] > M[2]` and `M[2] > M[1]` do not hold together"),
        (("M[1] >= M[2]", "M[2] >= M[1]", "M[1] > 5", "M[1] != 2"), "`M[1] > 5` does not hold"),
        (
            ("M[1] != M[2]", "M[1] * M[2] == 1", "M[2] <= 2"),
            "`M[1] != M[2]` and `M[1] * M[2] == 1` do not hold together",
        ),
        (("M[1] != 1", "M[1] // (M[1] - 1) < 2"), "`M[1] // (M[1] - 1) < 2` does not hold"),
    ],
)
def test_only_relations_that_rule_a_variant_out_are_named(constraints: tuple[str, ...], expected: str) -> None:
    (chain,) = compiled("M: [1, 2]", "  - conv: {filters: M}\n    repeat: 2\n", *constraints).chains
    assert chain.impossible == expected


def test_a_relation_is_not_blamed_for_a_shape_that_vanishes() -> None:
    network = "  - conv: {filters: M, padding: valid, kernel: 5}\n    repeat: [1, 2]\n"
    (chain, other) = compiled("M: [1, 2]", network, "M[1] >= 2").chains
    assert (chain.impossible, other.impossible) == ("", "the height vanishes: a window of 5 on 4")


def test_a_relation_without_which_there_are_too_many_states_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces.program.tabulate.MAX_STATES", 3)
    relations = ("M[2] == 1", "M[4] > M[2]", "M[4] < M[2]")
    network = "  - conv: {filters: M}\n    repeat: 4\n"
    (chain,) = compiled("M: [1, 2, 3]", network, *relations).chains
    assert chain.impossible == "`M[2] == 1` and `M[4] < M[2]` do not hold together"


def test_relations_apart_are_residual() -> None:
    program = compiled("M: [1, 2]", "  - conv: {filters: M}\n    repeat: 2\n", "M[1] > M[2]", "M[2] > M[1]")
    (chain,) = compile_space(program.space, apart=True).chains
    assert [str(r.expression) for r in chain.residual] == ["M[1] > M[2]", "M[2] > M[1]"]
    assert (chain.impossible, chain.local, [stage.shape for stage in chain.stages]) == ("", (), [(1, 2), (2, 2)])
