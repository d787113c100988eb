"""Compile a space for budgets: each variant becomes a layered state graph with its limits."""

from __future__ import annotations

import copyreg
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

from spaces.errors import EngineError, NascompileError, SpaceError, Span
from spaces.language.expressions import Expression
from spaces.language.reader import read_space
from spaces.language.space import Space
from spaces.program.constraints import EntropyLimit, Linear, RamLimit, Relation, classify, ground
from spaces.program.entropy import entropy_limit
from spaces.program.graph import ADDITIVE_METRICS, Budgets, Chain, Limit, Program, Stage, Weighted
from spaces.program.layer_table import LayerTable
from spaces.program.priced import fixed_costs
from spaces.program.tabulate import Known, Tabulation
from spaces.program.variants import Variant, unroll
from spaces.runtimes.ebs import Ebs
from spaces.tensors import Infeasible
from spaces.units import FORMATS

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["compile_space", "recompiled"]

_MAX_SUM = 2**62


def compile_space(
    space: Space,
    budgets: Budgets = Budgets(),  # noqa: B008 - frozen
    *,
    target: str = "",
    ram_model: str | None = None,
    runtime: Runtime = Ebs(),  # noqa: B008 - frozen
    latency: LatencyProfile | None = None,
    tables: bool = True,
    apart: bool = False,
) -> Program:
    """Compile a space into a Program.

    Args:
        space: the space.
        budgets: limits beside the space's own constraints.
        target: name of the MCU, for reports.
        ram_model: `pingpong` or `liveness`; the runtime's or the space's own by default.
        runtime: gives the ROM, and the RAM model that is its own.
        latency: gives the latencies, and perhaps energies; what it does not give nothing may limit.
        tables: work out at once what all networks cost; else when it is first asked for, with the errors that this has.
        apart: whether relations stay out of the graph, among the residual constraints, where each can be set aside.

    Raises:
        LatencyError: a limit on the latency or the energy without a profile that gives it, or a profile that does not
            cover the space.
        SpaceError: no network of the space can exist, whatever is chosen; or a constraint that fits no variant.

    Example:
        >>> from spaces.language.reader import load_space
        >>> program = compile_space(load_space("mlp2"))
        >>> program.size, [stage.shape for stage in program.chains[0].stages]
        (64, [(1, 8), (8, 8)])
    """
    _check_profile(space, budgets, latency, target)
    variants = unroll(space)
    conditions = [_conditions(space, variant) for variant in variants]
    for k, constraint in enumerate(space.constraints):
        if not any(c[k][1] for c in conditions):
            message = f"`{constraint}` applies to no network of the space"
            raise constraint.error("no-such-index", message, "its indices are outside every variant")
    model = ram_model or runtime.ram_model or space.ram_model

    def tabulate(program: Program) -> tuple[Chain, ...]:
        compiler = _Compiler(space, program.budgets, LayerTable(space, program.runtime, program.latency), apart)
        chains = tuple(compiler.chain(v, c) for v, c in zip(variants, conditions, strict=True))
        # Constraints that leave nothing are an answer, the empty set; shapes that vanish whatever is chosen, a mistake.
        if not apart and not compiler.relation_failed and all(chain.impossible for chain in chains):
            raise compiler.failure(chains)
        return chains

    program = Program(space, variants, budgets, target, model, runtime=runtime, latency=latency, tabulate=tabulate)
    if tables:
        program.chains  # noqa: B018 - the errors are wanted here
    return program


def recompiled(program: Program, space: Space, *, tables: bool = True, apart: bool = False) -> Program:
    """A space compiled as a program was: for its budgets, by its RAM model, runtime and latency profile.

    Args:
        program: what was compiled.
        space: its space, or another.
        tables: see `compile_space`.
        apart: see `compile_space`.
    """
    return compile_space(
        space,
        program.budgets,
        target=program.target,
        ram_model=program.ram_model,
        runtime=program.runtime,
        latency=program.latency,
        tables=tables,
        apart=apart,
    )


@lru_cache(maxsize=4)
def _compiled(text: str, file: str, budgets: Budgets, target: str, *given: Any) -> Program:
    """A program that comes to another process: of the candidates that come one by one all have the same."""
    ram_model, runtime, latency = given
    return compile_space(
        read_space(text, file),
        budgets,
        target=target,
        ram_model=ram_model,
        runtime=runtime,
        latency=latency,
        tables=False,
    )


def _as_text(program: Program) -> tuple[Any, ...]:
    own = (program.budgets, program.target, program.ram_model, program.runtime, program.latency)
    return _compiled, (program.space.text, program.space.document.source.file, *own)


# Its tables are made anew in less time than it takes to send them.
copyreg.pickle(Program, _as_text)


def _check_profile(space: Space, budgets: Budgets, profile: LatencyProfile | None, target: str) -> None:
    """A limit on the latency or the energy needs a profile that gives it, and one of the space's data type."""
    limited: dict[str, Expression | None] = {name: None for name, _ in budgets.items() if name in FORMATS}
    limited |= {name: c for c in space.constraints for name in FORMATS if name in c.names}
    if profile is None and not limited:
        return
    from spaces.costs.prices import LatencyError

    for name, limiting in limited.items():
        if name not in (profile.gives if profile else ()):
            what, where = (f"`{limiting}`", limiting.span) if limiting else (f"the {name} budget", None)
            whom = f"`{target}`" if target else "this target"
            if name == "latency":
                message = f"{what} needs a latency profile, and there is none for {whom}"
                hint = (
                    "name one (`nascompile latency list`), or fit one to your measurements (`nascompile latency fit`)"
                )
                raise LatencyError.of("no-latency-profile", message, hint, where)
            raise _no_energy(what, profile, whom, where)
    if profile and profile.dtype != space.settings.dtype:
        own = space.settings.dtype
        message = (
            f"the latency profile `{profile.name}` is of {profile.dtype} networks, and `{space.name}` computes in {own}"
        )
        hint = f"override it with `dtype={profile.dtype}`, or take another profile"
        raise LatencyError.of("latency-dtype", message, hint)


def _no_energy(what: str, profile: LatencyProfile | None, whom: str, where: Span | None) -> NascompileError:
    from spaces.costs.latency_profiles import with_energy
    from spaces.costs.prices import LatencyError

    found = f"the latency profile `{profile.name}` has none" if profile else f"there are none for {whom}"
    hint = f"profiles with energies: {', '.join(with_energy())}; `nascompile latency fit` makes one from measured power"
    return LatencyError.of("no-energy", f"{what} needs energies, and {found}", hint, where)


def _conditions(space: Space, variant: Variant) -> list[tuple[Expression, list[Any]]]:
    """Per constraint of the space: its ground conditions in a variant, classified; `[None]` for always true."""
    out = []
    for expression in space.constraints:
        trees = ground(expression, variant)
        found: list[Any] = [c for tree in trees for c in classify(tree, expression, variant)]
        out.append((expression, found or [None] * bool(trees)))
    return out


@dataclass
class _Compiler:
    """Compiles variants one after another."""

    space: Space
    budgets: Budgets
    layers: LayerTable
    apart: bool
    relation_failed: bool = False
    known: Known = field(default_factory=Known)

    def failure(self, chains: tuple[Chain, ...]) -> SpaceError:
        reason = chains[0].impossible
        message = f"no network of `{self.space.name}` can exist: {reason}"
        hint = "lower the strides, kernels or repeats"
        return SpaceError.of("impossible-space", message, hint, self.layers.places.get(reason))

    def chain(self, variant: Variant, conditions: list[tuple[Expression, list[Any]]]) -> Chain:
        found = [c for _, some in conditions for c in some if c is not None]
        relations = [self.relation(c) for c in found if isinstance(c, Relation)]
        local = tuple(r for r in relations if not r.residual)
        walk = Tabulation(variant, self.layers, relations, self.known)
        try:
            base = walk.begin()
            stages = tuple(walk.stage(t) for t in range(len(variant.decisions)))
        except Infeasible as reason:
            why = self.ruled_out_by(variant, local) if walk.relation_failed else str(reason)
            self.relation_failed |= walk.relation_failed
            return Chain.untabulated(variant, why, local)
        base_costs: dict[str, int] = {metric: base[metric] for metric in ADDITIVE_METRICS}
        base_costs["rom"] += self.layers.runtime.fixed
        for metric, amount in fixed_costs(self.layers.runtime, self.layers.latency).items():
            base_costs[metric] += amount
        linear = [Linear({m: 1}, b, m) for m, b in self.budgets.items() if m != "ram"]
        linear += [c for c in found if isinstance(c, Linear)]
        ram = [(c.text, c.bound) for c in found if isinstance(c, RamLimit)]
        places = {expression.text: expression.span for expression, _ in conditions}
        limits = [_limit(c, stages, base_costs, places.get(c.text)) for c in linear]
        limits += [
            entropy_limit(c, stages, base["log_width"], walk.out_sizes) for c in found if isinstance(c, EntropyLimit)
        ]
        return Chain(
            variant,
            {**base, **base_costs, **walk.fixed},
            stages,
            walk.out_sizes,
            limits=tuple(limits),
            ram_limits=tuple([("ram", self.budgets.ram)] if self.budgets.ram is not None else []) + tuple(ram),
            residual=tuple(r for r in relations if r.residual),
            local=local,
        )

    def relation(self, found: Relation) -> Relation:
        """A relation, kept out of the graph where all are."""
        return replace(found, residual=True, partial=True) if self.apart and not found.residual else found

    def ruled_out_by(self, variant: Variant, relations: Sequence[Relation]) -> str:
        """Why no network of a variant exists: relations of which none can be spared, or that a shape vanishes."""
        texts = list(dict.fromkeys(r.expression.text for r in relations))
        why = ""
        for text in list(texts):
            rest = [other for other in texts if other != text]
            reason = self.vanishes(variant, [replace(r, partial=True) for r in relations if r.expression.text in rest])
            if reason:
                texts, why = rest, reason
        if not texts:
            return why
        return (
            f"{' and '.join(f'`{text}`' for text in texts)} {'do not hold together' if texts[1:] else 'does not hold'}"
        )

    def vanishes(self, variant: Variant, relations: Sequence[Relation]) -> str:
        """Why no network of a variant keeps these relations; empty where one does, or too many states could."""
        walk = Tabulation(variant, self.layers, relations)
        try:
            walk.begin()
            for t in range(len(variant.decisions)):
                walk.stage(t)
        except Infeasible as reason:
            return str(reason)
        except EngineError:
            return ""
        return ""


def _limit(linear: Linear, stages: Sequence[Stage], base: Mapping[str, int], span: Span | None) -> Limit:
    if _reach(linear, stages) > _MAX_SUM:
        message = f"`{linear.text}` reaches numbers above 2^62"
        raise EngineError.of("too-large", message, "divide both sides, or use smaller sizes", span)
    fixed = sum(factor * base.get(name, 0) for name, factor in linear.coefficients.items())
    return Limit(
        linear.text,
        Weighted(linear.coefficients, stages),
        linear.bound - fixed,
        budget=linear.bound,
        metric=linear.metric,
    )


def _reach(linear: Linear, stages: Sequence[Stage]) -> int:
    """A bound on the magnitude of a weighted sum; beyond 64 bits it would wrap around silently."""
    reach = 0
    for stage in stages:
        largest = {m: int(stage.table[m].max(initial=0)) for m in ADDITIVE_METRICS if m in linear.coefficients}
        if stage.decision.label in linear.coefficients:
            largest[stage.decision.label] = max(map(ceil, stage.decision.options))
        reach += sum(abs(factor) * largest.get(name, 0) for name, factor in linear.coefficients.items())
    return reach
