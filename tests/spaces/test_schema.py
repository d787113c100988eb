"""The JSON schemas accept what the readers accept."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from spaces.costs.latency_file import ProfileKeys
from spaces.language.keys import editor_schema
from spaces.language.library import library
from spaces.language.schema import json_schema
from spaces.language.source import read_yaml
from spaces.targets.target_file import TargetKeys
from tests.strategies import documents

SCHEMA = json_schema()
TARGET = editor_schema(TargetKeys, "target")
LATENCY = editor_schema(ProfileKeys, "latency profile")
ROOT = Path(__file__).parents[2] / "spaces"


@cache
def validator(kind: str) -> Draft202012Validator:
    schema = {"space": SCHEMA, "target": TARGET, "latency": LATENCY}[kind]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def accepts(value: Any, kind: str = "space") -> bool:
    return validator(kind).is_valid(value)


def parsed(text: str) -> Any:
    return read_yaml(text, "<text>").data


@pytest.mark.parametrize("name", sorted(library()))
def test_every_space_of_the_library_is_accepted(name: str) -> None:
    path = library()[name]
    assert accepts(parsed(path.read_text()))


@given(documents(max_size=500))
def test_random_spaces_are_accepted(document: dict[str, Any]) -> None:
    assert accepts(document)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{conv: {filter: 8}}", "network.0.conv: 'filter' was unexpected"),
        ("{conv: {kernel: 3}}", "network.0.conv: 'filters' is a required property"),
        ("{convv: {filters: 8}}", "network.0: 'convv' was unexpected"),
        ("{conv: {filters: 8}, repeats: 2}", "network.0: 'repeats' was unexpected"),
        ("{conv: {filters: 8}, group: a}", "network.0: 'group' is not one of ['conv', 'repeat', "),
        ("{max_pool: {size: 2}}", "network.0.max_pool: 'size' was unexpected"),
        ("flaten", "network.0: 'flaten' is not one of ["),
        ("{switch: S}", "network.0: 'cases' is a required property"),
        ("{cell: c, bias: true}", "network.0: 'bias' is not one of ['cell', 'repeat', 'numbered']"),
    ],
)
def test_a_mistake_in_an_entry_is_named(entry: str, said: str) -> None:
    text = f"space: s\ninput: {{channels: 3, height: 8, width: 8}}\nnetwork:\n  - {entry}\n"
    errors = list(validator("space").iter_errors(parsed(text)))
    messages = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in errors]
    messages = [
        m.replace("Additional properties are not allowed (", "").replace(" unexpected)", " unexpected")
        for m in messages
    ]
    assert any(message.startswith(said) for message in messages), messages
    assert not any("given schemas" in message for message in messages)


CELL = """
space: s
input: {channels: 3, height: 8, width: 8}
cells:
  c:
    nodes: 3
    edges: [[0, 1], [1, 2]]
    operators: {none: zero, skip: identity, conv: [relu, {conv: {filters: channels}}]}
    dead_edges: counted
network:
  - {cell: c, repeat: 2, numbered: false}
"""


def test_a_cell_is_accepted() -> None:
    assert accepts(parsed(CELL))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("nodes: 3", "nodes: 1"),
        ("nodes: 3", "nodes: three"),
        ("nodes: 3", "nodes: 13"),
        ("nodes: 3", "noddes: 3"),
        ("[[0, 1], [1, 2]]", "[[0, 1], [1, 2, 3]]"),
        ("[[0, 1], [1, 2]]", "[0, 1]"),
        ("none: zero", "none: nothing"),
        ("[relu, {conv: {filters: channels}}]", "[]"),
        ("[relu, {conv: {filters: channels}}]", "[relu, {convv: {filters: channels}}]"),
        ("counted", "kept"),
        ("dead_edges: counted", "numbering: unknown"),
        ("numbered: false", "numbered: 3"),
        ("numbered: false", "bias: true"),
        ("cell: c,", "cell: 3,"),
    ],
)
def test_mistakes_in_cells_are_refused(right: str, wrong: str) -> None:
    assert CELL.count(right) == 1
    assert not accepts(parsed(CELL.replace(right, wrong)))


@pytest.mark.parametrize("file", sorted((ROOT / "targets").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_target_of_the_catalogue_is_accepted(file: Path) -> None:
    entries = parsed(file.read_text())
    assert entries
    assert all(accepts(entry, "target") for entry in entries)


@pytest.mark.parametrize("file", sorted((ROOT / "latency_profiles").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_profile_of_the_library_is_accepted(file: Path) -> None:
    assert accepts(parsed(file.read_text()), "latency")


BOARD = """
name: mine
core: Cortex-M4F
clock: 120 MHz
flash: 1 MiB at 0x08000000
ram: {SRAM: 256 KiB, CCM: 65536}
activations: [SRAM]
parts: ABC?12
runtime: {conv: 1.2 kB, relu: 0}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("name: mine", "names: mine"),
        ("name: mine", "name: ../mine"),
        ("name: mine", "name: 12"),
        ("core: Cortex-M4F", "core: ''"),
        ("clock: 120 MHz", "clock: 120"),
        ("flash: 1 MiB at 0x08000000", "flash: {}"),
        ("CCM: 65536", "CCM: [65536]"),
        ("activations: [SRAM]", "activations: [3]"),
        ("parts: ABC?12", "parts: {ABC: 12}"),
        ("relu: 0", "relu: true"),
    ],
)
def test_mistakes_in_targets_are_refused(right: str, wrong: str) -> None:
    assert BOARD.count(right) == 1
    assert accepts(parsed(BOARD), "target")
    assert not accepts(parsed(BOARD.replace(right, wrong)), "target")


PROFILE = """
name: m7@216MHz
dtype: int8
clock: 216 MHz
unit: cycles
kinds: {conv: {mac: 42.5}}
default: {op: 500}
table: {conv: {1x49x10-10x4s2x2-84x25x5: 17_200_000}}
error: {median: 0.5, p90: 1.4, spearman: 0.99, rows: 110}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("dtype: int8", "dtype: int7"),
        ("dtype: int8", "bias: true"),
        ("unit: cycles", "unit: hours"),
        ("mac: 42.5", "macs: 42.5"),
        ("mac: 42.5", "mac: -1"),
        ("default: {op: 500}", "default: 500"),
        ("17_200_000", "fast"),
        ("rows: 110", "rows: 1.5"),
        (", rows: 110", ""),
    ],
)
def test_mistakes_in_profiles_are_refused(right: str, wrong: str) -> None:
    assert PROFILE.count(right) == 1
    assert accepts(parsed(PROFILE), "latency")
    assert not accepts(parsed(PROFILE.replace(right, wrong)), "latency")
