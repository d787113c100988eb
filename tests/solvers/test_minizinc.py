"""MiniZinc text: the models that MiniZinc itself counts and prints are our own members."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from solvers.cpsat.engine import enumerate_rows
from solvers.text.minizinc import minizinc_text
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.oracles import all_candidates, brute_force
from tests.system_tools import needs

needs_minizinc = needs("minizinc")

SPACE = """
space: cut
input: {{channels: 2, height: 9, width: 8}}
choices:
  var: [4, 6, 9]
  K: {{options: [[3, 2], [3, 1]], shared: true}}
  A: [relu, none]
network:
  - conv: {{filters: var, kernel: first(K), stride: last(K)}}
  - conv: {{filters: var, kernel: 2, padding: valid, activation: A}}
  - linear: {{units: 3}}
constraints:
  - '{constraint}'
"""


def solved(program: Program, folder: Path, variant: int = 0) -> list[str]:
    """The candidates' lines that MiniZinc prints."""
    path = folder / "model.mzn"
    path.write_text(minizinc_text(program, variant))
    run = subprocess.run(["minizinc", "-a", str(path)], capture_output=True, text=True, check=True, timeout=120)
    return [line for line in run.stdout.splitlines() if ": " in line]


def test_the_text_is_the_same_every_time_and_names_what_it_holds() -> None:
    program = compile_space(load_space("dscnn", ["choices.M.step=98", "network.2.repeat=1"]), Budgets(300_000, 262_144))
    text = minizinc_text(program, 0)
    assert text == minizinc_text(program, 0)
    assert "var {84, 182, 280}: 'M[3]';" in text
    assert "constraint 'rom 1' + 'rom 2' + 'rom 3' <= 300000;" in text
    assert "var int: 'largest even' = max([1960, 'even 2']);" in text
    assert "constraint 'largest even' + 'largest odd' <= 262144;" in text


@needs_minizinc
def test_mlp2_has_14_solutions(tmp_path: Path) -> None:
    program = compile_space(load_space("mlp2"), Budgets(rom=13_600))
    found = solved(program, tmp_path)
    assert len(found) == 14
    assert found == brute_force(program)


@needs_minizinc
@pytest.mark.parametrize("ram_model", ["pingpong", "liveness"])
def test_dscnn_has_our_members(tmp_path: Path, ram_model: str) -> None:
    space = load_space("dscnn", ["choices.M.step=56", "network.2.repeat=[1, 2]"])
    program = compile_space(space, Budgets(rom=300_000, ram=290_000, macs=12_000_000), ram_model=ram_model)
    found = [solved(program, tmp_path, variant) for variant in range(2)]
    assert [len(lines) for lines in found] == [len(enumerate_rows(program, variant)) for variant in range(2)]
    assert found[0] + found[1] == brute_force(program) != []


@needs_minizinc
@pytest.mark.parametrize("carried", [0, 4096], ids=["residual", "local"])
@pytest.mark.parametrize(
    "constraint",
    [
        "var[1] * var[2] <= 40",
        "rom % 16 == 8 or not ram < 1000",
        "(2 * height[2] - channels[1]) // 3 >= -1 and macs % 5 <= 2",
        "abs(var[1] - 5) + min(var) - max(var) >= sum(var) - 12",
        'A[1] == "relu" and first(K) + last(K) >= 5',
        "(rom > 1000) + (var[1] == 4) == 1",
        "-rom + 3 * macs >= 8_000",
        "sum(var) <= 12",
        "var[1] in [4, 9] and ram not in [1024, 2048]",
        "max(var[1:2]) + sum(var[2:]) - macs // 1000 in [10, 12, 13]",
        "entropy > {entropy}",
        "{entropy} > entropy and rom >= 150",
        "entropy == {entropy}",
        "var[1] != 6 and macs // (var[1] - 6) >= -2000",
        "var[1] == 6 or rom // (var[1] - 6) <= -100",
    ],
)
def test_constraints_have_our_members(
    tmp_path: Path, constraint: str, carried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", carried)
    if "{entropy}" in constraint:
        middle = all_candidates(compile_space(read_space(SPACE.format(constraint="rom >= 0"))))[10]
        constraint = constraint.replace("{entropy}", repr(middle.costs["entropy"]))
    program = compile_space(read_space(SPACE.format(constraint=constraint)))
    expected = brute_force(program)
    assert solved(program, tmp_path) == expected
    assert 0 < len(expected) < program.size


@needs_minizinc
def test_a_network_without_decisions(tmp_path: Path) -> None:
    text = "space: a\ninput: {channels: 3}\nnetwork: [linear: {units: 4}]\n"
    assert solved(compile_space(read_space(text), Budgets(rom=48)), tmp_path) == ["a: "]
    assert solved(compile_space(read_space(text), Budgets(rom=47)), tmp_path) == []


def test_what_has_no_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces.program.constraints.MAX_CARRIED", 0)
    program = compile_space(read_space(SPACE.format(constraint="rom / macs + var[1] <= 4.5")))
    with pytest.raises(EngineError) as caught:
        minizinc_text(program, 0)
    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("not-whole", 13)
    assert "CP-SAT" in diagnostic.hint
