"""What reading a file of arrays may meet."""

from __future__ import annotations

import zlib
from tokenize import TokenError
from zipfile import BadZipFile

__all__ = ["UNREADABLE"]

#: What `numpy.load` raises where a file is cut off, damaged, no such file at all, or too large.
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, MemoryError, NotImplementedError, BadZipFile, TokenError, zlib.error,
)  # fmt: skip
