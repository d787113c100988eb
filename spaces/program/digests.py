"""What a program means, in one line each: digests of its decisions, and of what they cost."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.program.graph import ADDITIVE_METRICS, Chain, Program, Stage

__all__ = ["decisions_digest", "tables_digest"]

Hashes = NDArray[np.uint64]

#: Odd, so that multiplying loses nothing; of SplitMix64, as the steps of `_mixed` are.
_STEP = np.uint64(0x9E3779B97F4A7C15)


def decisions_digest(program: Program) -> str:
    """SHA-256 of the variants and their decisions, options in order: what the numbers in a tree stand for.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> a, b, c = (compile_space(load_space("mlp2", more)) for more in ((), ["dtype=int8"], ["choices.M.step=32"]))
        >>> decisions_digest(a) == decisions_digest(b), decisions_digest(a) == decisions_digest(c)
        (True, False)
    """
    variants = [
        (v.label, sorted(v.constants.items()), [(d.label, d.choice, d.options) for d in v.decisions])
        for v in (chain.variant for chain in program.chains)
    ]
    return hashlib.sha256(repr(variants).encode()).hexdigest()


def tables_digest(program: Program) -> str:
    """SHA-256 of what every decision costs wherever it can be made; it does not depend on how states are numbered.

    The hash of a state is one of its options: of each, what it costs and the hash of the state that it leads to. So the
    hash of the first state is one of all networks of the variant. Of 64 bits each: it tells versions apart, and is no
    protection against anyone. The widths that the entropy is made of are left out, since logarithms may differ in the
    last digit from one machine to the next.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> a, b, c = (compile_space(load_space("mlp2", more)) for more in ((), ["doc=other"], ["dtype=int8"]))
        >>> tables_digest(a) == tables_digest(b), tables_digest(a) == tables_digest(c)
        (True, False)
    """
    sha = hashlib.sha256()
    for chain in program.chains:
        sha.update(f"{chain.variant.label}: {_chain_hash(chain)}\n".encode())
    return sha.hexdigest()


def _chain_hash(chain: Chain) -> str:
    if chain.impossible:
        return "impossible"
    states = _mixed(chain.out_size.astype(np.uint64))
    for stage in reversed(chain.stages):
        states = _stage_hashes(stage, states)
    base = [int(chain.base[name]) for name in (*ADDITIVE_METRICS, "even", "odd", "peak")]
    return f"{base} {states.tolist()}"


def _stage_hashes(stage: Stage, after: Hashes) -> Hashes:
    """The hash of each state before a stage, from those behind it."""
    possible = stage.next >= 0
    leads = after[np.where(possible, stage.next, 0)]
    columns: list[NDArray[Any]] = [*(stage.costs[m] for m in ADDITIVE_METRICS), stage.even, stage.odd, stage.peak]
    for column in columns:
        leads = leads * _STEP + column.astype(np.uint64)
    weights = _mixed(np.arange(1, leads.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    return _mixed((np.where(possible, _mixed(leads), 0) * weights).sum(axis=1, dtype=np.uint64))


def _mixed(values: Hashes) -> Hashes:
    """SplitMix64's finaliser: every bit depends on all; a bijection."""
    values = values + _STEP
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
