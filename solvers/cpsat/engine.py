"""The reference engine: CP-SAT answers feasibility, reduced bounds (EBS Eq. 2), optima, and lists small sets.

It takes every constraint of the language. Questions with one answer take milliseconds whatever the size of the set;
listing takes about a second per 10,000 members, so large sets are for `solvers.diagram`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import log2
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.cpsat.model import Model, lower
from solvers.cpsat.search import enumerate_model, solve_model
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.metrics import check_sense
from spaces.errors import EngineError, did_you_mean
from spaces.language.layer import option_label
from spaces.program.graph import Chain, Program

__all__ = ["Optimum", "enumerate_rows", "feasible", "model_text", "optimum", "reduced_bounds", "smallest", "solve"]

_RAM = ("ram", "ram_pingpong", "ram_liveness")


@dataclass(frozen=True)
class Optimum:
    """The best value of a metric, and the option indices of a network that has it."""

    value: Any
    row: tuple[int, ...]


def solve(program: Program, progress: Progress | None = None) -> FeasibleSet:
    """The exact feasible set, listed member by member.

    Args:
        program: the compiled space.
        progress: called now and then with the variant and the number of members found in it.

    Raises:
        EngineError: a constraint that CP-SAT cannot take, or CP-SAT gave up.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> len(fs), fs.engine
        (14, 'cp-sat')
    """
    from solvers.diagram import from_rows

    start = perf_counter()
    rows = [enumerate_rows(program, variant, progress) for variant in range(len(program.chains))]
    return from_rows(program, rows, "cp-sat", perf_counter() - start)


def enumerate_rows(program: Program, variant: int, progress: Progress | None = None) -> NDArray[Any]:
    """All members of a variant.

    Returns:
        Option indices [n, decisions], sorted lexicographically.

    Raises:
        EngineError: see `solve`.
    """
    chain = program.chains[variant]
    if chain.impossible:
        return np.zeros((0, len(chain.variant.decisions)), np.int32)
    task = f"variant {chain.variant.label}".strip()
    report: Callable[[int], None] | None = (lambda count: progress(task, count)) if progress else None
    return enumerate_model(lower(chain, program.ram_model), report)[0]


def feasible(program: Program, variant: int, limits: Collection[str] | None = None) -> tuple[int, ...] | None:
    """Option indices of some member of a variant, or None where there is none.

    Args:
        program: the compiled space.
        variant: position of the variant.
        limits: names of the limits to impose; None for all.
    """
    chain = program.chains[variant]
    return None if chain.impossible else solve_model(lower(chain, program.ram_model, limits))


def reduced_bounds(program: Program, variant: int) -> tuple[Any, ...] | None:
    """The reduced upper bounds of EBS Eq. 2: the largest value of each decision in any member of a variant.

    Returns:
        A value per decision, None for decisions that are not numbers; or None where there is no member.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> reduced_bounds(compile_space(load_space("mlp2"), Budgets(rom=13_600)), 0)
        (80, 96)
    """
    chain = program.chains[variant]
    decisions = chain.variant.decisions
    if chain.impossible:
        return None
    numeric = [t for t, d in enumerate(decisions) if d.numeric]
    model = lower(chain, program.ram_model, metrics=[decisions[t].label for t in numeric])
    row = solve_model(model)
    if row is None:
        return None
    largest = {t: decisions[t].options[row[t]] for t in numeric}
    for t in numeric:
        if largest[t] < max(decisions[t].options):
            model.native.maximize(model.costs[decisions[t].label])
            row = solve_model(model) or row
            # A network found for one decision may settle others too.
            largest = {k: max(v, decisions[k].options[row[k]]) for k, v in largest.items()}
    return tuple(largest.get(t) for t in range(len(decisions)))


def optimum(
    program: Program, variant: int, metric: str, sense: str = "max", limits: Collection[str] | None = None
) -> Optimum | None:
    """The best value of a metric over the members of a variant.

    Mostly milliseconds. Pressing a sum against its own budget (the largest MACs under a MACs budget) is a subset-sum
    problem, though, whose proof can take minutes from some 16 layers up; the diagram's `metrics` have it at once.

    Args:
        program: the compiled space.
        variant: position of the variant.
        metric: `rom`, `ram`, `ram_pingpong`, `ram_liveness`, `params`, `macs`, `flops`, the label of a numeric
            decision, or `entropy` (EBS Eq. 6). For entropy, log-widths are rounded to multiples of 2^-32: the true
            optimum is at most log2(u_L) * (T + 1) * 2^-32 above (below, for `min`) the returned value, T the number
            of decisions; the value itself is that of the returned network.
        sense: `max` or `min`.
        limits: names of the limits to impose; None for all.

    Returns:
        None where the variant has no member.

    Raises:
        EngineError: an unknown metric or sense, or a decision that is not a number.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> optimum(compile_space(load_space("mlp2"), Budgets(rom=13_600)), 0, "rom")
        Optimum(value=13568, row=(1, 3))
    """
    check_sense(sense)
    chain = program.chains[variant]
    if chain.impossible:
        return None
    known = (*program.metrics, *_RAM, "entropy", *(d.label for d in chain.variant.decisions))
    if metric not in known:
        message = f"`{metric}` is not a metric of variant `{chain.variant.label}`"
        raise EngineError.of("unknown-metric", message, did_you_mean(metric, known))
    if metric == "entropy":
        model = lower(chain, program.ram_model, limits, ("log_width", "out_size"))
        row = _best_entropy(chain, model, sense)
    else:
        row = _best(lower(chain, program.ram_model, limits, (metric,)), metric, sense)
    return None if row is None else Optimum(_value(program, variant, metric, row), row)


def smallest(program: Program, variant: int, metric: str, limits: Collection[str] | None = None) -> Optimum | None:
    """The least value of an integer metric, and the network with the least ROM of those that have it.

    Args:
        program: the compiled space.
        variant: position of the variant.
        metric: `rom`, `ram`, `params`, `macs` or `flops`.
        limits: names of the limits to impose; None for all.

    Returns:
        None where the variant has no member.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> smallest(compile_space(load_space("dscnn")), 0, "ram")
        Optimum(value=206640, row=(0, 0, 0, 0, 0, 0))
    """
    chain = program.chains[variant]
    if chain.impossible:
        return None
    model = lower(chain, program.ram_model, limits, (metric, "rom"))
    row = _best(model, metric, "min")
    if row is None:
        return None
    value = _value(program, variant, metric, row)
    model.native.add(model.costs[metric] <= value)
    return Optimum(value, _best(model, "rom", "min") or row)


def _best(model: Model, metric: str, sense: str) -> tuple[int, ...] | None:
    (model.native.maximize if sense == "max" else model.native.minimize)(model.costs[metric])
    return solve_model(model)


def _value(program: Program, variant: int, metric: str, row: tuple[int, ...]) -> Any:
    """The metric of a network, from the program's own tables."""
    for t, decision in enumerate(program.chains[variant].variant.decisions):
        if decision.label == metric:
            return decision.options[row[t]]
    return program.costs(variant, np.array([row]).reshape(1, -1))[metric][0].item()


def _best_entropy(chain: Chain, model: Model, sense: str) -> tuple[int, ...] | None:
    """The row with the best log2(u_L) * sum of log-widths.

    Both factors are from 0 up (w is at least 1 in EBS Eq. 6), so the best is on the front of the two. Walk it: take the
    best sum of log-widths, then ask for a better u_L than that network had, until none is left or none could win.
    """
    sign = 1 if sense == "max" else -1
    furthest = max(sign * chain.out_size) * sign
    best: tuple[float, tuple[int, ...]] | None = None
    while (row := _best(model, "log_width", sense)) is not None:
        size, widths = _entropy_factors(chain, row)
        if best is None or sign * log2(size) * widths > sign * best[0]:
            best = log2(size) * widths, row
        if sign * log2(furthest) * widths <= sign * best[0]:
            break
        model.native.add(sign * model.costs["out_size"] >= sign * size + 1)
    return best[1] if best else None


def _entropy_factors(chain: Chain, row: tuple[int, ...]) -> tuple[int, float]:
    """u_L and the sum of log-widths of a network."""
    states = chain.states(np.array([row]).reshape(1, -1))[0]
    widths = chain.base["log_width"] + sum(s.log_width[states[t], row[t]] for t, s in enumerate(chain.stages))
    return int(chain.out_size[states[-1]]), float(widths)


def model_text(program: Program, variant: int) -> str:
    """The CP-SAT model of a variant as protobuf text, which loads back into a `CpModelProto`.

    Raises:
        EngineError: see `solve`; or no network of the variant can exist.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> text = model_text(compile_space(load_space("mlp2", ["choices.M.stop=48"])), 0)
        >>> print("\\n".join(text.splitlines()[:5]))
        # mlp2: CP-SAT model. Each decision's variable holds the position of its option, from 0.
        # M[1]: 16, 32, 48
        # M[2]: 16, 32, 48
        variables {
          name: "M[1]"
    """
    chain = program.chains[variant]
    if chain.impossible:
        message = f"variant `{chain.variant.label}` has no model: {chain.impossible}"
        raise EngineError.of("impossible-variant", message, "take another variant")
    name = f"{program.space.name}/{chain.variant.label}".rstrip("/")
    lines = [f"# {name}: CP-SAT model. Each decision's variable holds the position of its option, from 0."]
    lines += [f"# {d.label}: {', '.join(map(option_label, d.options))}" for d in chain.variant.decisions]
    return "\n".join([*lines, str(lower(chain, program.ram_model).native.proto)])
