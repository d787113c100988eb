"""The network that is trained before pruning: the candidate's own operators, as wide as with a sparsity of 0.

A candidate of a space with a pruning sparsity is already the thin network: its costs are those of what is left. The
sparsity is any choice of numbers from 0 to below 1 that its widths are made of, such as `S` in
`round_to(64 * W * (1 - S), 8)`; it is named when pruning is asked for.

Widths decide where a block has a skip: two groups of other sparsities may differ in width where the unpruned network
does not, and the other way round. What is trained and pruned is therefore not the candidate with all sparsities at 0,
but the thin network's operators with that one's widths, made equal where the thin network adds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nascompile.compression.errors import CompressionError
from nascompile.compression.operator_graph import OperatorGraph
from spaces.errors import did_you_mean
from spaces.operators import OPERATORS
from spaces.program.candidate import Candidate
from spaces.program.lowering import lower_chain
from spaces.tensors import Infeasible

__all__ = ["thin_graph", "unpruned_graph"]


def thin_graph(candidate: Candidate, *, batch_norm: str | None = None) -> OperatorGraph:
    """The operators of `candidate.build(batch_norm=batch_norm)`."""
    space = candidate.program.space
    kept = space.settings.batch_norm_kept if batch_norm is None else batch_norm == "kept"
    settings = replace(space.settings, batch_norm_kept=kept)
    return OperatorGraph.of(candidate.steps, space.input.dims, settings, str(candidate))


def unpruned_graph(candidate: Candidate, sparsity: str, *, batch_norm: str | None = None) -> OperatorGraph:
    """The same operators, as wide as the network is whose sparsities are all 0.

    Args:
        candidate: the thin network.
        sparsity: name of the choice that prunes.
        batch_norm: see `spaces.networks.network.build`.

    Raises:
        CompressionError: no such choice, none of sparsities, or a network that pruning alone does not lead to.

    Example:
        >>> from spaces.program.candidate import candidate_of
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import read_space
        >>> text = '''
        ... space: s
        ... input: {channels: 1, height: 4, width: 4}
        ... choices: {S: {options: [0.5]}}
        ... network: [{conv: {filters: "round_to(16 * (1 - S), 4)"}}, {pointwise: {filters: 5}}]
        ... '''
        >>> c = candidate_of(compile_space(read_space(text)), 0, [0])
        >>> [g.shape(1).channels for g in (thin_graph(c), unpruned_graph(c, "S"))]
        [8, 16]
    """
    thin = thin_graph(candidate, batch_norm=batch_norm)
    for op in (place.op for place in thin.places):
        if why := OPERATORS[op.kind].cannot.get("prune"):
            message = f"an operator `{op.kind}` cannot be narrowed: {why}"
            raise CompressionError.of("not-prunable", message, "search without `--sparsity`")
    widths = [place.op.out.channels for place in thin.places]
    for k, width in _wanted(candidate, thin, _values(candidate, sparsity)):
        if width < widths[k]:
            message = f"`{sparsity}` widens a layer of `{candidate}` from {width} to {widths[k]} channels"
            raise CompressionError.of("no-sparsity", message, "a sparsity must only ever narrow a network")
        widths[k] = width
    return thin.resized(_agreed(thin, widths))


def _values(candidate: Candidate, sparsity: str) -> dict[str, Any]:
    """The candidate's values with every sparsity at 0."""
    variant, choices = candidate.variant, candidate.program.space.choices
    if sparsity not in choices:
        hint = did_you_mean(sparsity, choices)
        raise CompressionError.of("no-sparsity", f"`{candidate.space}` has no choice `{sparsity}`", hint)
    options = choices[sparsity].options
    if any(isinstance(v, str | tuple | bool) or not 0 <= v < 1 for v in options):
        message = f"the choice `{sparsity}` is no sparsity"
        raise CompressionError.of("no-sparsity", message, "its options must be numbers from 0 to below 1")
    labels = {d.label for d in variant.decisions if d.choice == sparsity} | ({sparsity} & set(variant.constants))
    return {**candidate.values, **dict.fromkeys(labels, 0)}


def _wanted(candidate: Candidate, thin: OperatorGraph, values: dict[str, Any]) -> list[tuple[int, int]]:
    """(number of an operator, its width at a sparsity of 0), layer by layer as far as the operators are the same."""
    program = candidate.program
    try:
        wide = [step.ops for step in lower_chain(program.space, candidate.variant, values)]
    except Infeasible as reason:
        raise CompressionError.of("no-unpruned", f"without pruning `{candidate}` is no network: {reason}") from None
    if len(wide) != len(thin.layers):
        message = f"without pruning `{candidate}` has {len(wide)} layers instead of {len(thin.layers)}"
        raise CompressionError.of("no-unpruned", message, "a sparsity must not decide the depth")
    result: list[tuple[int, int]] = []
    number = 0
    for (_, _, ops), wider in zip(thin.layers, wide, strict=True):
        for k, (op, other) in enumerate(zip(ops, wider, strict=False)):
            if (op.kind, op.inputs) != (other.kind, other.inputs):
                break
            if OPERATORS[op.kind].produces:
                result.append((number + k, other.out.channels))
        number += len(ops)
    return result


def _agreed(thin: OperatorGraph, widths: list[int]) -> list[int]:
    """The widths, raised until all operands of each sum and product are as wide as each other.

    What is added to a concatenation, or to the network's input, takes its width.
    """
    places = thin.places
    for _ in range(len(places) ** 2):
        made: list[tuple[int, ...]] = [()]  # per tensor the operators that its channels come from; none: the input
        channels = [thin.shape(0).channels]
        changed = False
        for k, (op, inputs, _) in enumerate(places):
            operands, kind = [(made[i], channels[i]) for i in inputs], OPERATORS[op.kind]
            if kind.ties and len({n for _, n in operands}) > 1:
                changed |= _raise(operands, widths)
            sources = (sources for sources, _ in operands) if not kind.ties else [operands[-1][0]]
            made.append((k,) if kind.produces else tuple(p for some in sources for p in some))
            # The last operand of a sum is as good as any other, once they are equal.
            own = [np.arange(n) for _, n in (operands if not kind.ties else operands[-1:])]
            channels.append(widths[k] if kind.produces else len(kind.channels(op, own, thin.area(inputs[0]))))
        if not changed:
            return widths
    raise CompressionError.of("unequal-operands", "the widths of the operands of a sum cannot be made equal")


def _raise(operands: list[tuple[tuple[int, ...], int]], widths: list[int]) -> bool:
    """Give operands with one source the width of the others; whether anything changed."""
    fixed = [n for sources, n in operands if len(sources) != 1]
    width = max(fixed or [n for _, n in operands])
    before = list(widths)
    for sources, _ in operands:
        if len(sources) == 1:
            widths[sources[0]] = width
    return widths != before
