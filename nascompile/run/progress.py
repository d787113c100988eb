"""What a run tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

__all__ = ["ProgressCallback"]

#: Called with the number of a candidate that is trained, and what of it has just ended.
ProgressCallback = Callable[[int, str], None]
