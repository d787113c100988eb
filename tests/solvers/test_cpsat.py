"""CP-SAT: known answers, every operator against brute force, optima against lists, text that loads back, counters."""

from __future__ import annotations

import subprocess
import sys
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solvers.base import solve as solve_with
from solvers.cpsat.engine import Optimum, enumerate_rows, feasible, model_text, optimum, reduced_bounds, solve
from solvers.cpsat.model import lower
from solvers.cpsat.search import enumerate_model, solve_model
from spaces.errors import EngineError, ExpressionError, SpaceError
from spaces.language.expressions import COMPARISONS, Expr, evaluate, parse
from spaces.language.reader import load_space, read_space
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import candidate_of
from spaces.program.compile import compile_space
from spaces.program.constraints import ground
from spaces.program.graph import Budgets, Program
from spaces.program.terms import derived
from tests.oracles import all_candidates, brute_force

EBS = Budgets(rom=1_000_000, ram=262_144)

SMALL = """
space: small
input: {{channels: 2, height: 9, width: 8}}
choices:
  M: [4, 6, 9]
  K: {{options: [[3, 2], [3, 1], [2, 3]], shared: true}}
  W: {{options: [0.5, 1, 1.25], shared: true}}
  A: [relu, none]
  F: {{options: [true, false], shared: true}}
network:
  - conv: {{filters: 'round_to(M * W * 2, 2)', kernel: first(K), stride: last(K)}}
  - conv: {{filters: M, kernel: 1, activation: A}}
  - conv: {{filters: M, kernel: 1 + F, padding: valid}}
  - global_avg_pool
  - linear: {{units: 3}}
constraints:
  - '{constraint}'
"""

#: Every operator and function, over decisions, fractions, text, tuples, metrics and derived quantities.
CONSTRAINTS = [
    "M[1] * M[2] * M[3] <= 200",
    "M[1] * M[2] - M[3] >= 20",
    "-M[1] + 2 * M[2] < M[3]",
    "M[1] != M[2]",
    "M[1] * W == 4.5",
    "W * M[1] + M[2] / 4 > 7.25",
    "M[1] / M[2] <= W",
    "M[1] / (M[2] - 10) >= -1.5",
    "rom / M[1] <= 120",
    "rom / macs + 1 / M[1] <= 0.3",
    "M[1] // M[2] + M[3] // W == 8",
    "(M[1] - M[2]) // 4 + (M[2] - M[3]) % 4 >= 2",
    "(M[1] - 7) // (M[2] - 3) == -3",
    "(M[1] - 7) % (M[2] - 10) == -3",
    "rom % 16 == 0",
    "macs % (M[1] + 1) <= 2",
    "(rom - macs) // 1000 <= -3",
    "min(M) + max(M) == 13",
    "max(M) <= 2 * min(M)",
    "max(M[1], W * 6, M[2]) - min(M[3] / 2, W) <= 6",
    "abs(M[1] - M[2]) + abs(W - 1) <= 2.5",
    "sum(M) * W >= 18",
    "sum(M) == 18 or M[1] == 9 and not M[2] == 4",
    "not (M[1] < M[2] or M[2] < M[3])",
    "(M[1] == 4) + (M[2] == 4) + (M[3] == 4) == 1",
    "F or M[3] == 9 and not M[1] == 4",
    "not F or W < 1",
    "F == (M[1] < M[2])",
    "F * M[1] + M[2] * 2 / 3 >= 8 + (M[1] > M[3])",
    "F and rom > 500",
    "round_to(M[1] * W + M[2] / 3, 4) == 8",
    "floor(M[1] * W) + ceil(M[2] / 5) - floor(M[3] / 4 - 2) == 10",
    "ceil(W - M[1] / 2) <= -2",
    "first(K) * M[1] + last(K) * M[2] <= 30",
    'A == "relu" or M[1] + M[2] <= 10',
    "height[1] * width[1] * channels[1] * height[3] * width[3] >= 600",
    "min(channels) >= 6 and max(height) <= 5",
    "channels[1] % channels[2] == 0",
    "height[3] != width[3]",
    "ram * 2 <= rom + 500",
    "ram % 64 == 32",
    "rom * ram <= 2_000_000",
    "rom > 500 and (flops <= 9_000 or params >= 150)",
    "2 * flops == 4 * macs and rom == 4 * params and M[1] * 2 < M[3] + 4",
    "rom / ram >= W",
    "1 <= M[1] - M[2] <= 3",
    "rom / (M[1] - 4.5) >= 400",
    "rom % (2 * M[1] - 11) == 1",
    "macs // (M[1] - M[2] + 0.5) in [-9000, -5000] or M[3] == 4",
    "sum(M[1:2]) * W not in [6, 7.5, 8]",
    "sum(M[2:]) - min(channels[1:2]) <= 5",
    'A[1] in ["none"] and ram not in [512, 1024]',
]


def residual_program(constraint: str, monkeypatch: pytest.MonkeyPatch, ram_model: str = "pingpong") -> Program:
    """A small space with one constraint, which no table of the compiler enforces."""
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", 0)
    constraint = constraint.replace("A ==", "A[1] ==")
    return compile_space(read_space(SMALL.format(constraint=constraint)), ram_model=ram_model)


def lines(program: Program) -> list[str]:
    return [
        str(candidate_of(program, v, row)) for v in range(len(program.variants)) for row in enumerate_rows(program, v)
    ]


@pytest.mark.parametrize("tabulated", [4, 20_000], ids=["native", "tables"])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_every_operator_equals_brute_force(constraint: str, tabulated: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solvers.cpsat.expressions.MAX_TABULATED", tabulated)
    program = residual_program(constraint, monkeypatch)
    found = lines(program)
    assert found == brute_force(program)
    assert 0 < len(found) < program.size


NUMBERS = [
    *("M[1]", "M[2]", "M[3]", "W", "F", "rom", "ram", "macs", "first(K)", "last(K)"),
    *("height[1]", "channels[1]", "width[3]", "2", "3", "-5", "0.5", "7"),
]


def _larger(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(numbers, st.sampled_from(["+", "-", "*", "//", "%", "/"]), numbers).map(
            lambda t: "({} {} {})".format(*t)
        ),
        st.sampled_from(["sum(M[1:2])", "max(M[2:])", "min(channels[:2])"]),
        st.tuples(numbers, numbers, numbers).map(lambda t: "({} in [{}, {}])".format(*t)),
        st.tuples(st.sampled_from(["min", "max", "sum"]), numbers, numbers).map(lambda t: "{}({}, {})".format(*t)),
        st.tuples(st.sampled_from(["abs", "floor", "ceil", "-"]), numbers).map(lambda t: "{}({})".format(*t)),
        st.tuples(numbers, st.sampled_from([1, 2, 5])).map(lambda t: "round_to({}, {})".format(*t)),
        st.tuples(numbers, numbers, st.sampled_from(["and", "or"])).map(
            lambda t: "(not {0} < 4 {2} {1} >= 6)".format(*t)
        ),
    )


@cache
def walked() -> list[tuple[str, dict[str, Any]]]:
    """Every network of the small space, with all that a constraint can name."""
    program = compile_space(read_space(SMALL.format(constraint="W <= 2")))
    return [(str(c), {**c.values, **derived(breakdown(c)), **totals(c)}) for c in all_candidates(program)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(st.sampled_from(NUMBERS), _larger, max_leaves=5),
    st.sampled_from(COMPARISONS),
    st.sampled_from(NUMBERS),
)
def test_any_expression_equals_brute_force(left: str, op: str, right: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("solvers.cpsat.expressions.MAX_TABULATED", 4)
        try:
            program = residual_program(f"{left} {op} {right}", monkeypatch)
            found = lines(program)
        except (EngineError, SpaceError) as error:
            code = error.diagnostics[0].code
            if code in ("impossible-space", "too-large"):  # always false
                return
            if code != "division-by-zero":
                raise
            assert any(truth(f"{left} {op} {right}", names) is None for _, names in walked())
            return
        assert found == [line for line, names in walked() if truth(f"{left} {op} {right}", names)]


@lru_cache
def grounded(constraint: str) -> list[Expr]:
    """The conditions of a constraint in the small space."""
    return ground(parse(constraint), compile_space(read_space(SMALL.format(constraint="W <= 2"))).variants[0])


def truth(constraint: str, names: dict[str, Any]) -> bool | None:
    """Whether a network satisfies a constraint; None where it divides by zero."""
    try:
        return all(evaluate(tree, names) for tree in grounded(constraint))
    except ZeroDivisionError:
        return None


GUARDED = [
    ("M[1] != 6 and rom // (M[1] - 6) >= 100", None),
    ("M[1] == 6 or rom // (M[1] - 6) >= 100", None),
    ("not (M[1] == 6 or rom // (M[1] - 6) >= 100)", None),
    ("(M[1] != 6 and rom // (M[1] - 6) >= 100) == F", None),
    ("M[1] != M[2] and (M[1] == 4 or macs / (M[1] - M[2]) > 50)", None),
    ("M[1] != M[2] and (M[1] == 4 or macs % (M[1] - M[2]) == 0)", None),
    ("rom > 400 and macs // (rom - 400) >= 1", None),
    ("M[1] < 9 and rom // (M[1] - 6) >= 100", "division-by-zero"),
    ("rom // (M[1] - 6) >= 100 and M[1] != 6", "division-by-zero"),
    ("M[2] == 4 or rom // (M[1] - 6) >= 100", "division-by-zero"),
    ("M[1] <= 4 and rom // (M[1] - 6) >= -9000", None),
    ("M[2] < 0 and rom // (M[1] - 6) >= 0", ""),
]


@pytest.mark.parametrize("tabulated", [4, 20_000], ids=["native", "tables"])
@pytest.mark.parametrize(("constraint", "code"), GUARDED)
def test_a_right_side_is_guarded(
    constraint: str, code: str | None, tabulated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solvers.cpsat.expressions.MAX_TABULATED", tabulated)
    program = residual_program(constraint, monkeypatch)
    expected = [line for line, names in walked() if truth(constraint, names)]
    assert bool(code) == any(truth(constraint, names) is None for _, names in walked())
    for solver in ("cp-sat", "exhaustive"):
        if code:
            with pytest.raises(ExpressionError, match=code):
                solve_with(program, solver)
        else:
            assert [str(c) for c in solve_with(program, solver)] == expected
    assert code is not None or 0 < len(expected) < program.size


def test_what_the_limits_exclude_divides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with brute force: a constraint is asked of what keeps the limits, and the constraints before it."""
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", 0)
    text = SMALL.format(constraint="macs // (M[1] - 9) < 0")
    with pytest.raises(ExpressionError, match="division-by-zero"):
        solve(compile_space(read_space(text)))
    program = compile_space(read_space(text, overrides=["constraints=['M[1] * rom < 3000', 'macs // (M[1] - 9) < 0']"]))
    found = [str(c) for c in solve(program)]
    assert found == [str(c) for c in solve_with(program, "exhaustive")]
    assert found


def test_ram_in_an_expression_is_that_of_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    program = residual_program("ram % 64 == 32", monkeypatch, ram_model="liveness")
    assert lines(program) == brute_force(program) != []


def test_a_constraint_that_needs_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", 0)
    text = "space: a\ninput: {channels: 3}\nnetwork: [linear: {units: 4}]\nconstraints: ['ram * rom <= %d']"
    fits, too_large = (compile_space(read_space(text % bound)) for bound in (48 * 28, 48 * 28 - 1))
    assert enumerate_rows(fits, 0).shape == (1, 0)
    assert enumerate_rows(too_large, 0).shape == (0, 0)
    assert (len(solve(fits)), len(solve(too_large))) == (1, 0)
    assert optimum(fits, 0, "rom") == Optimum(48, ())
    assert optimum(fits, 0, "entropy") == Optimum(4.0, ())
    assert reduced_bounds(fits, 0) == ()
    assert feasible(too_large, 0) is None


# -- known answers -----------------------------------------------------------------------------------------------------


def test_mlp2_has_the_14_pairs_of_the_paper() -> None:
    program = compile_space(load_space("mlp2"), Budgets(rom=13_600))
    rows = enumerate_rows(program, 0)
    assert len(rows) == len(solve(program)) == 14
    assert reduced_bounds(program, 0) == (80, 96)


def test_dscnn_has_4160_members_of_depth_6_each_once_and_in_order() -> None:
    program = compile_space(load_space("dscnn", ["network.2.repeat=4"]), EBS)
    calls: list[tuple[str, int]] = []
    rows = enumerate_rows(program, 0, lambda task, count: calls.append((task, count)))
    assert len(np.unique(rows, axis=0)) == len(rows) == 4_160
    assert (np.lexsort(rows.T[::-1]) == np.arange(4_160)).all()
    assert calls == []  # only every 5,000th solution reports


@pytest.mark.parametrize("ram_model", ["pingpong", "liveness"])
@pytest.mark.parametrize("budgets", [EBS, Budgets(ram=230_000), Budgets(rom=300_000, macs=7_000_000), Budgets()])
def test_budgets_equal_brute_force(budgets: Budgets, ram_model: str) -> None:
    space = load_space("dscnn", ["choices.M.step=56", "network.2.repeat=[1, 2]"])
    program = compile_space(space, budgets, ram_model=ram_model)
    assert lines(program) == brute_force(program)


def test_progress_reports_variant_and_count() -> None:
    calls: list[tuple[str, int]] = []
    program = compile_space(load_space("dscnn", ["network.2.repeat=[3, 4]"]), Budgets(rom=1_000_000))
    enumerate_rows(program, 0, lambda task, count: calls.append((task, count)))
    assert calls[:2] == [("variant 5", 5_000), ("variant 5", 10_000)]


def test_an_exception_in_progress_reaches_the_caller() -> None:
    def cancel(task: str, count: int) -> None:
        raise RuntimeError("cancelled")

    program = compile_space(load_space("dscnn", ["network.2.repeat=3"]), Budgets(rom=1_000_000))
    with pytest.raises(RuntimeError, match="cancelled"):
        enumerate_rows(program, 0, cancel)


def test_an_impossible_variant_has_no_rows() -> None:
    text = """
space: vanishing
input: {channels: 1, height: 5, width: 5}
choices: {M: [2, 3]}
network:
  - conv: {filters: M, kernel: 3, padding: valid}
    repeat: [1, 2, 3]
"""
    program = compile_space(read_space(text))
    assert [bool(chain.impossible) for chain in program.chains] == [False, False, True]
    assert enumerate_rows(program, 2).shape == (0, 3)
    assert (feasible(program, 2), optimum(program, 2, "rom"), reduced_bounds(program, 2)) == (None, None, None)
    assert len(solve(program)) == 2 + 4
    with pytest.raises(EngineError, match="impossible-variant"):
        model_text(program, 2)


# -- single questions --------------------------------------------------------------------------------------------------

METRICS = ("rom", "ram", "ram_pingpong", "ram_liveness", "params", "macs", "flops", "entropy")


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("constraint", ["W <= 2", "max(M) <= 2 * min(M)", "channels[1] % channels[2] == 0"])
def test_optima_equal_those_of_the_list(
    metric: str, sense: str, constraint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = residual_program(constraint, monkeypatch)
    costs = program.costs(0, enumerate_rows(program, 0))[metric]
    found = optimum(program, 0, metric, sense)
    assert found is not None
    assert found.value == pytest.approx(max(costs) if sense == "max" else min(costs), rel=1e-9)
    assert program.costs(0, np.array([found.row]))[metric][0] == found.value
    assert isinstance(found.value, float if metric == "entropy" else int)


def test_optimum_of_decisions_and_reduced_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    program = residual_program("M[1] * W + M[2] * M[3] <= 30", monkeypatch)
    decisions = program.variants[0].decisions
    rows = enumerate_rows(program, 0)
    largest = tuple(max(d.options[x] for x in rows[:, t]) if d.numeric else None for t, d in enumerate(decisions))
    assert reduced_bounds(program, 0) == largest
    assert None in largest
    for t, d in enumerate(decisions):
        if d.numeric:
            found = [optimum(program, 0, d.label, sense) for sense in ("max", "min")]
            assert [o.value for o in found if o] == [largest[t], min(d.options[x] for x in rows[:, t])]


def test_feasible_is_a_member_or_none() -> None:
    space = load_space("dscnn", ["choices.M.step=56", "network.2.repeat=2"])
    program = compile_space(space, Budgets(rom=150_000, ram=300_000))
    row = feasible(program, 0)
    assert row is not None
    assert str(candidate_of(program, 0, np.array(row))) in brute_force(program)
    empty = compile_space(space, Budgets(rom=100_000, ram=300_000))
    assert (
        feasible(empty, 0)
        is optimum(empty, 0, "entropy")
        is optimum(empty, 0, "ram")
        is reduced_bounds(empty, 0)
        is None
    )
    assert feasible(empty, 0, limits=["ram"]) is not None
    assert feasible(empty, 0, limits=["rom"]) is None


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "code", "hint"),
    [("rum", "unknown-metric", "did you mean `rom` or `ram`"), ("K", "not-numeric", "numeric decision")],
)
def test_a_metric_that_has_no_optimum(metric: str, code: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError) as caught:
        optimum(residual_program("W <= 2", monkeypatch), 0, metric)
    assert caught.value.diagnostics[0].code == code
    assert hint in caught.value.diagnostics[0].hint


@pytest.mark.parametrize(
    ("constraint", "code"),
    [
        ("rom / (M[1] - M[2]) >= 4", "division-by-zero"),
        ("rom * rom * rom * rom * macs * macs <= 1", "too-large"),
        ("rom + K >= 4", "not-numeric"),
    ],
)
def test_what_cannot_be_lowered_points_at_the_constraint(
    constraint: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = residual_program(constraint, monkeypatch)
    with pytest.raises((EngineError, ExpressionError)) as caught:
        enumerate_rows(program, 0)
    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == (code, 17)
    assert diagnostic.hint


def test_a_constraint_without_a_value_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    program = residual_program("M[3] / (M[1] - M[2]) >= 4", monkeypatch)
    with pytest.raises(ExpressionError, match="division-by-zero"):
        enumerate_rows(program, 0)


def test_a_model_that_cp_sat_refuses_is_an_error() -> None:
    program = compile_space(load_space("mlp2"), Budgets(rom=13_600))
    model = lower(program.chains[0], "pingpong")
    model.native.proto.variables[0].domain.append(3)
    with pytest.raises(EngineError) as caught:
        solve_model(model)
    assert caught.value.diagnostics[0].code == "model-invalid"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_reaches_the_caller_at_once() -> None:
    # In a process of its own: a signal that comes early or late must not end the tests.
    code = """if True:
        import os, signal, threading
        from ortools.sat.python import cp_model
        from solvers.cpsat.engine import enumerate_rows
        from spaces import Budgets, compile_space, load_space
        program = compile_space(load_space("dscnn", ["network.2.repeat=6"]), Budgets(rom=4_000_000))
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            enumerate_rows(program, 0)  # minutes
        except KeyboardInterrupt:
            print("caught")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "caught\n")


# -- the model itself --------------------------------------------------------------------------------------------------


def test_the_text_loads_back_and_has_the_same_optimum() -> None:
    from ortools.sat import cp_model_pb2
    from ortools.sat.python import cp_model

    program = compile_space(load_space("dscnn", ["choices.M.step=56", "network.2.repeat=2"]), Budgets(300_000, 262_144))
    text = model_text(program, 0)
    proto = text_format.Parse(text, cp_model_pb2.CpModelProto())
    assert {"M[1]", "M[4]", "rom[2]"} <= {variable.name for variable in proto.variables}
    model = cp_model.CpModel()
    assert model.proto.parse_text_format(text)
    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True

    class Count(cp_model.CpSolverSolutionCallback):
        count = 0

        def on_solution_callback(self) -> None:
            self.count += 1

    counter = Count()
    solver.solve(model, counter)
    assert counter.count == len(enumerate_rows(program, 0)) == 13


def test_columns_that_repeat_each_other_share_a_variable() -> None:
    program = compile_space(load_space("dscnn"), Budgets(rom=1_000_000, params=250_000, macs=10**7, flops=2 * 10**7))
    model = lower(program.chains[0], "pingpong")
    names = [variable.name for variable in model.native.proto.variables]
    # Here the filters are the state, ROM is 4 * params and FLOPs 2 * MACs; feature maps of one size make MACs follow
    # ROM, but for the last layer, which carries the classifier.
    assert names == [*(f"M[{t}]" for t in range(1, 7)), *(f"rom[{t}]" for t in range(2, 7)), "flops[6]"]


def test_counters_repeat_from_run_to_run() -> None:
    program = compile_space(load_space("dscnn", ["network.2.repeat=3"]), EBS)
    runs = [enumerate_model(lower(program.chains[0], "pingpong")) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
    assert runs[0][1].branches > len(runs[0][0])
    assert np.array_equal(runs[0][0], runs[1][0])


def test_importing_the_engine_does_not_import_ortools() -> None:
    code = (
        "import sys, solvers.cpsat.engine, solvers.explain, solvers.text.minizinc; sys.exit('ortools' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
