"""The structure as the code has it: floors, rooms, and no circle, whether a module imports at its top or in a function.

Faces, the `__init__.py` that only hand on names, are left out: what they hand on lies in the room they stand before.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: The floors and the rooms of each, from below, as `lint-imports` checks them; rooms side by side are one layer.
LAYERS = {
    contract.get("containers", [""])[0]: [re.findall(r"\w+", layer) for layer in reversed(contract["layers"])]
    for contract in CONTRACTS
}
FLOORS = [floor for (floor,) in LAYERS[""]]
UPWARDS = {tuple(line.split(" -> ")) for contract in CONTRACTS for line in contract.get("ignore_imports", [])}


def modules() -> dict[str, Path]:
    files = (file for floor in FLOORS for file in (ROOT / floor).rglob("*.py") if file.name != "__init__.py")
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def imported(tree: ast.AST) -> Iterator[str]:
    """Whatever a module imports: at its top, in a function, for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> nx.DiGraph:
    files = modules()
    found = nx.DiGraph()
    found.add_nodes_from(files)
    for name, file in files.items():
        found.add_edges_from((name, other) for other in imported(ast.parse(file.read_text())) if other in files)
    return found


def test_no_module_reaches_itself() -> None:
    found = graph()
    found.remove_edges_from(UPWARDS)
    circles = [sorted(part) for part in nx.strongly_connected_components(found) if len(part) > 1]
    assert not circles


def test_imports_point_down() -> None:
    """Also those in functions and for types."""

    def height(module: str) -> tuple[int, int]:
        floor, room, *_ = module.split(".")
        return FLOORS.index(floor), next(k for k, layer in enumerate(LAYERS[floor]) if room in layer)

    upwards = {(a, b) for a, b in graph().edges if height(a) < height(b)}
    assert upwards == UPWARDS


@pytest.mark.parametrize("floor", FLOORS)
def test_every_room_has_its_place(floor: str) -> None:
    rooms = {module.split(".")[1] for module in modules() if module.startswith(f"{floor}.")}
    assert rooms == {room for layer in LAYERS[floor] for room in layer}
