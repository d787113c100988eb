"""The arena of a network over time as a picture: which tensor lies where, from which operator to which."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from nascompile.deploy.layers import LayerRow, Stay

__all__ = ["arena_svg"]

#: Pixels: of the margins, of the drawing's height, of a step at least and of all steps at most.
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 44, 20, 120
_HEIGHT, _STEP, _WIDTH = 380, 16, 1400
_LEGEND = "bytes of the arena over time; orange: laid out while an operator runs; dashed border: written over an input"
#: Of tensors in turn; of what operators lay out.
_COLOURS, _SCRATCH = ("#4e79a7", "#76b7b2", "#59a14f", "#9c755f", "#b07aa1"), "#f28e2b"


def arena_svg(found: Sequence[Stay], rows: Sequence[LayerRow], size: int, title: str) -> str:
    """The drawing: steps from left to right, bytes from below.

    Args:
        found: see `nascompile.deploy.layers.stays`.
        rows: the operators.
        size: bytes of the arena.
        title: of the picture.

    Example:
        >>> arena_svg([Stay(0, 0, 0, 64)], [], 64, "nothing").count("<rect")
        2
    """
    steps = len(rows) + 1
    step = max(_STEP, min(60, _WIDTH // steps))
    width, height = _LEFT + steps * step + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    width = max(width, _LEFT + 8 * len(title), _LEFT + 6 * len(_LEGEND))

    def y(at: int) -> float:
        return round(_TOP + _HEIGHT * (1 - at / size), 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="11" viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="36" fill="#555">{_LEGEND}</text>',
    ]
    for part in range(5):
        at = size * part // 4
        lines += [
            f'<line x1="{_LEFT}" x2="{_LEFT + steps * step}" y1="{y(at)}" y2="{y(at)}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 6}" y="{y(at) + 4}" text-anchor="end">{at:,}</text>',
        ]
    in_place = {row.number for row in rows if "in place" in row.note}
    for k, stay in enumerate(found):
        if stay.begin == stay.end:
            continue
        x, wide = _LEFT + stay.first * step, (stay.last - stay.first + 1) * step
        colour = _SCRATCH if stay.scratch else _COLOURS[k % len(_COLOURS)]
        dashes = ' stroke-dasharray="4 2" stroke-width="2"' if stay.first in in_place and not stay.scratch else ""
        name = "the input" if stay.first == 0 else rows[stay.first - 1].kind
        told = f"{'scratch of ' if stay.scratch else ''}{name}, {stay.end - stay.begin:,} B at {stay.begin:,}"
        tall = round(y(stay.begin) - y(stay.end), 1)
        lines.append(
            f'<rect x="{x}" y="{y(stay.end)}" width="{wide}" height="{tall}" fill="{colour}" fill-opacity="0.75" '
            f'stroke="#222"{dashes}><title>{escape(told)}</title></rect>'
        )
    for k in range(steps):
        x, name = _LEFT + (k + 0.5) * step + 4, "input" if k == 0 else f"{k} {rows[k - 1].kind}"
        at = _TOP + _HEIGHT + 10
        lines.append(f'<text transform="translate({x} {at}) rotate(-60)" text-anchor="end">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])
