"""The page itself: sections of HTML, its style and its script in one file that loads nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from nascompile.cli.page.figures import Drawing
from spaces.notebook import html_table

__all__ = ["Page", "Section", "commands", "figures", "paragraph", "table"]


@dataclass
class Section:
    """A part with a title.

    Args:
        name: where links within the page lead.
        title: its heading.
        parts: HTML.
        drawings: all that stand in it.
    """

    name: str
    title: str
    parts: list[str] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)

    def add(self, *parts: str) -> None:
        """More of it."""
        self.parts.extend(parts)

    def draw(self, drawings: Iterable[Drawing], broad: bool = False) -> None:
        """Figures beside one another; broad ones have more room, and move sideways where there is none."""
        some = list(drawings)
        self.drawings.extend(some)
        self.parts.append(figures(some, broad))


@dataclass
class Page:
    """A page.

    Args:
        title: of it.
        lead: HTML below the title.
        sections: in order.
        data: what the script reads, as `budgets.packed` makes it; empty where there is nothing to count.
        space: what a command line names to reduce the space under other budgets.
    """

    title: str
    lead: str
    sections: list[Section] = field(default_factory=list)
    data: str = ""
    space: str = ""

    @property
    def drawings(self) -> list[Drawing]:
        """Every figure of the page."""
        return [one for section in self.sections for one in section.drawings]

    def html(self) -> str:
        """The file."""
        here = files("nascompile.cli.page")
        style, script = ((here / name).read_text("utf-8") for name in ("page.css", "page.js"))
        links = "".join(f'<a href="#{one.name}">{html.escape(one.title)}</a>' for one in self.sections)
        body = "\n".join(
            f'<section id="{one.name}"><h2>{html.escape(one.title)}</h2>\n{"".join(one.parts)}</section>'
            for one in self.sections
        )
        space = html.escape(self.space, quote=True)
        data = f'<script type="text/plain" id="data" data-space="{space}">{self.data}</script>' if self.data else ""
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<link rel="icon" href="data:,">\n'
            f"<style>\n{style}</style></head>\n<body>\n<h1>{html.escape(self.title)}</h1>\n{self.lead}\n"
            f'<nav aria-label="sections">{links}</nav>\n<main>\n{body}\n</main>\n'
            f"{data}\n<script>\n{script}</script>\n</body></html>\n"
        )


def paragraph(text: str, soft: bool = False) -> str:
    """Text as it is."""
    return f"<p{' class=soft' if soft else ''}>{html.escape(text)}</p>\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Cells as text; a head that begins with `<` marks a column of words."""
    return f"<div class=wide>{html_table(heads, rows)}</div>\n"


def figures(drawings: Iterable[Drawing], broad: bool = False) -> str:
    """Figures beside one another, each with its caption, and a link that saves it."""
    return f'<div class="figures{" broad" * broad}">\n' + "".join(
        f'<figure id="figure-{one.name}"><div>{one.svg}</div><figcaption>{html.escape(one.caption)} '
        f'<a href="#" data-figure="figure-{one.name}" download="{one.name}.svg">SVG</a></figcaption></figure>\n'
        for one in drawings
    ) + "</div>\n"  # fmt: skip


def commands(lines: Iterable[str]) -> str:
    """Lines to type."""
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>\n"
