"""What MONAS finds is trained; a search that was interrupted measures nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nascompile.run.data import load_data
from nascompile.run.folder import RunFolder
from nascompile.run.proxies import proxy_choice
from samplers.training_free import Means
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from tests.run.examples import settings
from tests.run.test_lead import ended

CELLS = """
space: cells
input: {channels: 3, height: 8, width: 8}
dtype: int8
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
network:
  - conv: {filters: 4, activation: none}
  - cell: cell
  - global_avg_pool
  - linear: {units: 2}
"""
RANKS = {"objectives": {"naswot": "max", "live_macs": "max"}, "trials": 6, "batch": 8, "limits": []}
PAPER = {"lam": 0.2, "mu": 0.0, "prune": 1, "repeats": 1, "thin": []}


def folder_of(tmp_path: Path, sampler: str, parameters: dict[str, Any]) -> RunFolder:
    generator = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = (generator.normal(size=(120, 3, 8, 8)) + 2 * y[:, None, None, None]).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    fs: FeasibleSet = solve(compile_space(read_space(CELLS)))
    made = settings(tmp_path / "data.npz", sampler=sampler, parameters=parameters, samples=2, select=2)
    return RunFolder.create(tmp_path / "run", made, fs)


def test_the_first_by_ranks_are_trained(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "monas", RANKS)
    outcome = ended(folder)
    found = [row["candidate"] for row in outcome.rows]
    assert len(set(found)) == len(found) == 2
    assert all(candidate in folder.fs for candidate in found)
    assert max(row["test"] for row in outcome.rows) > 0.9


def test_a_search_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "monas-paper", PAPER)
    data = load_data(folder)
    whole = proxy_choice(folder, data, Means(), 2)
    log = folder.path / "monas-0.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    assert len(lines) == 3, "settings and two rounds, as there are three operators"
    log.write_text("".join(lines[:2]))
    measured: list[str] = []
    assert proxy_choice(folder, data, Means(on_progress=lambda what, _: measured.append(what)), 2) == whole
    assert measured
    assert all("round 2" in what for what in measured), "the first round was measured before"
    assert log.read_text().splitlines(keepends=True) == lines
