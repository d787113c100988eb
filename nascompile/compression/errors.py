"""What can go wrong in compression, under the project's one error tree."""

from __future__ import annotations

from spaces.errors import NascompileError

__all__ = ["CompressionError"]


class CompressionError(NascompileError):
    """A network cannot be quantised or pruned as asked.

    Example:
        >>> print(CompressionError.of("no-sparsity", "the space has no choice `S`"))
        the space has no choice `S` [no-sparsity]
    """
