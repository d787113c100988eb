"""How values show themselves in a notebook: small tables of HTML, and pandas frames where pandas is installed."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spaces.errors import NascompileError

__all__ = ["frame", "html_table"]


def html_table(heads: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Cells as text; a head that begins with `<` marks a column of words.

    Example:
        >>> html_table(["<name", "bytes"], [("a<b", 8)])
        '<table><thead><tr><th class="text" scope="col">name</th><th scope="col">bytes</th></tr></thead><tbody>\\n<tr><td class="text">a&lt;b</td><td>8</td></tr>\\n</tbody></table>'
    """  # noqa: E501 - an example is a line
    kinds = [' class="text"' if head.startswith("<") else "" for head in heads]
    names = [html.escape(head.removeprefix("<")) for head in heads]
    top = "".join(f'<th{kind} scope="col">{name}</th>' for name, kind in zip(names, kinds, strict=True))
    lines = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{html.escape(str(c))}</td>" for c, kind in zip(row, kinds, strict=True))
        + "</tr>\n"
        for row in rows
    )
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{top}</tr></thead><tbody>\n{lines}</tbody></table>"


def frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Rows as a pandas DataFrame.

    Raises:
        NascompileError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        message = "a frame needs pandas, which is not installed"
        raise NascompileError.of("no-pandas", message, "pip install pandas") from None
    return pd.DataFrame(list(rows))
