"""What `nascompile select` chooses of the networks of a run, as the run itself chooses, under the run's numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nascompile.cli.select.selection import Objective, Selection
from nascompile.records.results_file import read_results
from samplers.subset.dominance import Sense
from samplers.subset.hypervolume import HypervolumeSelector

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

__all__ = ["select_of_run"]


def select_of_run(folder: RunFolder, outcome: Outcome, k: int) -> Selection:
    """At most k networks of the front of what ships, the most accurate always among them.

    Args:
        folder: of the run.
        outcome: of the run, with a network that came to the end.
        k: how many.
    """
    from nascompile.run.front import Measured, choose

    file = read_results(folder.path / "results.csv")
    names = (*outcome.costs, outcome.shipped)
    senses: list[Sense] = [*("min" for _ in outcome.costs), outcome.sense]
    objectives = tuple(Objective(name, name, sense) for name, sense in zip(names, senses, strict=True))
    points = {
        int(row["number"]): Measured(outcome.gain(row), tuple(float(row[cost]) for cost in outcome.costs))
        for row in outcome.finalists
    }
    choice = choose(points, k)
    kept = [i for i, row in enumerate(file.rows) if int(row.values["number"]) in points]
    numbers = [int(file.rows[i].values["number"]) for i in kept]
    rows = {int(row["number"]): row for row in outcome.finalists}
    values = np.array([[float(rows[number][name]) for name in names] for number in numbers], np.float64)
    # The scale of the volume, and the most that k points could have, are those of any choice.
    subset = HypervolumeSelector(min(k, len(kept))).select(values, senses)
    chosen = tuple(i for i, number in enumerate(numbers) if number in choice.numbers)
    subset = replace(subset, chosen=chosen, hypervolume=choice.hypervolume)
    return Selection(file, objectives, tuple(kept), values, subset, said=choice.verdict)
