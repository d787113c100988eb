"""Which networks fit, by walking the costs of each: exact, whatever the set they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.program.candidate import candidate_of
from spaces.program.graph import RAM_PARTS, Chain, Limit, Program
from spaces.program.terms import derived, layer_terms

__all__ = ["fitting"]


def fitting(program: Program, position: int, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Whether networks of a variant exist and keep every limit and relation.

    Args:
        program: the compiled space.
        position: of the variant.
        rows: [n, decisions] option indices.

    Returns:
        bool [n].

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> program = compile_space(load_space("mlp2"), Budgets(rom=13_600))
        >>> fitting(program, 0, np.array([[0, 0], [7, 7]])).tolist()  # 16-16 and 128-128
        [True, False]
    """
    chain = program.chains[position]
    if chain.impossible:
        return np.zeros(len(rows), np.bool_)
    states = chain.states(rows)
    kept = np.flatnonzero((states >= 0).all(axis=1))
    for limit in chain.limits:
        kept = kept[_sums(limit, states[kept], rows[kept]) <= limit.bound]
    if chain.ram_limit is not None:
        kept = kept[_ram(chain, program.ram_model, states[kept], rows[kept]) <= chain.ram_limit]
    if chain.residual:
        # Last, for each of these networks is walked by itself.
        kept = kept[np.array([_holds(program, position, row) for row in rows[kept]], np.bool_)]
    result = np.zeros(len(rows), np.bool_)
    result[kept] = True
    return result


def _sums(limit: Limit, states: NDArray[np.int32], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    total = np.zeros(len(rows), np.int64)
    for t in range(rows.shape[1]):
        total += limit.at(t, states[:, t], rows[:, t])
    return total


def _ram(chain: Chain, ram_model: str, states: NDArray[np.int32], rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The RAM: the path maxima of the columns of its model, added up."""
    total = np.zeros(len(rows), np.int64)
    for name in RAM_PARTS[ram_model]:
        most = np.full(len(rows), chain.base[name], np.int64)
        for t, stage in enumerate(chain.stages):
            np.maximum(most, stage.table[name][stage.rows[states[:, t], rows[:, t]]], out=most)
        total += most
    return total


def _holds(program: Program, position: int, row: NDArray[np.integer[Any]]) -> bool:
    candidate = candidate_of(program, position, row)
    names: dict[str, Any] = {**candidate.values, **candidate.costs, **derived(layer_terms(program, candidate.steps))}
    return all(relation.holds(names) for relation in program.chains[position].residual)
