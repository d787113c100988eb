"""Graphviz text: every path is a network, parallel options share an edge, large columns are cut, `dot` reads it."""

from __future__ import annotations

import re
import subprocess

import pytest

from solvers.text.graphviz import MAX_STATES, dot_text
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from tests.system_tools import needs

needs_dot = needs("dot")

SHARED = """
space: shared
input: {channels: 2, height: 8, width: 8}
choices:
  M: [4, 6, 8, 12]
  K: {options: [[3, 2], [3, 1], [5, 1]], shared: true}
network:
  - conv: {filters: 4, kernel: first(K), stride: last(K)}
  - conv: {filters: 'min(M, 8)'}
  - conv: {filters: 4}
constraints: ['M[1] != 6', 'ram <= 2 KiB']
"""


def edges(text: str) -> list[tuple[str, str, str]]:
    return re.findall(r'(\w+) -> (\w+) \[(?:label="|)(.*?)"?\];', text)


def paths(text: str) -> int:
    """The number of networks: paths weighted by the options on their edges."""
    ends: dict[str, int] = {"s0_0": 1}
    for a, b, label in sorted(edges(text), key=lambda e: (int(e[0][1:].split("_")[0]), e[0][0] == "d")):
        ends[b] = ends.get(b, 0) + ends.get(a, 0) * len(label.split(", "))
    last = max(int(name[1:].split("_")[0]) for name in ends)
    return sum(n for name, n in ends.items() if name.startswith(f"s{last}_"))


def parsed(program: Program) -> str:
    """The text, after `dot` has read it."""
    text = dot_text(program, 0)
    subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True, timeout=60)
    return text


@needs_dot
def test_every_path_is_a_network_and_dot_reads_it() -> None:
    program = compile_space(load_space("dscnn", ["choices.M.step=56", "network.2.repeat=2"]), Budgets(rom=300_000))
    text = parsed(program)
    assert paths(text) == program.size == 4**4
    assert 'label="dscnn; rom <= 300,000";' in text
    assert '[label="84x25x5:float32"]' in text


def test_options_with_one_next_state_share_an_edge() -> None:
    text = dot_text(compile_space(read_space(SHARED)), 0)
    assert edges(text) == [
        ("s0_0", "d0", "arrowhead=none"),
        ("d0", "s1_0", "3x2"),
        ("d0", "s1_1", "3x1..5x1"),
        ("s1_0", "s2_0", "4, 8..12"),
        ("s1_1", "s2_1", "4, 8..12"),
    ]
    assert "; M[1] != 6" not in text  # a local relation is in the edges
    assert "ram <= 2 KiB" in text


@needs_dot
def test_a_large_column_is_cut_with_a_remark() -> None:
    program = compile_space(load_space("mlp2", ["choices.M.step=1"]))
    text = parsed(program)
    assert f"// only {MAX_STATES} of 113 states are drawn here" in text
    assert "73 more states" in text
    assert len(edges(text)) == 1 + 3 * (MAX_STATES + 1)


def test_an_impossible_variant_has_no_graph() -> None:
    text = "space: a\ninput: {channels: 1, height: 3, width: 3}\n"
    text += "network:\n  - conv: {filters: 2, padding: valid, kernel: 2}\n"
    program = compile_space(read_space(text + "    repeat: [1, 2, 3]\n"))
    assert dot_text(program, 1).startswith('digraph "a/2" {')
    with pytest.raises(EngineError, match="impossible-variant"):
        dot_text(program, 2)
