"""What a surrogate model sees of a network: its decisions, its costs and its paths, as numbers, for any space.

The columns form groups, and a model has one length-scale per group instead of one per column: with some tens of trained
networks there is no telling tens of length-scales. Every group is scaled so that two random members of the set are at
a mean squared distance of 1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.bayesian.paths import PathLengths
from solvers.sets.relaxed_set import AnySet
from spaces.program.variants import Decision

__all__ = ["COSTS", "Features"]

#: The costs that are features: FLOPs say nothing beyond MACs.
COSTS = ("rom", "ram", "params", "macs", "latency", "energy", "entropy")

#: Members, drawn with a seed of their own, by which columns are scaled.
_REFERENCE = 4096

Columns = NDArray[np.float64]


class Features:
    """The features of a set's members, in up to four groups.

    * `options`: an indicator per option of every decision whose options are no numbers, and per variant. The squared
      distance of two members is the number of such decisions in which they differ, scaled (a Hamming kernel).
    * `sizes`: the place of each numeric decision's value among its options in ascending order, from 0 to 1.
    * `costs`: the logarithms of ROM, RAM, parameters, MACs, latency and energy, and the entropy, of unit variance. They
      see through what decisions alone do not show, such as the dead edges of a cell.
    * `paths`: how deep the network is and how near its output to its input (`samplers.bayesian.paths`), of unit
      variance. Cells of equal costs differ in them.

    Decisions of different variants are the same where their labels are. Where a variant lacks one, its indicators
    are 0, its size is one half. Columns and groups that do not vary over the set are left out.

    Args:
        fs: the set; not empty.

    Attributes:
        groups: name -> its columns.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("small")
        >>> features = Features(fs)
        >>> features.groups
        {'sizes': slice(0, 2, None), 'costs': slice(2, 7, None)}
        >>> features(range(len(fs))).shape  # all are as deep
        (14, 7)
    """

    def __init__(self, fs: AnySet) -> None:
        self._fs = fs.outer
        decisions = [(v, t, d) for v, own in enumerate(fs.program.variants) for t, d in enumerate(own.decisions)]
        self._options = _columns([(v, t, d) for v, t, d in decisions if not d.numeric])
        self._sizes = _columns([(v, t, d) for v, t, d in decisions if d.numeric])
        self._lengths = PathLengths(fs.program)
        # Always the same draws: what a set's features are must not depend on a sampler's seed.
        parts = self._parts(fs.draws(_REFERENCE, random.Random(0)))
        self._kept = {name: part.std(axis=0) > 1e-9 for name, part in parts.items()}
        self._shift = {name: part[:, self._kept[name]].mean(axis=0) for name, part in parts.items()}
        self._scale = {name: self._scales(name, part[:, self._kept[name]]) for name, part in parts.items()}
        widths = {name: int(kept.sum()) for name, kept in self._kept.items() if kept.any()}
        ends = np.cumsum(list(widths.values()))
        self.groups = {name: slice(int(e) - w, int(e)) for (name, w), e in zip(widths.items(), ends, strict=True)}

    def __call__(self, ranks: Sequence[int]) -> Columns:
        """The features of the members with these ranks, of a relaxed set in its outer set; float64 [n, columns]."""
        parts = self._parts(ranks)
        return np.concatenate(
            [(p[:, self._kept[name]] - self._shift[name]) * self._scale[name] for name, p in parts.items()], axis=1
        )

    @staticmethod
    def _scales(name: str, part: Columns) -> Columns:
        """A factor per column: equal variances where units are not alike, of decisions as they are."""
        one = part.std(axis=0) if name in ("costs", "paths") else np.ones(part.shape[1])
        # The mean squared distance of two independent draws is twice the sum of the variances.
        return 1 / one / np.sqrt(2 * ((part / one).var(axis=0)).sum() or 1.0)

    def _parts(self, ranks: Sequence[int]) -> dict[str, Columns]:
        """The unscaled columns of each group."""
        parts: dict[str, list[Columns]] = {"options": [], "sizes": [], "costs": [], "paths": []}
        for positions, rows in self._fs.rows(ranks):
            parts["options"].append(self._indicators(positions, rows))
            parts["sizes"].append(_looked_up(self._sizes, positions, rows, _places, missing=0.5, width=1))
            parts["costs"].append(self._costs(positions, rows))
            parts["paths"].append(self._paths(positions, rows))
        return {name: np.concatenate(part) for name, part in parts.items()}

    def _indicators(self, positions: NDArray[np.intp], rows: NDArray[np.int64]) -> Columns:
        result = [np.eye(len(self._fs.program.variants))[positions]]
        for label, uses in self._options.items():
            options = list(dict.fromkeys(o for _, _, d in uses for o in d.options))

            def indicator(d: Decision, options: Sequence[Any] = options) -> Columns:
                return np.eye(len(options))[[options.index(o) for o in d.options]]

            result.append(_looked_up({label: uses}, positions, rows, indicator, missing=0.0, width=len(options)))
        return np.concatenate(result, axis=1)

    def _costs(self, positions: NDArray[np.intp], rows: NDArray[np.int64]) -> Columns:
        program = self._fs.program
        names = [name for name in COSTS if name in (*program.metrics, "ram", "entropy")]
        out = np.zeros((len(rows), len(names)))
        for v in np.unique(positions):
            here = np.flatnonzero(positions == v)
            costs = program.costs(int(v), rows[here, : len(program.variants[v].decisions)])
            for k, name in enumerate(names):
                out[here, k] = costs[name] if name == "entropy" else np.log1p(costs[name])
        return out

    def _paths(self, positions: NDArray[np.intp], rows: NDArray[np.int64]) -> Columns:
        out = np.zeros((len(rows), 3))
        for v in np.unique(positions):
            here = np.flatnonzero(positions == v)
            out[here] = self._lengths(int(v), rows[here, : len(self._fs.program.variants[v].decisions)])
        return out


Uses = dict[str, list[tuple[int, int, Decision]]]


def _columns(decisions: Sequence[tuple[int, int, Decision]]) -> Uses:
    """Decisions by label: (position of the variant, number in it, the decision)."""
    result: Uses = {}
    for v, t, decision in decisions:
        result.setdefault(decision.label, []).append((v, t, decision))
    return result


def _places(decision: Decision) -> Columns:
    """Per option of a numeric decision, its place among them in ascending order, from 0 to 1."""
    values = np.array(decision.options, np.float64)
    return (np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(len(values) - 1, 1))[:, None]


def _looked_up(
    uses: Uses, positions: NDArray[np.intp], rows: NDArray[np.int64], table: Any, missing: float, width: int
) -> Columns:
    """Per label `width` columns: the row of `table(decision)` that belongs to the option taken."""
    out = np.full((len(rows), width * len(uses)), missing)
    for k, use in enumerate(uses.values()):
        for v, t, decision in use:
            here = positions == v
            out[here, k * width : (k + 1) * width] = table(decision)[rows[here, t]]
    return out
