"""What a latency profile says of a whole space: whether it knows its operators, and what every network takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spaces.language.space import Space
from spaces.program.lowering import lower_chain
from spaces.program.variants import Variant, unroll
from spaces.tensors import Infeasible

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["fixed_costs", "prices"]

#: Of so many variants, evenly among all, networks are looked at.
_VARIANTS = 6


def prices(profile: LatencyProfile, space: Space) -> bool:
    """Whether a profile prices the operators of networks in which every option of every decision occurs.

    Networks, not options, are lowered: so a kind that only two options together bring about may escape, and is then an
    error when the space is compiled.

    Example:
        >>> from spaces.costs.latency_profiles import load_profile
        >>> from spaces.language.reader import load_space
        >>> [prices(load_profile("nrf5340"), load_space(name)) for name in ("nasbench201", "dscnn")]
        [True, False]
    """
    if profile.default is not None:
        return True
    variants = unroll(space)
    step = max(1, len(variants) // _VARIANTS)
    return all(_prices_variant(profile, space, variant) for variant in {*variants[::step], variants[-1]})


def fixed_costs(runtime: Runtime, profile: LatencyProfile | None) -> dict[str, int]:
    """What every network takes besides its operators, of each cost that a profile gives: nanoseconds, nanojoules.

    Args:
        runtime: with what it has around a network, which counts where the profile is of instructions of our C.
        profile: None for none.
    """
    if profile is None:
        return {}
    more = runtime.around.instructions or 0 if profile.loops and profile.unit == "instructions" else 0
    latency = replace(profile, network=profile.network + more).network_ns
    return {"latency": latency, **({"energy": profile.energy.network_nj} if profile.energy else {})}


def _prices_variant(profile: LatencyProfile, space: Space, variant: Variant) -> bool:
    from spaces.costs.prices import LatencyError

    for k in range(max((len(d.options) for d in variant.decisions), default=1)):
        chosen = {d.label: d.options[min(k, len(d.options) - 1)] for d in variant.decisions}
        try:
            for layer in lower_chain(space, variant, {**variant.constants, **chosen}):
                profile.layer_ns(layer.ops, layer.x.shape)
        except Infeasible:
            continue
        except LatencyError as error:
            if any(d.code == "latency-no-kind" for d in error.diagnostics):
                return False
            continue  # no clock: that is another matter
    return True
