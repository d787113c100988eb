"""The sections of a page that are about a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nascompile.cli.counts import between_text, estimate_text
from nascompile.cli.output import share
from nascompile.cli.page.budgets import METRICS, Counting, counting, packed
from nascompile.cli.page.document import Page, Section, paragraph, table
from nascompile.cli.page.figures import Drawing, bars, histogram, shares, stairs
from nascompile.cli.report import budget_text, report
from nascompile.cli.shipped import shipped_text
from solvers.attribution import RELATIONS
from solvers.sets.cost_points import CostPoints
from solvers.sets.distribution import distribution
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, Estimate
from spaces.errors import EngineError
from spaces.language.layer import option_label
from spaces.program.candidate import Candidate
from spaces.targets.target import Target

__all__ = ["set_page"]

#: Variants that are listed, at most.
_VARIANTS = 200
_NAMES = {"ram": "RAM, bytes", "rom": "ROM, bytes", "macs": "MACs"}


def set_page(
    fs: AnySet, target: Target | None, space: str = "", drawn: Sequence[Candidate] = (),
    report_step: Callable[[str, int], None] = lambda what, done: None,
) -> Page:  # fmt: skip
    """A page about a set: what its budgets leave, the set itself, what its members are like.

    Args:
        fs: the set.
        target: its chip.
        space: what a command line names to reduce the space under other budgets; empty where that is not known.
        drawn: networks of a run, which the distributions mark.
        report_step: called with what is being done.
    """
    program = fs.program
    on = f" on {program.target}" if program.target else ""
    page = Page(f"{program.space.name}{on}", "")
    report_step("counting what each limit leaves", 0)
    data = report(fs, target=target)
    page.lead = paragraph(
        f"Networks that fit: {data['origin'] or budget_text(data['budgets'], data['ram_model'], data['runtime'])}. "
        f"Counted as {data['dtype']} by {data['runtime']}."
    )
    page.sections.append(_counts(fs, data))
    if not isinstance(fs, FeasibleSet):
        return page
    found = counting(fs, report_step)
    page.sections.append(_budgets(found, fs))
    if found:
        page.data, page.space = packed(found.data()), space or "SPACE"
    if fs.size:
        report_step("drawing", 0)
        page.sections.append(_members(fs, found, drawn))
    return page


def _counts(fs: AnySet, data: dict[str, Any]) -> Section:
    section = Section("counts", "From the space to the set")
    low, high = fs.between
    size = data["size"]
    section.add(
        '<div class="numbers">'
        f"<div><b>{size:,}</b>networks in the space, |X|</div>"
        f"<div><b>{between_text(low, high)}</b>feasible, |X^f|{', exactly' if low == high else ''}</div>"
        f"<div><b>{share(high, size)}</b>of the space{'' if low == high else ', at most'}</div></div>\n"
    )
    if low != high:
        section.add(paragraph(estimate_text(Estimate(**data["count_estimate"]))))
        text = data["relaxed"]["text"]
        section.add(paragraph(f"The set is relaxed: {text}. Its members are known exactly, their number is not."))
    ships = data["ships"]
    if ships and ships["count"] is not None and data["budgets"]:
        number, _, rest = shipped_text(ships, size).partition(" ")
        section.add(paragraph(f"{number} fit {rest}: `nascompile search` takes these."))
    limits = [row for row in data.get("limits", ()) if row["alone_keeps"] is not None]
    if limits:
        name = {RELATIONS: "constraints alone"}
        rows = [("the space", size)]
        rows += [(name.get(r["limit"], f"{r['limit']} alone".replace("ram ", "RAM ").replace("rom ", "ROM ")),
                  r["alone_keeps"]) for r in limits]  # fmt: skip
        section.draw([bars("limits", "What each limit alone leaves, and all of them together.", [*rows, ("all", low)])])
        cells = [
            (r["limit"], "" if r["budget"] is None else f"{r['budget']:,}", f"{r['alone_keeps']:,}",
             f"{r['alone_removes']:,}", share(r["alone_removes"], size)) for r in limits
        ]  # fmt: skip
        section.add(table(["<limit", "budget", "keeps alone", "removes alone", "share removed"], cells))
    if len(data["variants"]) > 1:
        some = data["variants"][:_VARIANTS]
        variants = [(row["variant"] or "-", f"{row['size']:,}", _count_text(row)) for row in some]
        heads = ["<variant", "networks", "feasible"]
        if any(row["impossible"] for row in some):
            heads.append("<why none")
            variants = [(*cells, row["impossible"] or "") for cells, row in zip(variants, some, strict=True)]
        section.add("<h3>Variants</h3>\n", table(heads, variants))
        if len(data["variants"]) > len(variants):
            section.add(paragraph(f"{len(data['variants']) - len(variants):,} more are not listed.", soft=True))
    return section


def _count_text(row: dict[str, Any]) -> str:
    count = row["count"]
    return between_text(row["count_at_least"], row["count_at_most"]) if count is None else f"{count:,}"


def _budgets(found: Counting | None, fs: FeasibleSet) -> Section:
    section = Section("set", "The set itself: what if the budgets were tighter?")
    if not fs.size:
        section.add(paragraph("The set is empty: `nascompile explain` says why, and what would help."))
        return section
    if not found:
        section.add(paragraph(
            "Its members have too many different costs to be counted in a page; `nascompile count` with other budgets "
            "counts them."
        ))  # fmt: skip
        return section
    counts = found.counts
    if isinstance(counts, CostPoints):
        how = f"The page holds all {len(counts.members):,} combinations of RAM, ROM and MACs that members have."
    else:
        sizes = " x ".join(str(len(own)) for own in counts.limits)
        how = (
            f"Members have too many combinations of RAM, ROM and MACs for a page: it steps over {sizes} limits, under "
            "all combinations of which they were counted beforehand, exactly. A number that you type becomes the next "
            "lower limit."
        )
    section.add(
        "<noscript><p>Counting needs JavaScript, which is part of this file.</p></noscript>\n"
        '<div id="budgets"></div>\n<p id="count" role="status" aria-live="polite"></p>\n<p id="share" class="soft"></p>'
        '\n<p><button type="button" id="reset">all budgets of the set</button></p>\n'
        "<h3>What is left of each decision</h3>\n"
        '<div id="ranges" aria-label="options; those struck out are taken by no network that fits"></div>\n'
        '<div id="member-box"><h3>A network that fits, at random</h3>\n'
        '<p><button type="button" id="draw">draw one</button></p><pre id="member">-</pre></div>\n',
        paragraph(f"{how} Options that are struck out are taken by no network that fits.", soft=True),
    )
    return section


def _members(fs: FeasibleSet, found: Counting | None, drawn: Sequence[Candidate]) -> Section:
    section = Section("members", "What its members are like")
    drawings: list[Drawing] = []
    rows: dict[str, dict[str, int]] = {}
    for variant, count in fs.counts.items():
        for label, options in (fs.histograms(variant) if count else {}).items():
            row = rows.setdefault(label, {})
            for option, number in options.items():
                row[option_label(option)] = row.get(option_label(option), 0) + number
    if rows:
        caption = "How often members take each option of each decision, in percent."
        drawings.append(shares("options", caption, rows))
    if entropy := _entropy(fs, drawn):
        drawings.append(entropy)
    for k, metric in enumerate(METRICS if found else ()):
        assert found
        counts, label = found.counts, _NAMES[metric]
        marks = [float(one.costs[metric]) for one in drawn]
        caption = f"{label} of all members{', and of the networks drawn' if marks else ''}."
        if isinstance(counts, CostPoints):
            drawings.append(histogram(metric, caption, counts.values[:, k], counts.members, label=label, marks=marks))
        else:
            edges = np.array([fs.metrics.extremes(metric)[0], *counts.limits[k]])
            drawings.append(stairs(metric, caption, edges, counts.between(metric), label=label, marks=marks))
    section.draw(drawings)
    return section


def _entropy(fs: FeasibleSet, drawn: Sequence[Candidate]) -> Drawing | None:
    """How the entropy is distributed; None where it cannot be counted, or is the same for all."""
    values: list[np.ndarray[Any, Any]] = []
    counts: list[np.ndarray[Any, Any]] = []
    error = 0.0
    try:
        for position, (_, root) in enumerate(fs.tree.roots):
            if root:
                lifted = fs.metrics.lifted(position)
                own = distribution(lifted, lifted.edges("log_width"), lifted.chain.base["log_width"], bins=512)
                scale = lifted.chain.log_out[own.states]
                values.append(scale * own.values)
                counts.append(own.counts)
                error = max(error, own.error * float(scale.max()))
    except EngineError:
        return None
    each = np.concatenate(values)
    if each.min() == each.max():
        return None
    rounded = f", of widths rounded by at most {error:.2g}" if error else ""
    marks = [float(one.costs["entropy"]) for one in drawn]
    caption = f"Entropy (EBS Eq. 6) of all members{rounded}{', and of the networks drawn' if marks else ''}."
    return histogram("entropy", caption, each, np.concatenate(counts), label="entropy", marks=marks)
