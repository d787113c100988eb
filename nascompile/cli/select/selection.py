"""What `nascompile select` chose, and from what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.cli.output import quantity
from nascompile.records.results_file import ResultsFile
from samplers.subset.dominance import Sense
from samplers.subset.hypervolume import Subset

__all__ = ["Objective", "Selection"]

#: Columns that are costs: less is better, though more of some is a proxy too.
_COSTS = ("macs", "flops", "params", "latency", "energy", "rom", "ram", "ram_pingpong", "ram_liveness")


@dataclass(frozen=True)
class Objective:
    """A column, and what is good of it."""

    name: str
    column: str
    sense: Sense


@dataclass(frozen=True, eq=False)
class Selection:
    """What was chosen, from what.

    Args:
        file: the file.
        objectives: in order.
        kept: the rows of the file that took part.
        values: [kept, objectives].
        subset: positions are those of `kept`.
        said: how good the choice is, where that does not follow from the subset.
    """

    file: ResultsFile
    objectives: tuple[Objective, ...]
    kept: tuple[int, ...]
    values: NDArray[np.float64]
    subset: Subset
    said: str = ""

    @property
    def order(self) -> list[int]:
        """The chosen positions, the best by the first objective first."""
        sign = -1 if self.objectives[0].sense == "max" else 1
        return sorted(self.subset.chosen, key=lambda i: (sign * self.values[i, 0], i))

    @property
    def verdict(self) -> str:
        """How good the choice is, in words."""
        k = len(self.subset.chosen)
        if self.said:
            return self.said
        if self.subset.optimal:
            return (
                f"exact: no {k} candidates do better" if self.subset.method != "all" else "exact: nothing is left out"
            )
        # Rounded up, so that the statement stays true.
        return f"within {np.ceil(1000 * self.subset.gap) / 10:.1f} % of the best possible"

    def number(self, i: int, place: int) -> str:
        """The number by which a candidate is told in tables and drawings: its own where the file gives it one, as a run
        does, else its place in the choice.
        """
        return str(self.file.rows[self.kept[i]].values.get("number", place))

    def name(self, i: int) -> str:
        """What a candidate is called."""
        row = self.file.rows[self.kept[i]]
        label = self.file.label
        return str(row.values.get(label, f"line {row.line}")) if label else f"line {row.line}"

    def shown(self, i: int, j: int) -> str:
        """A candidate's value in an objective, for a person."""
        value = float(self.values[i, j])
        name = self.objectives[j].column.rpartition(".")[2]
        whole = value.is_integer() and abs(value) < 2**53
        if name in _COSTS and whole:
            return quantity(name, int(value))
        return f"{int(value):,}" if whole else f"{value:.6g}"
