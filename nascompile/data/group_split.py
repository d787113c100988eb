"""Parts drawn group by group, so that a person or a recording lies in one of them only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data
from nascompile.data.split import PART_NAMES, Shares

__all__ = ["split_groups"]

#: Draws, of which the one is taken that is nearest to the shares.
_TRIED = 16
_HINT = "give more of them, a column `split` that says the parts, or leave --group out"


def split_groups(
    classes: NDArray[np.int64],
    groups: Sequence[str],
    given: Sequence[str],
    shares: Shares,
    seed: int,
    names: Sequence[str] = (),
) -> NDArray[np.int8]:
    """The part of every example, as `split_parts` has it: 0 train, 1 valid, 2 test.

    Groups go where they bring the examples of each class nearest to the shares: the larger ones first; or the smaller
    ones first, and at first where a class lacks. Of several draws the best is taken.

    Args:
        classes: [n].
        groups: of each example.
        given: the official part of each example, or "".
        shares: of the three parts.
        seed: of the orders.
        names: of the classes, all of which have to be in each part; empty where that does not matter.

    Raises:
        FileError: a group lies in two official parts; or there are too few groups.

    Example:
        >>> people = np.repeat(["ann", "bob", "cid", "dee", "eve"], 4)
        >>> parts = split_groups(np.tile([0, 1], 10), people.tolist(), [""] * 20, (0.6, 0.2, 0.2), seed=0)
        >>> sorted(np.bincount(parts).tolist()), len(set(zip(people.tolist(), parts.tolist())))
        ([4, 4, 12], 5)
    """
    numbers, of = np.unique(np.array(groups, str), return_inverse=True)
    parts = np.array([PART_NAMES.index(g) if g else 0 for g in given], np.int8)
    for number, name in enumerate(numbers.tolist()):
        if len(own := np.unique(parts[of == number])) > 1:
            listed = " and ".join(PART_NAMES[p] for p in own)
            message = f"`{name}` lies in {listed}, which the data give"
            raise bad_data(message, "correct the parts, or leave --group out", "bad-groups")
    drawn = [0, *(p for p in (1, 2) if not (parts == p).any())]
    pool = np.flatnonzero(parts == 0)
    some = np.unique(of[pool])
    counts = np.zeros((len(some), int(classes.max(initial=0)) + 1))
    np.add.at(counts, (np.searchsorted(some, of[pool]), classes[pool]), 1)
    counts = counts[:, counts.sum(0) > 0]
    share = np.array([shares[p] for p in drawn]) / sum(shares[p] for p in drawn)
    rng = np.random.default_rng([seed, 3])
    tried = (_drawn(counts, share, rng, few=bool(k % 2)) for k in range(_TRIED))
    best = min(tried, key=lambda found: found[1])[0]
    _check(best, counts, drawn, [names[int(k)] for k in np.unique(classes[pool])] if names else [])
    parts[pool] = np.array(drawn, np.int8)[best[np.searchsorted(some, of[pool])]]
    return parts


def _drawn(
    counts: NDArray[np.float64], share: NDArray[np.float64], rng: np.random.Generator, few: bool
) -> tuple[NDArray[np.intp], tuple[int, float]]:
    """A position in `share` for each group; how many classes lack in a part, and how far it is from the shares."""
    total = counts.sum(0)
    off = -np.outer(share, np.ones(len(total)))
    result = np.zeros(len(counts), np.intp)
    held = np.zeros_like(off)
    for g in np.argsort(counts.sum(1) * rng.uniform(0.7, 1.3, len(counts)) * (1 if few else -1)):
        one = counts[g] / total
        lacking = ((held == 0) & (one > 0)).sum(1) if few else 0
        result[g] = np.argmin(((off + one) ** 2 - off**2).sum(1) - lacking)
        off[result[g]] += one
        held[result[g]] += one
    return result, (int((held == 0).sum()), float((off**2).sum()))


def _check(best: NDArray[np.intp], counts: NDArray[np.float64], drawn: list[int], names: Sequence[str]) -> None:
    """Raises unless each part has a group, and where there are names one of each class."""
    wanted = ", ".join(PART_NAMES[p] for p in drawn)
    for p in range(len(drawn)):
        held = counts[best == p].sum(0)
        if not held.any():
            message = f"there {'are' if len(counts) != 1 else 'is'} {len(counts)} group{'s' * (len(counts) != 1)}"
            raise bad_data(f"{message}, too few for {wanted}", _HINT, "few-groups")
        for k, name in enumerate(names):
            if not held[k]:
                few = int((counts[:, k] > 0).sum())
                message = f"class `{name}` is in {few} group{'s' * (few != 1)}, and no draw leaves it in {wanted}"
                raise bad_data(message, _HINT, "few-groups")
