"""Part of a tree: members with given options, and how many members take each option."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Level, reduce_chain
from spaces.errors import CandidateError, did_you_mean
from spaces.language.layer import option_label
from spaces.program.variants import Decision, Variant

__all__ = ["condition_text", "histogram", "option_masks", "options_used", "parse_conditions", "restrict"]

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


def options_used(levels: Sequence[Level], root: int) -> list[NDArray[np.bool_]]:
    """Which options some member takes, per decision; arguments as for `restrict`."""
    live = np.array([root] if root else [], np.intp)
    out: list[NDArray[np.bool_]] = []
    for t, level in enumerate(levels):
        below = level[live]
        out.append(np.asarray(below.any(axis=0)))
        live = _distinct_nodes(below, len(levels[t + 1]) if t + 1 < len(levels) else 2)
    return out


def _distinct_nodes(nodes: NDArray[Any], size: int) -> NDArray[np.intp]:
    """The distinct nodes of a level of `size`, but for the empty one, ascending."""
    flags = np.zeros(size, np.bool_)
    flags[nodes.ravel()] = True
    flags[0] = False
    return np.flatnonzero(flags)


def histogram(levels: Sequence[Level], root: int, counts: Sequence[NDArray[Any]]) -> list[list[int]]:
    """Members per option, per decision: prefixes into each node times members below each child."""
    total = int(counts[len(levels)][root])
    dtype = np.int64 if total < 2**62 else object
    live = np.array([root] if root else [], np.intp)
    weight = np.ones(len(live), dtype)
    out: list[list[int]] = []
    for t, level in enumerate(levels):
        children, below = level[live], counts[len(levels) - 1 - t]
        passing = weight[:, None] * below[children]
        out.append([int(n) for n in passing.sum(axis=0)])
        live = _distinct_nodes(children, len(below))
        there = children > 0
        after = np.zeros(len(live), dtype)
        np.add.at(after, np.searchsorted(live, children[there]), np.repeat(weight, there.sum(axis=1)))
        weight = after
    return out


def option_masks(
    variants: Sequence[Variant], choices: Mapping[str, Any], cells: Collection[str] = ()
) -> list[Masks | None]:
    """Per variant, which options of which decisions are allowed; None where a variant has no such members.

    Args:
        variants: of the program, in order.
        choices: see `FeasibleSet.where`.
        cells: which of the choices are cells, whose uses are edges.

    Raises:
        CandidateError: an unknown choice, use or option.
    """
    known = _known_options(variants)
    for name, wanted in choices.items():
        if name not in known:
            raise CandidateError.of("bad-restriction", f"there is no choice `{name}`", did_you_mean(name, known))
        uses = max(v.count(name) for v in variants)
        for use, values in wanted.items() if _by_use(wanted) else [(0, wanted)]:
            if _by_use(wanted) and not (isinstance(use, int) and 1 <= use <= uses):
                raise _no_such_use(name, use, uses, cell=name in cells)
            labels = known[name]
            for value in _values(values):
                if _found(value, labels) is None:
                    label = f"{name}[{use}]" if use else name
                    shown, hint = option_label(value)[:40], f"its options are {', '.join(labels[:20])}"
                    raise CandidateError.of("bad-restriction", f"{label} cannot be {shown}", hint)
    return [_variant_masks(v, choices) for v in variants]


def _known_options(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """The options of each choice as texts, those that shape a variant too."""
    result: dict[str, dict[str, None]] = {}
    for variant in variants:
        for decision in variant.decisions:
            result.setdefault(decision.choice, {}).update(dict.fromkeys(map(option_label, decision.options)))
        for name, value in variant.constants.items():
            result.setdefault(name, {})[option_label(value)] = None
    return {name: list(labels) for name, labels in result.items()}


def _no_such_use(name: str, use: object, uses: int, cell: bool) -> CandidateError:
    what = "edges" if cell else "uses"
    hint = f"{name} has {what} 1 to {uses}" if uses else f"{name} is decided once; write `{name}` without an index"
    return CandidateError.of("bad-restriction", f"there is no {name}[{str(use)[:20]}]", hint)


def _variant_masks(variant: Variant, choices: Mapping[str, Any]) -> Masks | None:
    masks: Masks = {}
    for name, wanted in choices.items():
        if name in variant.constants:
            if not any(_found(value, [option_label(variant.constants[name])]) == 0 for value in _values(wanted)):
                return None
            continue
        mine = [t for t, d in enumerate(variant.decisions) if d.choice == name]
        per_use = wanted if _by_use(wanted) else dict.fromkeys(range(1, len(mine) + 1), wanted)
        for use, value in per_use.items():
            if use > len(mine):
                return None
            masks[mine[use - 1]] = _mask(variant.decisions[mine[use - 1]], _values(value))
    return masks


def condition_text(wanted: Any) -> str:
    """The options that are wanted, for a person.

    Example:
        >>> condition_text({1: 84, 2: ["84", 112], 3: ["relu"]})
        '{1: 84, 2: [84, 112], 3: relu}'
    """
    if _by_use(wanted):
        return f"{{{', '.join(f'{use}: {condition_text(values)}' for use, values in wanted.items())}}}"
    texts = [option_label(value) for value in _values(wanted)]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _by_use(wanted: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether options are wanted for single uses, `{1: 84}`, rather than for all."""
    return isinstance(wanted, Mapping)


def _several(wanted: Any) -> TypeGuard[Collection[Any]]:
    return isinstance(wanted, list | range | set | frozenset)


def _values(wanted: Any) -> list[Any]:
    return list(wanted) if _several(wanted) else [wanted]


def _found(value: Any, labels: Sequence[str]) -> int | None:
    """Which of some options is meant by a value or its text; `0.50` is 0.5."""
    text = option_label(value)
    if text in labels:
        return labels.index(text)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return _found(Fraction(value), labels)
    return None


def _mask(decision: Decision, values: list[Any]) -> NDArray[np.bool_]:
    mask = np.zeros(len(decision.options), np.bool_)
    labels = [option_label(o) for o in decision.options]
    for value in values:
        if (position := _found(value, labels)) is not None:
            mask[position] = True
    return mask


# -- conditions as words -----------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,20})?")
_WORD = re.compile(
    r"\s*(?P<name>[A-Za-z_]\w*)\s*(?:\[\s*(?P<use>[^\]]*?)\s*\])?\s*=(?P<values>.*)", re.ASCII | re.DOTALL
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_MOST_DIGITS = 10
_EXAMPLE = "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"


def parse_conditions(words: Iterable[str]) -> dict[str, Any]:
    """Conditions on members as the command line has them, as the keyword arguments of `FeasibleSet.where`.

    Args:
        words: `NAME=VALUES` for every use of a choice, `NAME[USE]=VALUES` for one, counted from 1; several values are
            separated by commas, and any of them will do. `variant=VALUES` means variants. All words must hold.

    Raises:
        CandidateError: a word that is none of these, or the same decision in two of them.

    Example:
        >>> parse_conditions(["M[1]=84,112", "M[3]=84", "cell[4]=skip_connect", "variant=7"])
        {'M': {1: ['84', '112'], 3: ['84']}, 'cell': {4: ['skip_connect']}, 'variant': ['7']}
    """
    result: dict[str, Any] = {}
    for word in words:
        name, use, values = _parse_condition(word)
        if use is None and name not in result:
            result[name] = values
        elif use is not None and _by_use(uses := result.setdefault(name, {})) and use not in uses:
            result[name] = {**uses, use: values}
        else:
            message = f"`{word[:60]}` restricts `{name}` a second time"
            raise CandidateError.of("bad-restriction", message, "write the values in one, with commas: M[1]=84,112")
    return result


def _parse_condition(word: str) -> tuple[str, int | None, list[str]]:
    match = _WORD.fullmatch(word)
    values = [value.strip() for value in match["values"].split(",")] if match else []
    # Quotes are for the shell, or remembered from constraints.
    values = [value[1:-1] if _QUOTED.fullmatch(value) else value for value in values]
    if match is None or not all(values) or values[0].startswith("="):
        raise CandidateError.of("bad-restriction", f"`{word[:60]}` is no condition on members", _EXAMPLE)
    use = match["use"]
    if use is not None and not (use.isdecimal() and len(use) < _MOST_DIGITS and match["name"] != "variant"):
        hint = "uses of a choice, and edges of a cell, are counted from 1: M[1], cell[4]"
        raise CandidateError.of("bad-restriction", f"there is no {match['name']}[{use[:20]}]", hint)
    return match["name"], None if use is None else int(use), values
