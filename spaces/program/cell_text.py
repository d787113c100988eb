"""A cell as one word, in the form of NAS-Bench-201: `|conv~0|+|none~0|skip~1|`, a group per node, `operator~source`."""

from __future__ import annotations

from collections.abc import Sequence

from spaces.errors import CandidateError, did_you_mean
from spaces.language.cell import Cell
from spaces.language.numbering import count_of, row_of

__all__ = ["cell_word", "read_cell_word"]


def cell_word(cell: Cell, names: Sequence[str]) -> str:
    """The text of a cell.

    Args:
        cell: the cell.
        names: the operator of each edge.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> cell_word(cell, ("skip", "none", "skip"))
        '|skip~0|+|none~0|skip~1|'
    """
    nodes: dict[int, str] = {}
    for (i, j), name in zip(cell.edges, names, strict=True):
        nodes[j] = f"{nodes.get(j, '|')}{name}~{i}|"
    return "+".join(nodes.values())


def read_cell_word(cell: Cell, word: str) -> tuple[str, ...]:
    """The operator of each edge, from a cell's text or its index in the benchmark; the inverse of `cell_word`.

    Raises:
        CandidateError: another graph, an unknown operator, an index that the benchmark does not have.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> read_cell_word(cell, "|skip~0|+|none~0|skip~1|")
        ('skip', 'none', 'skip')
    """
    if word.isdecimal():
        return _by_index(cell, word)
    parts = [part for node in word.split("+") for part in node.strip().strip("|").split("|")]
    result: list[str] = []
    for part in parts:
        name = part.rpartition("~")[0]
        if name not in cell.operators:
            raise CandidateError.of(
                "bad-candidate", f"`{cell.name}` has no operator `{name or part}`", did_you_mean(name, cell.operators)
            )
        result.append(name)
    if len(result) != len(cell.edges) or cell_word(cell, result) != word:
        example = cell_word(cell, [next(iter(cell.operators))] * len(cell.edges))
        raise CandidateError.of(
            "bad-candidate", f"`{word}` is no cell of {len(cell.edges)} edges", f"write it as `{example}`"
        )
    return tuple(result)


#: Digits of an index, at most; Python itself reads no more than 4,300.
_MAX_DIGITS = 20


def _by_index(cell: Cell, word: str) -> tuple[str, ...]:
    shown = word if len(word) <= _MAX_DIGITS else f"{word[:_MAX_DIGITS]}..."
    if not cell.numbering:
        raise CandidateError.of(
            "bad-candidate", f"`{shown}` is no cell: the cells of `{cell.name}` have no numbers", "write its operators"
        )
    if len(word) > _MAX_DIGITS:
        last = f"{cell.numbering} numbers its cells from 0 to {count_of(cell.numbering) - 1:,}"
        raise CandidateError.of("bad-candidate", f"there is no cell of {len(word):,} digits ({shown})", last)
    names, index = tuple(cell.operators), int(word)
    try:
        return tuple(names[x] for x in row_of(cell.numbering, index, len(names), len(cell.edges)))
    except IndexError as error:
        raise CandidateError.of("bad-candidate", f"there is no cell {index:,}", str(error)) from None
