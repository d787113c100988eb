"""A Program as readable text."""

from __future__ import annotations

from collections.abc import Iterator

from spaces.language.layer import option_label
from spaces.program.graph import ADDITIVE_METRICS, MAXIMA, Chain, Program, Stage

__all__ = ["program_text"]


def program_text(program: Program, variant: int | None = None) -> str:
    """The layered state graph, one line per transition.

    Args:
        program: the compiled space.
        variant: only this variant.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> print(program_text(compile_space(load_space("mlp2"), Budgets(rom=13_600)))[:72].splitlines()[0])
        program mlp2: 64 networks, 1 variant, ram_model pingpong
    """
    chains = program.chains if variant is None else (program.chains[variant],)
    return "\n".join(line for part in (_head(program), *map(_chain, chains)) for line in part) + "\n"


def _head(program: Program) -> Iterator[str]:
    variants = f"{len(program.variants)} variant{'s' if len(program.variants) > 1 else ''}"
    target = f", target {program.target}" if program.target else ""
    yield f"program {program.space.name}: {program.size:,} networks, {variants}, ram_model {program.ram_model}{target}"


def _chain(chain: Chain) -> Iterator[str]:
    variant = chain.variant
    yield f"chain{f' {variant.label}' if variant.label else ''}: {variant.size:,} networks, depth {variant.depth}"
    for name, value in variant.constants.items():
        yield f"  {name} = {option_label(value)}"
    if chain.impossible:
        yield f"  impossible: {chain.impossible}"
        return
    yield "  base " + " ".join(f"{name}={value}" for name, value in chain.base.items() if value)
    for limit in chain.limits:
        yield f"  limit {limit.name} <= {limit.budget}  (the stages may add {limit.bound})"
    for name, bound in chain.ram_limits:
        yield f"  limit {name} <= {bound}" if name == "ram" else f"  limit ram <= {bound}  ({name})"
    for relation in chain.residual:
        yield f"  residual {relation.expression}"
    for stage in chain.stages:
        yield from _stage(stage)


def _stage(stage: Stage) -> Iterator[str]:
    states, options = stage.shape
    yield f"  stage {stage.decision.label}: {states} state{'s' if states > 1 else ''} x {options} options"
    texts = stage.states
    columns = {name: stage.column(name) for name in (*ADDITIVE_METRICS, *MAXIMA)}
    for s in range(states):
        for x, option in enumerate(stage.decision.options):
            after = int(stage.next[s, x])
            head = f"    {s} ({texts[s]}) {option_label(option)}"
            if after < 0:
                yield f"{head} -> impossible"
                continue
            costs = {name: column[s, x] for name, column in columns.items()}
            yield f"{head} -> {after} " + " ".join(f"{name}={value}" for name, value in costs.items() if value)
