"""One process at a time: a lock on an open file, which goes with the process, however that ends."""

from __future__ import annotations

import warnings
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["lock"]


def lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Keep a file for this process, until it closes the file or ends; who only reads the file does not ask.

    Where the system or the file system has no locks, a warning says so, and nobody is kept out.

    Args:
        file: open for writing; for a shared lock, for reading.
        shared: only ask whether somebody keeps it, as any number of processes may do at a time.

    Returns:
        Whether no other process keeps it.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as one, open(one.name, "rb") as other:
        ...     lock(one), lock(other, shared=True)
        (True, False)
    """
    try:
        if fcntl is None:
            raise OSError("this system has no `fcntl`")
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as cause:
        message = f"`{file.name}` cannot be locked ({cause}): see that only one process writes it at a time"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return True
