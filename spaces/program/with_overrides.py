"""A candidate of a compiled space under other keys of the file: the same network, other costs, no tables compiled."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.errors import CandidateError
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate
from spaces.program.compile import recompiled
from spaces.program.variants import Variant, unroll

__all__ = ["with_overrides"]


def with_overrides(candidate: Candidate, overrides: Iterable[str]) -> Candidate:
    """The candidate in its space under overrides that leave the decisions as they are.

    Args:
        candidate: of a compiled space.
        overrides: `key.path=value` strings, such as `cells.cell.dead_edges=counted` or `dtype=int8`.

    Raises:
        SpaceError: a mistake in the overrides.
        CandidateError: the overrides change what there is to decide.

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> c = parse_candidate(compile_space(load_space("mlp2")), "mlp2: 32-16")
        >>> c.costs["rom"], with_overrides(c, ["dtype=int8"]).costs["rom"]
        (5120, 1280)
    """
    program = candidate.program
    given = tuple(overrides)
    space = read_space(program.space.document.dump(), overrides=given)
    variants = unroll(space)
    if list(map(_decided, variants)) != list(map(_decided, program.variants)):
        message = f"{', '.join(given)} changes what a network of `{program.space.name}` decides"
        raise CandidateError.of("bad-override", message, "compile the space with the overrides")
    there = recompiled(program, space, tables=False)
    return Candidate(space.name, candidate.position, candidate.row, there)


def _decided(variant: Variant) -> tuple[str, tuple[tuple[str, tuple[object, ...]], ...]]:
    return variant.label, tuple((d.label, d.options) for d in variant.decisions)
