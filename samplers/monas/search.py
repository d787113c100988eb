"""MONAS that trains nothing: what `MonasSampler` asks for, by proxies, and the best within each limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samplers.monas.limits import Limit, between, check_metric, front
from samplers.monas.sampler import MonasSampler, best_first, ranked
from samplers.proxies.base import COSTS, ENSEMBLES, Proxy
from samplers.proxy_search import ProxySearch, Trial
from samplers.training_free import Measured
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate, parse_candidate

__all__ = ["MonasSearch"]


@dataclass(frozen=True)
class MonasSearch(ProxySearch):
    """Measures what a `MonasSampler` asks for; what costs too much is never asked.

    Args:
        objectives: proxies and costs, name -> `max` or `min`; the sum of their ranks decides.
        trials: networks measured.
        lam: in place of a limit on FLOPs, how far it lies below the dearest network of the set: at 0.5 half of the way
            to the cheapest. From 0, no limit, to below 1.
        mu: the same of the latency; at most one of the two, and no metric.
        metric: `macs`, `flops`, `latency`, `rom` or `ram`: the best network at each of several limits of this cost,
            from one set of measurements.
        limits: these limits; by default four, from the cheapest network of the set to the dearest.
        population: networks asked for at once; so many can be measured at a time.
        batch: examples per batch of a proxy; 0 for those of the ensemble, or the proxy's own.
        batches: name -> that of a single proxy.
        seed: of draws, and of first weights.
    """

    objectives: Mapping[str, str] = field(default_factory=ranked)
    trials: int = 84
    lam: float = 0.0
    mu: float = 0.0
    metric: str = ""
    limits: tuple[int, ...] = ()
    population: int = 6
    batch: int = 0
    batches: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    @property
    def proxies(self) -> list[Proxy]:
        """What has to be computed beside the costs."""
        from samplers.scores.scoring import batched

        names = [name for name in self.objectives if name not in COSTS]
        usual = {name: size for name in names if (size := ENSEMBLES["default"].get(name))}
        return batched(names, self.batch or None, {**({} if self.batch else usual), **self.batches})

    @property
    def parameters(self) -> dict[str, Any]:
        """All but the batches."""
        names = ("trials", "lam", "mu", "metric", "population", "seed")
        own = {name: getattr(self, name) for name in names}
        return {"objectives": dict(self.objectives), **own, "limits": list(self.limits)}

    @property
    def weighs_latency(self) -> bool:
        """By mu, or by a front of latencies."""
        return self.mu > 0 or self.metric == "latency"

    def check(self, fs: AnySet | None = None) -> None:
        """Whether the parameters can be; and the set, if there is one already.

        Raises:
            EngineError: they cannot.
        """
        if not (0 <= self.lam < 1 and 0 <= self.mu < 1) or (self.lam and self.mu):
            message = f"the weights lambda = {self.lam:g} and mu = {self.mu:g} cannot be"
            raise EngineError.of("bad-weight", message, "give one of them, from 0 to below 1")
        if (self.lam or self.mu) and self.metric:
            hint = "leave out the weight: the front has its own limits"
            raise EngineError.of("bad-weight", "a weight and a front are two sets of limits", hint)
        if min(self.trials, self.population) < 1 or min((*self.limits, 1)) < 1:
            raise EngineError.of("bad-count", "`trials`, `population` and limits are whole numbers from 1 up", "")
        super().check(fs)

    def at(self, fs: AnySet) -> tuple[Limit, ...]:
        """The limits that the search keeps beside those of its set; none where there are no others."""
        if self.mu:
            return (between(fs, "latency", 1 - self.mu),)
        if self.lam:
            return (between(fs, "flops", 1 - self.lam),)
        if not self.metric:
            return ()
        check_metric(fs, self.metric)
        return tuple(Limit(self.metric, most) for most in sorted(set(self.limits))) or front(fs, self.metric)

    def sampler(self, fs: AnySet) -> MonasSampler:
        """What proposes, not asked yet."""
        return MonasSampler(self.objectives, self.trials, self.at(fs), seed=self.seed)

    def order(self, fs: AnySet, trials: Sequence[Trial], limit: Limit | None = None) -> list[Candidate]:
        """The networks of trials that keep a limit, the best first."""
        kept = [t for t in trials if limit is None or t.costs[limit.metric] <= limit.most]
        found = best_first([t.values for t in kept], self.objectives)
        return [parse_candidate(fs.program, kept[k].candidate) for k in found]

    def choose(self, fs: AnySet, n: int, measured: Measured[Trial]) -> list[Candidate]:
        """The best of each limit, then the second of each, and so on."""
        trials = measured(self, "trials", "")[: self.trials]
        orders = [self.order(fs, trials, limit) for limit in self.at(fs) or (None,)]
        places = range(max(map(len, orders)))
        return list(dict.fromkeys(order[k] for k in places for order in orders if k < len(order)))[:n]
