"""The error of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.errors import NascompileError

if TYPE_CHECKING:
    pass

__all__ = ["RunError"]


class RunError(NascompileError):
    """A run, its folder or its storage cannot be used as asked."""
