"""What `nascompile score` shows of a table of scores: the best by each proxy and by all, and how these agree."""

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
from samplers.proxies.ranking import rank_sums, worst_last
from spaces.program.graph import Program

__all__ = ["Report", "print_scores", "scores_data"]

_BEST = 10
#: The column by which several proxies together order candidates, as `search --sampler monas` does.
_TOGETHER = "rank_sum"
_COSTS = ("macs", "params", "latency", "energy")


@dataclass(frozen=True, eq=False)
class Report:
    """A finished table of scores.

    Args:
        program: the space.
        selection: which candidates, in words.
        networks: how many different networks they are.
        source: where the examples come from.
        batch_norm: `kept` or `folded`.
        proxies: the proxies, in order.
        scores: name -> values, a value per candidate.
    """

    program: Program
    selection: str
    networks: int
    source: str
    batch_norm: str
    proxies: Sequence[Proxy]
    scores: dict[str, NDArray[Any]]

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The scores, and where there are several proxies the sum of the ranks they give, the larger the better."""
        if len(self.proxies) < 2:
            return self.scores
        return {**self.scores, _TOGETHER: rank_sums((self.scores[p.name], p.better) for p in self.proxies)}

    @property
    def ranking(self) -> list[str]:
        """What ranks candidates beside costs: each proxy, then all together."""
        return [*(p.name for p in self.proxies), *([_TOGETHER] if len(self.proxies) > 1 else [])]

    @property
    def costs(self) -> list[str]:
        """The columns of costs."""
        return [name for name in _COSTS if name in self.columns]

    @cached_property
    def better(self) -> dict[str, Direction]:
        """Direction of every column that ranks candidates: proxies, all together, then costs."""
        result: dict[str, Direction] = {p.name: p.better for p in self.proxies}
        if _TOGETHER in self.ranking:
            result[_TOGETHER] = "higher"
        result.update({name: proxy(name).better for name in self.costs})
        return result

    def ranks(self, name: str) -> NDArray[np.int64]:
        """The candidates' ranks by a column, 0 the best."""
        return worst_last(self.columns[name], self.better[name])

    def best(self, name: str) -> list[int]:
        """The rows of the best candidates, best first."""
        return np.argsort(self.ranks(name), kind="stable")[:_BEST].tolist()

    @cached_property
    def correlations(self) -> dict[str, dict[str, dict[str, float]]]:
        """`kendall` and `spearman` -> what ranks -> column -> rank correlation; NaN where a column is constant."""
        from scipy.stats import kendalltau, spearmanr

        ranks = {name: self.ranks(name) for name in self.better}
        return {
            way: {name: {other: _agree(of, ranks[name], ranks[other]) for other in ranks} for name in self.ranking}
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
        "networks": report.networks,
        "data": report.source,
        "batch_norm": report.batch_norm,
        "proxies": [{"name": p.name, "better": p.better, "options": p.options} for p in report.proxies],
        "rows": [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in rows],
        "best": {name: [str(report.columns["candidate"][k]) for k in report.best(name)] for name in report.ranking},
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
    candidates = len(report.columns["candidate"])
    if report.networks < candidates:
        out.print(
            f"{candidates - report.networks:,} of them are the same network as one before, and have its scores: "
            f"{report.networks:,} networks"
        )
    out.print(f"data: {escape(report.source)}", soft_wrap=True)
    out.print(f"networks: untrained, weights drawn for each candidate, batch norms {report.batch_norm}")
    for name in report.ranking:
        out.print()
        _print_best(report, name)
    out.print()
    _print_correlations(report)


def _print_best(report: Report, name: str) -> None:
    """The best by a proxy, or by all together."""
    if len(set(report.ranks(name).tolist())) == 1 < len(report.columns[name]):
        out.print(f"{name} tells none of these candidates apart: all score {report.columns[name][0]:.6g}")
        return
    what = f"{name}, the sum of the ranks of all {len(report.proxies)}" if name == _TOGETHER else name
    out.print(f"best by {what} ({report.better[name]} is better)")
    numbered = "index" in report.columns
    costs = [cost for cost in report.costs if cost != name]
    rows = table("~candidate", *([">index"] if numbered else []), f">{name}", *(f">{cost}" for cost in costs))
    columns = report.columns
    for k in report.best(name):
        index = [str(columns["index"][k])] if numbered else []
        shown = (quantity(cost, columns[cost][k].item()) for cost in costs)
        rows.add_row(escape(str(columns["candidate"][k])), *index, f"{columns[name][k]:.6g}", *shown)
    print_table(rows)


def _print_correlations(report: Report) -> None:
    """Kendall's tau between the ranks by each proxy, and by all, and those by every other column."""
    out.print(
        "rank correlation (Kendall), each ranked in its own direction; what MACs or params say as well is no news"
    )
    rows = table("", *(f">{name}" for name in report.better))
    for name, row in report.correlations["kendall"].items():
        rows.add_row(name, *(f"{value:.3f}" if isfinite(value) else "-" for value in row.values()))
    print_table(rows)
