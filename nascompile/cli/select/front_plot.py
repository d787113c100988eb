"""A drawing of a front and of the candidates chosen from it: one panel for two objectives, else one for each pair."""

from __future__ import annotations

import html
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.cli.plot_style import STYLE, saved, wide
from samplers.subset.dominance import non_dominated
from spaces.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from nascompile.cli.select.selection import Selection

__all__ = ["draw"]

#: Colours that people who see few colours tell apart (Okabe & Ito).
_CHOSEN, _FRONT, _OTHERS = "#D55E00", "#0072B2", "#B0B0B0"
_STYLE: dict[Any, Any] = {**STYLE, "font.family": "DejaVu Sans", "font.size": 8, "grid.color": "#E8E8E8"}
_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222; }}
svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25em .9em; border-bottom: 1px solid #ddd; text-align: right; }}
th:nth-child(2), td:nth-child(2) {{ text-align: left; }}
</style>
<h1>{title}</h1>
<p>{verdict}</p>
{svg}
<table>
{rows}
</table>
"""


def draw(choice: Selection, path: Path) -> None:
    """Write the drawing: .png, .svg, or .html with the table of the chosen.

    Raises:
        FileError: it cannot be written.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        figure = _figure(choice)
        data = _page(choice, figure).encode() if path.suffix == ".html" else saved(figure, path.suffix[1:])
    write_atomically(path, data)


def _figure(choice: Selection) -> Figure:
    from matplotlib.figure import Figure

    count = len(choice.objectives)
    front = non_dominated(choice.values, [one.sense for one in choice.objectives])
    if count == 2:
        figure = Figure(figsize=(5.2, 3.9), layout="constrained")
        axes = figure.subplots()
        _panel(axes, choice, front, 0, 1)
        _steps(axes, choice, front)
        handles, labels = axes.get_legend_handles_labels()
        style = {"columnspacing": 1.2, "handletextpad": 0.5, "fontsize": 7.5}
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, **style)
        axes.set_title(_verdict(choice), loc="left", fontsize=8, color="#444444")
        return figure
    side = max(1.5, min(2.4, 11 / count))
    figure = Figure(figsize=(side * (count - 1) + 0.9, side * (count - 1) + 0.6), layout="constrained")
    grid = figure.subplots(count - 1, count - 1, sharex="col", sharey="row", squeeze=False)
    for i, j in combinations(range(count), 2):
        _panel(grid[j - 1, i], choice, front, i, j)
        grid[j - 1, i].label_outer()
    for row, column in combinations(range(count - 1), 2):
        grid[row, column].set_axis_off()
    figure.align_labels()
    corner = grid[0, -1]
    handles, labels = grid[0, 0].get_legend_handles_labels()
    text = corner.text(1, 1, _verdict(choice), transform=corner.transAxes, ha="right", va="top", color="#444444")
    text.set_in_layout(False)
    corner.legend(handles, labels, loc="upper right", bbox_to_anchor=(1, 0.8), frameon=False)
    return figure


def _verdict(choice: Selection) -> str:
    subset = choice.subset
    return f"{len(subset.chosen)} of {len(choice.values):,}, hypervolume {subset.hypervolume:.4g}\n{choice.verdict}"


def _panel(axes: Axes, choice: Selection, front: NDArray[np.bool_], i: int, j: int) -> None:
    """The candidates by objectives i and j; the chosen ones have their numbers in the table."""
    x, y = choice.values[:, i], choice.values[:, j]
    rest = front.copy()
    rest[list(choice.subset.chosen)] = False
    if (~front).any():
        axes.scatter(x[~front], y[~front], s=5, color=_OTHERS, linewidths=0, label="dominated", rasterized=True)
    axes.scatter(x[rest], y[rest], s=9, color=_FRONT, alpha=0.7, linewidths=0, label="front")
    order = choice.order
    axes.scatter(x[order], y[order], s=95, color=_CHOSEN, edgecolors="white", linewidths=0.8, zorder=4, label="chosen")
    for number, one in enumerate(order, start=1):
        axes.annotate(
            choice.number(one, number), (x[one], y[one]), ha="center", va="center_baseline", color="white",
            fontsize=6.5, fontweight="bold", zorder=5,
        )  # fmt: skip
    for axis, k, set_scale in ((axes.xaxis, i, axes.set_xscale), (axes.yaxis, j, axes.set_yscale)):
        set_scale("log" if wide(choice.values[:, k]) else "linear")
        _scale(axis, choice, k)
    axes.margins(0.08)


def _scale(axis: Axis, choice: Selection, k: int) -> None:
    """The name of an objective, its direction, and few, short numbers."""
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

    one = choice.objectives[k]
    axis.set_label_text(f"{one.name} ({'lower' if one.sense == 'min' else 'higher'} is better)")
    ticks = 4 if len(choice.objectives) > 2 else 6
    if far := wide(choice.values[:, k]):
        axis.set_minor_locator(NullLocator())
    axis.set_major_locator(LogLocator(numticks=ticks) if far else MaxNLocator(ticks))
    if np.abs(choice.values[:, k]).max() >= 1e4:
        axis.set_major_formatter(EngFormatter(sep=""))
    else:
        short = ScalarFormatter(useMathText=True)
        short.set_powerlimits((-2, 4))
        axis.set_major_formatter(short)


def _steps(axes: Axes, choice: Selection, front: NDArray[np.bool_]) -> None:
    """The area that the chosen dominate up to the reference, and the line that bounds what the whole front does."""
    subset = choice.subset
    best, worst = np.array(subset.best), np.array(subset.worst)
    reference = best + np.array(subset.reference) * np.where(best == worst, 0, worst - best)
    signs = np.array([1 if one.sense == "min" else -1 for one in choice.objectives])
    # A logarithmic axis has no place for a reference of 0 or less.
    floor = np.where([wide(column) for column in choice.values.T], choice.values.min(axis=0) / 2, -np.inf)
    reference = np.maximum(reference, floor)
    limits = axes.get_xlim(), axes.get_ylim()
    for rows, style in ((np.flatnonzero(front), "line"), (np.array(choice.order), "area")):
        points = choice.values[rows] * signs
        points = points[(points < reference * signs).all(axis=1)]
        points = points[np.lexsort(points.T[::-1])]
        lowest = np.minimum.accumulate(points[:, 1])
        xs = np.concatenate([points[:, 0], [reference[0] * signs[0]]]) * signs[0]
        ys = np.append(lowest, lowest[-1:]) * signs[1]
        if not len(points):
            continue
        if style == "line":
            axes.step(xs, ys, where="post", color=_FRONT, linewidth=0.7, alpha=0.6)
        else:
            area = {
                "color": _CHOSEN,
                "alpha": 0.12,
                "linewidth": 0,
                "label": "dominated by the chosen, up to the reference",
            }
            axes.fill_between(xs, ys, reference[1], step="post", **area)
    # The reference would squeeze the front where it lies far away.
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])


def _page(choice: Selection, figure: Figure) -> str:
    svg = saved(figure, "svg").decode()
    heads = ["#", "candidate", *(f"{one.name}, {one.sense}" for one in choice.objectives)]
    lines = [_cells("th", heads)]
    for number, i in enumerate(choice.order, start=1):
        shown = [choice.shown(i, j) for j in range(len(choice.objectives))]
        lines.append(_cells("td", [choice.number(i, number), choice.name(i), *shown]))
    title = html.escape(f"{len(choice.order)} of {len(choice.values):,} candidates of {choice.file.path.name}")
    return _PAGE.format(title=title, verdict=html.escape(_verdict(choice)), svg=svg[svg.index("<svg") :],
                        rows="\n".join(lines))  # fmt: skip


def _cells(tag: str, texts: list[Any]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(text))}</{tag}>" for text in texts) + "</tr>"
