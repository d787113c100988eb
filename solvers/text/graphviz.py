"""Draw a chain as Graphviz text: the layered state graph, a column of states per decision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spaces.errors import EngineError
from spaces.language.layer import option_label
from spaces.language.space import METRICS
from spaces.program.graph import Chain, Program, Stage
from spaces.program.variants import Decision

__all__ = ["MAX_STATES", "dot_text"]

#: A column shows at most this many states; the others are drawn as one.
MAX_STATES = 40


def dot_text(program: Program, variant: int) -> str:
    """The state graph of a variant in the DOT language; every path from left to right is a network.

    Where the next state depends on the option alone, the states meet in a node of the decision, so that n states and m
    options take n + m edges. Options that lead from one state to the same next state share an edge, and neighbouring
    options a label: `84..280`.

    Raises:
        EngineError: no network of the variant can exist.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> text = dot_text(compile_space(load_space("mlp2", ["choices.M.stop=32"])), 0)
        >>> print("\\n".join(line for line in text.splitlines() if "->" in line))
          s0_0 -> d0 [arrowhead=none];
          d0 -> s1_0 [label="16"];
          d0 -> s1_1 [label="32"];
          s1_0 -> d1 [arrowhead=none];
          s1_1 -> d1 [arrowhead=none];
          d1 -> s2_0 [label="16"];
          d1 -> s2_1 [label="32"];
    """
    chain = program.chains[variant]
    if chain.impossible:
        message = f"variant `{chain.variant.label}` has no graph: {chain.impossible}"
        raise EngineError.of("impossible-variant", message, "take another variant")
    return "\n".join(_lines(chain, f"{program.space.name}/{chain.variant.label}".rstrip("/"))) + "\n"


def _lines(chain: Chain, name: str) -> Iterator[str]:
    yield f'digraph "{name}" {{'
    yield "  rankdir=LR; ranksep=1; ordering=out;"
    # Without these, laying out a few full columns of states takes minutes.
    yield "  mclimit=0.1; nslimit=1; nslimit1=1;"
    yield f'  label="{_title(chain, name)}";'
    yield '  node [shape=box, style=rounded, fontname="monospace"];'
    yield '  edge [fontname="monospace", fontsize=10];'
    columns = [*(stage.states for stage in chain.stages), tuple(f"{size} outputs" for size in chain.out_size.tolist())]
    for t, states in enumerate(columns):
        yield from _nodes(t, states)
    for t, stage in enumerate(chain.stages):
        yield from _edges(t, stage)
    yield "}"


def _title(chain: Chain, name: str) -> str:
    limits = [*((limit.name, limit.budget) for limit in chain.limits), *chain.ram_limits]
    texts = [f"{text} <= {bound:,}" if text in METRICS else text for text, bound in limits]
    texts += [relation.expression.text for relation in chain.residual]
    return _escaped("; ".join([name, *dict.fromkeys(texts)]))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _nodes(t: int, states: tuple[str, ...]) -> Iterator[str]:
    shown = states[:MAX_STATES]
    names = [f's{t}_{s} [label="{_escaped(text)}"]' for s, text in enumerate(shown)]
    if len(states) > MAX_STATES:
        yield f"  // only {MAX_STATES} of {len(states):,} states are drawn here; the last node stands for the others"
        names.append(f's{t}_{MAX_STATES} [label="{len(states) - MAX_STATES:,} more states", style=dashed]')
    yield f"  {{ rank=same; {'; '.join(names)}; }}"


def _edges(t: int, stage: Stage) -> Iterator[str]:
    yield f"  // {stage.decision.label}"
    meet = bool((stage.next == stage.next[0]).all())
    rows, options = np.nonzero(stage.next[:1] >= 0) if meet else np.nonzero(stage.next >= 0)
    before = np.minimum(rows, MAX_STATES)
    after = np.minimum(stage.next[rows, options], MAX_STATES)
    found: dict[tuple[int, int], set[int]] = {}
    for a, b, option in zip(before.tolist(), after.tolist(), options.tolist(), strict=True):
        found.setdefault((a, b), set()).add(option)
    if meet:
        yield f'  d{t} [label="{stage.decision.label}", shape=plaintext];'
        yield from (f"  s{t}_{s} -> d{t} [arrowhead=none];" for s in range(min(len(stage.states), MAX_STATES + 1)))
    for (a, b), merged in sorted(found.items()):
        source = f"d{t}" if meet else f"s{t}_{a}"
        yield f'  {source} -> s{t + 1}_{b} [label="{_escaped(_runs(stage.decision, sorted(merged)))}"];'


def _runs(decision: Decision, options: list[int]) -> str:
    """Runs of neighbouring options: `84..140, 196`."""
    runs: list[list[int]] = []
    for option in options:
        if runs and runs[-1][-1] == option - 1:
            runs[-1].append(option)
        else:
            runs.append([option])
    texts = [[option_label(decision.options[x]) for x in (run[0], run[-1])] for run in runs]
    return ", ".join(a if a == b else f"{a}..{b}" for a, b in texts)
