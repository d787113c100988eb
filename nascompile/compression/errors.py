"""What can go wrong in compression, under the project's one error tree."""

from __future__ import annotations

from spaces.errors import Diagnostic, NascompileError, Span

__all__ = ["CompressionError"]


class CompressionError(NascompileError):
    """A network cannot be quantised or pruned as asked.

    Example:
        >>> print(CompressionError.of("no-sparsity", "the space has no choice `S`"))
        the space has no choice `S` [no-sparsity]
    """

    @classmethod
    def of(cls, code: str, message: str, hint: str = "", span: Span | None = None) -> CompressionError:
        """The error with a single diagnostic."""
        return cls(Diagnostic(code, message, span, hint))
