"""The one error tree of the project, and the diagnostic that every error carries.

Libraries raise; the command line renders. A `Diagnostic` knows where the user's mistake is (file, line, column,
the text of that line), what is wrong and what would be right, under a stable code that tests and scripts can match.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = [
    "CandidateError",
    "Diagnostic",
    "EngineError",
    "ExpressionError",
    "FileError",
    "NascompileError",
    "SetFileError",
    "SpaceError",
    "Span",
    "TargetError",
    "UnitError",
    "did_you_mean",
]


@dataclass(frozen=True)
class Span:
    """A place in a text file: 1-based line and column, and how many characters to underline."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: a stable code, what is wrong, where, and the remedy.

    Example:
        >>> span = Span("a.yaml", 3, 5, 4, "    cnv: {}")
        >>> print(Diagnostic("unknown-block", "unknown block `cnv`", span, "did you mean `conv`?").render())
        a.yaml:3:5: unknown block `cnv` [unknown-block]
          3 |     cnv: {}
            |     ^^^^
          did you mean `conv`?
    """

    code: str
    message: str
    span: Span | None = None
    hint: str = ""

    def render(self) -> str:
        """The diagnostic as a person reads it: place, message, the source line with carets, the remedy."""
        head = f"{self.message} [{self.code}]"
        lines = [f"{self.span}: {head}" if self.span else head]
        if self.span and self.span.text:
            number = str(self.span.line)
            # A very long line (a 10 MB file on one line) must not flood the terminal.
            text = self.span.text[:160]
            start = self.span.column - 1
            if start < len(text):
                carets = "^" * max(1, min(self.span.length, len(text) - start))
                lines.append(f"  {number} | {text}")
                lines.append(f"  {' ' * len(number)} | {' ' * start}{carets}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class NascompileError(Exception):
    """Root of every error that a user can cause. Carries one or more diagnostics.

    Args:
        diagnostics: what is wrong; several when a whole file was read and every mistake in it is reported at once.
    """

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = (
            (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        )
        super().__init__("\n".join(d.render() for d in self.diagnostics))

    @classmethod
    def of(cls, code: str, message: str, hint: str = "", span: Span | Path | None = None) -> Self:
        """The error with a single diagnostic.

        Args:
            code: see `Diagnostic`, as the next two.
            message: what is wrong.
            hint: what would be right.
            span: where; of a file that is wrong as a whole, its path.
        """
        return cls(Diagnostic(code, message, Span(str(span), 1, 1) if isinstance(span, Path) else span, hint))


class SpaceError(NascompileError):
    """A space file is malformed, or describes networks that cannot exist."""


class ExpressionError(SpaceError):
    """An expression in a space file cannot be read or evaluated."""


class UnitError(NascompileError):
    """A quantity such as `256KiB` cannot be read."""


class TargetError(NascompileError):
    """An MCU is unknown, or a target file is malformed."""


class CandidateError(NascompileError):
    """A candidate's text or values do not belong to the space."""


class EngineError(NascompileError):
    """A solver cannot answer what it was asked."""


class FileError(NascompileError):
    """A file cannot be read or written."""


class SetFileError(FileError):
    """A feasible-set file is truncated, altered, or of another version."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known words, or all of them when none is near.

    Example:
        >>> did_you_mean("depthwize", ["conv", "depthwise"])
        'did you mean `depthwise`?'
        >>> did_you_mean("zzz", ["conv", "depthwise"])
        'known: conv, depthwise'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), [n.lower() for n in names], n=3, cutoff=0.6)
    by_lower = {n.lower(): n for n in names}
    if near:
        return "did you mean " + " or ".join(f"`{by_lower[n]}`" for n in near) + "?"
    return "known: " + ", ".join(names)
