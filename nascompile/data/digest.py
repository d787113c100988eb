"""What tells data from others: digests of the examples as they lie in their files, part by part.

They are taken before anything is decoded or normalised, so that another machine, which rounds otherwise, has the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["content_digest", "part_digest", "row_digests"]


def content_digest(content: bytes) -> bytes:
    """Of one example, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


def row_digests(x: NDArray[Any]) -> tuple[bytes, ...]:
    """Of the rows of an array, which are examples.

    Example:
        >>> a, b, c = row_digests(np.array([[1, 2], [1, 2], [1, 3]]))
        >>> a == b, a == c
        (True, False)
    """
    kind = x.dtype.str.encode()
    return tuple(content_digest(kind + row.tobytes()) for row in x)


def part_digest(
    examples: Iterable[bytes], targets: NDArray[Any] | tuple[NDArray[Any], ...], how: Mapping[str, Any]
) -> str:
    """Of a part: its examples in their order, what each is to be taken for, and how they become inputs; 32 digits.

    Args:
        examples: their digests.
        targets: as `Part.y`.
        how: plain data.
    """
    result = hashlib.blake2b(json.dumps(dict(how), sort_keys=True).encode(), digest_size=16)
    for example in examples:
        result.update(example)
    rows: Sequence[NDArray[Any]] = targets if isinstance(targets, tuple) else (targets,)
    for row in rows:
        result.update(f"{row.dtype.str} {row.shape}".encode() + np.ascontiguousarray(row).tobytes())
    return result.hexdigest()
