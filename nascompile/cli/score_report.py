"""What `nascompile score` shows of a table of scores: the best by each proxy, and how proxies and sizes agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from nascompile.cli.output import out, quantity, table
from nascompile.cli.tables import print_table
from samplers.proxies.base import Direction, Proxy, proxy
from samplers.proxies.ranking import worst_last
from spaces.program.graph import Program

__all__ = ["Report", "print_scores", "scores_data"]

_BEST = 10
_COSTS = ("macs", "params", "latency", "energy")


@dataclass(frozen=True, eq=False)
class Report:
    """A finished table of scores.

    Args:
        program: the space.
        selection: which candidates, in words.
        source: where the examples come from.
        batch_norm: `kept` or `folded`.
        proxies: the proxies, in order.
        columns: name -> values, a value per candidate.
    """

    program: Program
    selection: str
    source: str
    batch_norm: str
    proxies: Sequence[Proxy]
    columns: dict[str, NDArray[Any]]

    @property
    def costs(self) -> list[str]:
        """The columns of costs."""
        return [name for name in _COSTS if name in self.columns]

    @cached_property
    def better(self) -> dict[str, Direction]:
        """Direction of every column that ranks candidates: proxies, then costs."""
        ranking = [*self.proxies, *(proxy(name) for name in self.costs)]
        return {one.name: one.better for one in ranking}

    def ranks(self, name: str) -> NDArray[np.int64]:
        """The candidates' ranks by a column, 0 the best."""
        return worst_last(self.columns[name], self.better[name])

    def best(self, name: str) -> list[int]:
        """The rows of the best candidates, best first."""
        return np.argsort(self.ranks(name), kind="stable")[:_BEST].tolist()

    @cached_property
    def correlations(self) -> dict[str, dict[str, dict[str, float]]]:
        """`kendall` and `spearman` -> proxy -> column -> rank correlation; NaN where a column is constant."""
        from scipy.stats import kendalltau, spearmanr

        ranks = {name: self.ranks(name) for name in self.better}
        return {
            way: {p.name: {other: _agree(of, ranks[p.name], ranks[other]) for other in ranks} for p in self.proxies}
            for way, of in (("kendall", kendalltau), ("spearman", spearmanr))
        }


def _agree(of: Callable[..., Any], a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """A rank correlation; NaN where one of the two is constant."""
    return float(of(a, b).statistic) if np.ptp(a) and np.ptp(b) else float("nan")


def scores_data(report: Report) -> dict[str, Any]:
    """A report for `--json`; scores that are no finite numbers are the texts `inf`, `-inf` and `nan`."""
    names = list(report.columns)
    rows = zip(*(column.tolist() for column in report.columns.values()), strict=True)
    return {
        "space": report.program.space.name,
        "selection": report.selection,
        "data": report.source,
        "batch_norm": report.batch_norm,
        "proxies": [{"name": p.name, "better": p.better, "options": p.options} for p in report.proxies],
        "rows": [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in rows],
        "best": {p.name: [str(report.columns["candidate"][k]) for k in report.best(p.name)] for p in report.proxies},
        "correlations": {
            way: {name: {other: _plain(value) for other, value in row.items()} for name, row in matrix.items()}
            for way, matrix in report.correlations.items()
        },
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def print_scores(report: Report) -> None:
    """A report for a person."""
    out.print(f"{escape(report.program.space.name)}: {report.selection}")
    out.print(f"data: {escape(report.source)}", soft_wrap=True)
    out.print(f"networks: untrained, weights drawn for each candidate, batch norms {report.batch_norm}")
    for one in report.proxies:
        out.print()
        _print_best(report, one)
    out.print()
    _print_correlations(report)


def _print_best(report: Report, one: Proxy) -> None:
    if len(set(report.ranks(one.name).tolist())) == 1 < len(report.columns[one.name]):
        out.print(f"{one.name} tells none of these candidates apart: all score {report.columns[one.name][0]:.6g}")
        return
    out.print(f"best by {one.name} ({one.better} is better)")
    numbered = "index" in report.columns
    costs = [name for name in report.costs if name != one.name]
    rows = table("~candidate", *([">index"] if numbered else []), f">{one.name}", *(f">{name}" for name in costs))
    columns = report.columns
    for k in report.best(one.name):
        index = [str(columns["index"][k])] if numbered else []
        shown = (quantity(name, columns[name][k].item()) for name in costs)
        rows.add_row(escape(str(columns["candidate"][k])), *index, f"{columns[one.name][k]:.6g}", *shown)
    print_table(rows)


def _print_correlations(report: Report) -> None:
    """Kendall's tau between each proxy's ranks and those of every other column."""
    out.print(
        "rank correlation (Kendall), each ranked in its own direction; what MACs or params say as well is no news"
    )
    rows = table("", *(f">{name}" for name in report.better))
    for name, row in report.correlations["kendall"].items():
        rows.add_row(name, *(f"{value:.3f}" if isfinite(value) else "-" for value in row.values()))
    print_table(rows)
