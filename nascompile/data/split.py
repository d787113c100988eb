"""Training, validation and test part: what the source says, and the rest drawn by a seed, class by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data

__all__ = ["PART_NAMES", "Shares", "check_shares", "split_anomalies", "split_parts", "subset"]

PART_NAMES = ("train", "valid", "test")

#: Of training, validation and test part.
Shares = tuple[float, float, float]


def split_parts(
    classes: NDArray[np.int64], given: Sequence[str], shares: Shares, seed: int, names: Sequence[str] = ()
) -> NDArray[np.int8]:
    """The part of every example: 0 train, 1 valid, 2 test.

    Official validation and test parts stay what they are. What else is wanted is drawn from the other examples, and of
    each class in proportion: a part that is drawn takes the share s / (s_train + shares drawn) of every class, rounded,
    but at least one example.

    Args:
        classes: [n].
        given: the official part of each example, or "".
        shares: of the three parts.
        seed: decides who is drawn.
        names: of the classes, for messages.

    Raises:
        FileError: a class has fewer examples than there are parts to be drawn.

    Example:
        >>> split_parts(np.zeros(10, np.int64), [""] * 10, (0.7, 0.1, 0.2), seed=0)
        array([0, 2, 0, 2, 0, 0, 0, 0, 0, 1], dtype=int8)
    """
    parts = np.array([PART_NAMES.index(g) if g else 0 for g in given], np.int8)
    drawn = [p for p in (1, 2) if not (parts == p).any()]
    pool = np.flatnonzero(parts == 0)
    rng = np.random.default_rng([seed, 1])
    for number in np.unique(classes[pool]):
        members = rng.permutation(pool[classes[pool] == number])
        start, name = 0, str(names[number] if number < len(names) else number)
        for part, count in zip(drawn, _counts(len(members), drawn, shares, name), strict=True):
            parts[members[start : start + count]] = part
            start += count
    return parts


def split_anomalies(
    classes: NDArray[np.int64], normal: int, given: Sequence[str], shares: Shares, seed: int, names: Sequence[str] = ()
) -> NDArray[np.int8]:
    """`split_parts` for learning what is normal: nothing else is left to learn from.

    Normal examples are drawn as ever. Of the others, each class goes to validation and test part by the shares of these
    two, or all of it to validation where the test part is official.
    """
    words = np.array(given, dtype=str)
    ordinary = classes == normal
    parts = np.zeros(len(classes), np.int8)
    parts[ordinary] = split_parts(classes[ordinary], words[ordinary].tolist(), shares, seed, names)
    official = bool((words == "test").any())
    rng = np.random.default_rng([seed, 2])
    for number in np.unique(classes[~ordinary]):
        members = rng.permutation(np.flatnonzero(classes == number))
        free = members[np.isin(words[members], ("", "train"))]
        for part in (1, 2):
            parts[members[words[members] == PART_NAMES[part]]] = part
        share = shares[1] / (shares[1] + shares[2])
        valid = len(free) if official else min(len(free) - 1, round(len(free) * share))
        parts[free[:valid]], parts[free[valid:]] = 1, 2
    return parts


def subset(classes: NDArray[np.int64], given: Sequence[str], limit: int, seed: int) -> NDArray[np.intp]:
    """Positions of `limit` examples, sorted: of every class in every official part its share, at least one.

    Raises:
        FileError: the limit is below the number of classes in parts.

    Example:
        >>> subset(np.array([0] * 90 + [1] * 10), [""] * 100, limit=10, seed=0).size
        10
    """
    names, part = np.unique(np.array(given, dtype=str), return_inverse=True)
    strata = classes * len(names) + part
    numbers, counts = np.unique(strata, return_counts=True)
    if limit >= len(classes):
        return np.arange(len(classes))
    if limit < len(numbers):
        message = f"--limit {limit} is less than one example for each class in each part"
        raise bad_data(message, f"give --limit {len(numbers)} or more, or leave it out", "bad-option")
    exact = counts * (limit / len(classes))
    taken = np.maximum(1, np.floor(exact)).astype(np.int64)
    for k in np.argsort(taken - exact, kind="stable")[: max(0, limit - int(taken.sum()))]:
        taken[k] += 1
    while taken.sum() > limit:
        taken[np.argmax(taken)] -= 1
    rng = np.random.default_rng([seed, 0])
    members = [rng.permutation(np.flatnonzero(strata == s))[:n] for s, n in zip(numbers, taken, strict=True)]
    return np.sort(np.concatenate(members))


def check_shares(shares: Shares) -> None:
    """Raises unless three positive shares sum to one."""
    if len(shares) != 3 or not all(s > 0 for s in shares) or abs(sum(shares) - 1) > 1e-6:
        message = f"`split` is {shares}"
        raise bad_data(message, "give three positive shares of train, valid and test that sum to 1", "bad-option")


def _counts(n: int, drawn: list[int], shares: Shares, name: str) -> list[int]:
    """How many of a class go to each part that is drawn; one at least stays in the training part."""
    if n <= len(drawn):
        wanted = " and ".join([*(PART_NAMES[p] for p in drawn), "train"])
        message = f"class `{name}` has {n} example{'s' * (n != 1)}, too few for {wanted}"
        raise bad_data(message, "give it more examples or official parts, or a larger --limit", "few-examples")
    total = shares[0] + sum(shares[p] for p in drawn)
    counts = [max(1, int(n * shares[p] / total + 0.5)) for p in drawn]
    while sum(counts) >= n:
        counts[counts.index(max(counts))] -= 1
    return counts
