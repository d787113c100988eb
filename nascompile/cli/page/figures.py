"""The drawings of a page, as SVG that scales with it, prints, and can be saved by itself."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.cli.plot_style import STYLE, saved, wide

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Drawing", "bars", "confusion", "curves", "histogram", "scatter", "shares", "stairs"]

#: Told apart also by those who see no red or green, and in grey.
INK, KEPT, OTHERS, SECOND = "#24476B", "#C2410C", "#9AA5B1", "#0F766E"
#: Bars of a histogram, at most.
_BINS = 60
_STYLE: dict[Any, Any] = {
    **STYLE, "font.size": 9, "grid.color": "#E5E7EB", "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A figure of the page.

    Args:
        name: of its file, where it is saved.
        caption: below it.
        svg: as it stands in the page.
    """

    name: str
    caption: str
    svg: str


def _drawn(name: str, caption: str, draw: Callable[[Axes], None], size: tuple[float, float] = (4.6, 3.1)) -> Drawing:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        text = saved(figure, "svg", dpi=100).decode()
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', "", text[text.index("<svg") :], count=1)
    # In a wide page it does not grow, so that its letters stay those of the text.
    label = f'role="img" aria-label="{html.escape(caption, quote=True)}" style="max-width:{110 * size[0]:.0f}px"'
    # The figures of a page share one space of names.
    text = re.sub(r'(id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", text.replace("<svg", f"<svg {label}", 1))
    return Drawing(name, caption, text)


def _short(axes: Axes, which: str = "x") -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(EngFormatter(sep=""))


def _legend(axes: Axes) -> None:
    """Above the drawing, where it covers nothing."""
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)


def bars(name: str, caption: str, rows: Sequence[tuple[str, int]]) -> Drawing:
    """Counts that span orders of magnitude: a bar and its number each."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(rows))
        # Python integers beyond 64 bits are drawn to within a pixel; the number is exact.
        axes.barh(places, [max(float(count), 0.5) for _, count in rows], color=INK, height=0.6)
        axes.set_xscale("log")
        axes.set_yticks(places, [label for label, _ in rows])
        axes.invert_yaxis()
        axes.set_xlim(left=0.5)
        axes.margins(x=0.35)
        for place, (_, count) in zip(places, rows, strict=True):
            text = f"{count:,}" if count < 10**12 else f"{float(count):.3g}"
            axes.annotate(text, (max(float(count), 0.5), place), (4, 0), textcoords="offset points", va="center")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("networks")

    return _drawn(name, caption, draw, (4.6, 0.9 + 0.36 * len(rows)))


def shares(name: str, caption: str, rows: Mapping[str, Mapping[str, int]]) -> Drawing:
    """How often the members take each option of each decision: a row each, darker where more do."""

    def draw(axes: Axes) -> None:
        options = list(dict.fromkeys(option for row in rows.values() for option in row))
        table = np.full((len(rows), len(options)), np.nan)
        for y, row in enumerate(rows.values()):
            total = sum(row.values())
            for option, count in row.items():
                table[y, options.index(option)] = count / total
        axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, vmax=max(0.5, float(np.nanmax(table))))
        # A letter takes some 0.075 inches, and between two words there is one.
        crowded = len(options) * (max(map(len, options)) + 1) * 0.075 > 0.8 * size[0]
        axes.set_xticks(range(len(options)), options, rotation=90 if crowded else 0)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.grid(visible=False)
        if len(options) <= 12:
            for (y, x), value in np.ndenumerate(table):
                if not np.isnan(value):
                    text = f"{100 * value:.0f}" if value >= 0.005 or value == 0 else "<1"
                    axes.annotate(text, (x, y), ha="center", va="center", fontsize=7,
                                  color="white" if value > 0.35 else "black")  # fmt: skip

    longest = max(len(row) for row in rows.values())
    size = max(4.6, 1.2 + 0.3 * longest), 1.2 + 0.26 * len(rows)
    return _drawn(name, caption, draw, size)


def histogram(
    name: str, caption: str, values: NDArray[Any], counts: NDArray[Any], label: str, marks: Sequence[float] = ()
) -> Drawing:
    """How many members have which value of a metric; marks are those of networks."""

    def draw(axes: Axes) -> None:
        distinct, place = np.unique(values, return_inverse=True)
        if len(distinct) > _BINS:
            axes.hist(values, bins=_BINS, weights=counts.astype(np.float64), color=INK)
        else:
            # A bar a value, apart from the next.
            gaps = np.diff(distinct)
            width = max(0.8 * float(gaps.min()), float(gaps.sum()) / 150) if len(gaps) else 1
            axes.bar(distinct, np.bincount(place, counts.astype(np.float64)), width, color=INK)
        if values.size and np.abs(values).max() >= 1e4:
            _short(axes)
        _of_members(axes, label, marks)

    return _drawn(name, caption, draw)


def stairs(
    name: str, caption: str, edges: NDArray[Any], counts: NDArray[Any], label: str, marks: Sequence[float] = ()
) -> Drawing:
    """How many members are between each two edges, which lie in equal ratios; marks as of `histogram`."""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if edges[-1] < 100 * edges[0] else (1,)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.stairs(counts.astype(np.float64), edges, fill=True, color=INK)
        _of_members(axes, label, marks)

    return _drawn(name, caption, draw)


def _of_members(axes: Axes, label: str, marks: Sequence[float]) -> None:
    """The axes of a distribution, and networks below it."""
    if len(marks):
        low = axes.get_ylim()[1] * -0.03
        axes.plot(marks, np.full(len(marks), low), "|", color=KEPT, markersize=9, label="drawn networks")
        _legend(axes)
    axes.set_xlabel(label)
    axes.set_ylabel("members")
    _short(axes, "y")


def scatter(
    name: str, caption: str, points: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[int]]],
    labels: tuple[str, str],
) -> Drawing:  # fmt: skip
    """Networks by a cost and a metric.

    Args:
        name: of the figure.
        caption: below it.
        points: of `kept` and `others`: costs, values, numbers.
        labels: of both axes.
    """

    def draw(axes: Axes) -> None:
        x, y, _ = points["others"]
        axes.scatter(x, y, s=18, color=OTHERS, linewidths=0, label="trained to the end")
        x, y, numbers = points["kept"]
        axes.scatter(x, y, s=110, color=KEPT, edgecolors="white", linewidths=0.8, zorder=4, label="kept")
        for cost, value, number in zip(x, y, numbers, strict=True):
            axes.annotate(f"{number}", (cost, value), ha="center", va="center_baseline", color="white", fontsize=7,
                          fontweight="bold", zorder=5)  # fmt: skip
        costs = np.array([*points["others"][0], *points["kept"][0]], np.float64)
        if wide(costs):
            axes.set_xscale("log")
        elif costs.size and costs.max() >= 1e4:
            _short(axes)
        axes.margins(0.1)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        _legend(axes)

    return _drawn(name, caption, draw)


def curves(name: str, caption: str, lines: Mapping[int, Sequence[float]], kept: Sequence[int], label: str) -> Drawing:
    """A metric by epoch, a line per network; those of kept ones stand out and have their numbers."""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        for number, values in lines.items():
            if number not in kept:
                axes.plot(range(1, len(values) + 1), values, color=OTHERS, linewidth=0.8, alpha=0.7)
        for number, style in zip(kept, cycle(["-", "--", "-.", ":"]), strict=False):
            values = lines.get(number, ())
            if values:
                axes.plot(range(1, len(values) + 1), values, style, color=KEPT, linewidth=1.5)
        # Numbers of lines that end close to each other stand one above the other.
        ends = sorted((lines[number][-1], number) for number in kept if lines.get(number))
        least, last = 0.045 * float(np.ptp(axes.get_ylim())), -np.inf
        for value, number in ends:
            last = max(value, last + least)
            axes.annotate(f"#{number}", (len(lines[number]), last), (3, 0), textcoords="offset points", fontsize=7,
                          va="center")  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)

    return _drawn(name, caption, draw)


def confusion(name: str, caption: str, table: Sequence[Sequence[int]], classes: Sequence[str]) -> Drawing:
    """What was taken for what: a row per class, its shares as shades and its numbers of examples as text."""

    def draw(axes: Axes) -> None:
        counts = np.array(table)
        share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(classes)), classes, rotation=90 if max(map(len, classes)) > 3 else 0)
        axes.set_yticks(range(len(classes)), classes)
        axes.grid(visible=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if len(classes) <= 20:
            for (y, x), count in np.ndenumerate(counts):
                if count:
                    axes.annotate(f"{count}", (x, y), ha="center", va="center", fontsize=7,
                                  color="white" if share[y, x] > 0.5 else "black")  # fmt: skip

    side = min(7.0, 1.9 + 0.28 * len(classes))
    return _drawn(name, caption, draw, (side, side))
