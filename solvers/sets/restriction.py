"""Part of a tree: members with given options, and how many members take each option."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Level, reduce_chain
from spaces.errors import CandidateError, did_you_mean
from spaces.language.layer import option_label
from spaces.program.variants import Decision, Variant

__all__ = ["histogram", "option_masks", "restrict"]

Masks = dict[int, NDArray[np.bool_]]


def restrict(levels: Sequence[Level], root: int, masks: Masks) -> tuple[list[Level], int]:
    """The members whose options are allowed.

    Args:
        levels: first decision first.
        root: the root.
        masks: per restricted decision, which options are allowed.
    """
    kept = [_masked(level, masks.get(t)) for t, level in enumerate(levels)]
    return reduce_chain(kept, root)


def _masked(level: Level, mask: NDArray[np.bool_] | None) -> Level:
    if mask is None:
        return level
    # A level may be wider than this variant's options where variants share it; those columns are empty anyway.
    wide = np.zeros(level.shape[1], np.bool_)
    wide[: len(mask)] = mask
    return np.where(wide, level, 0)


def histogram(levels: Sequence[Level], root: int, counts: Sequence[NDArray[Any]]) -> list[list[int]]:
    """Members per option, per decision: prefixes into each node times members below each child."""
    total = int(counts[len(levels)][root])
    dtype = np.int64 if total < 2**62 else object
    weight = np.zeros(len(counts[len(levels)]), dtype)
    weight[root] = 1
    out: list[list[int]] = []
    for t, level in enumerate(levels):
        below = counts[len(levels) - 1 - t]
        live = np.flatnonzero(weight) if root else np.zeros(0, np.intp)
        passing = weight[live, None] * below[level[live]]
        out.append([int(n) for n in passing.sum(axis=0)])
        after = np.zeros(len(below), dtype)
        np.add.at(after, level[live].ravel(), np.repeat(weight[live], level.shape[1]))
        after[0] = 0
        weight = after
    return out


def option_masks(variants: Sequence[Variant], choices: Mapping[str, Any]) -> list[Masks | None]:
    """Per variant, which options of which decisions are allowed; None where a variant has no such members.

    Raises:
        CandidateError: an unknown choice, use or option.
    """
    known = {d.choice for v in variants for d in v.decisions} | {n for v in variants for n in v.constants}
    for name in choices:
        if name not in known:
            raise CandidateError.of("bad-restriction", f"there is no choice `{name}`", did_you_mean(name, known))
    uses = max((v.count(n) for v in variants for n in choices), default=0)
    for name, wanted in choices.items():
        for use in wanted if _by_use(wanted) else ():
            if not isinstance(use, int) or not 1 <= use <= uses:
                raise CandidateError.of("bad-restriction", f"there is no {name}[{use}]", f"{name} has uses 1 to {uses}")
    return [_variant_masks(v, choices) for v in variants]


def _variant_masks(variant: Variant, choices: Mapping[str, Any]) -> Masks | None:
    masks: Masks = {}
    for name, wanted in choices.items():
        if name in variant.constants:
            if variant.constants[name] not in _values(wanted):
                return None
            continue
        mine = [t for t, d in enumerate(variant.decisions) if d.choice == name]
        per_use = wanted if _by_use(wanted) else dict.fromkeys(range(1, len(mine) + 1), wanted)
        for use, value in per_use.items():
            if use > len(mine):
                return None
            masks[mine[use - 1]] = _mask(variant.decisions[mine[use - 1]], _values(value))
    return masks


def _by_use(wanted: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether options are wanted for single uses, `{1: 84}`, rather than for all."""
    return isinstance(wanted, Mapping)


def _several(wanted: Any) -> TypeGuard[Collection[Any]]:
    return isinstance(wanted, list | range | set | frozenset)


def _values(wanted: Any) -> list[Any]:
    return list(wanted) if _several(wanted) else [wanted]


def _mask(decision: Decision, values: list[Any]) -> NDArray[np.bool_]:
    mask = np.zeros(len(decision.options), np.bool_)
    labels = [option_label(o) for o in decision.options]
    for value in values:
        text = option_label(value)
        if text not in labels:
            raise CandidateError.of(
                "bad-restriction", f"{decision.label} cannot be {text}", f"its options are {', '.join(labels[:20])}"
            )
        mask[labels.index(text)] = True
    return mask
