"""What a zero-cost proxy is: a direction, a cost, a score of one network; and the registry that finds it by name.

This module loads no torch, so that proxies can be listed, and the closed-form ones used, without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from spaces.errors import NascompileError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

    from samplers.proxies.data import Data
    from spaces.program.candidate import Candidate

__all__ = ["COSTS", "ENSEMBLES", "PROXIES", "ClosedForm", "Direction", "Proxy", "ProxyError", "Subject", "proxy"]

#: Costs that can be objectives beside proxies; less is better.
COSTS = ("flops", "macs", "params", "latency", "energy", "rom", "ram", "ram_pingpong", "ram_liveness")

Direction = Literal["higher", "lower"]

PROXIES: dict[str, str] = {
    "meco": "samplers.proxies.meco",
    "zico": "samplers.proxies.zico",
    "naswot": "samplers.proxies.naswot",
    "snip": "samplers.proxies.snip",
    "grad_norm": "samplers.proxies.grad_norm",
    "jacob_cov": "samplers.proxies.jacob_cov",
    "synflow": "samplers.proxies.synflow",
    "grasp": "samplers.proxies.grasp",
    "zen": "samplers.proxies.zen",
    "ntk": "samplers.proxies.ntk",
    "regions": "samplers.proxies.regions",
    "entropy": "samplers.proxies.counts",
    "flops": "samplers.proxies.counts",
    "macs": "samplers.proxies.counts",
    "params": "samplers.proxies.counts",
    "latency": "samplers.proxies.counts",
    "energy": "samplers.proxies.counts",
    "live_macs": "samplers.proxies.structure",
    "shortcuts": "samplers.proxies.structure",
}
"""Name -> the module that defines it, as a constant of the same name in capitals. A module is imported when named."""

ENSEMBLES: dict[str, dict[str, int | None]] = {
    "default": {
        "naswot": 16, "jacob_cov": 16, "synflow": None, "zen": 8, "live_macs": None, "shortcuts": None,
    },
    "prototypenas": {"meco": None, "zico": None, "naswot": None, "snip": None},
}  # fmt: skip
"""Name of a set of proxies -> its proxies, and the batch of each where that is not its own default.

`default` ranks networks by the sum of the ranks that its proxies give them. It was chosen on NAS-Bench-201 and holds on
TransNAS-Bench-101, where NASWOT, SynFlow and Zen alone do not (`docs/proxies.md`).
"""


class ProxyError(NascompileError):
    """A proxy is unknown, or cannot score what it was given."""


@dataclass(frozen=True)
class Subject:
    """What is scored: a network, the candidate it was built from, or both.

    Args:
        net: maps images [n, ...] to logits [n, classes]; not needed by closed-form proxies.
        candidate: needed by closed-form proxies only, which read its costs.
    """

    net: nn.Module | None = None
    candidate: Candidate | None = None

    def network(self, proxy: str) -> nn.Module:
        """The network, on behalf of a proxy that needs one.

        Raises:
            ProxyError: there is none.
        """
        if self.net is None:
            raise ProxyError.of(
                "no-network", f"`{proxy}` scores a network, and got none", "build the candidate's network"
            )
        return self.net

    def chosen(self, proxy: str) -> Candidate:
        """The candidate, on behalf of a proxy that needs one.

        Raises:
            ProxyError: there is none.
        """
        if self.candidate is None:
            raise ProxyError.of("no-candidate", f"`{proxy}` is computed from a candidate, and got none")
        return self.candidate


@dataclass(frozen=True, kw_only=True)
class Proxy(ABC):
    """One zero-cost proxy: what it is, and how to compute it. Fields that a subclass adds are its options.

    Args:
        name: its name in the registry.
        better: whether a higher or a lower score promises a higher accuracy.
        cost: what one score costs, in forward and backward passes.
        randomness: what the seed decides, or that nothing is random.
        degenerate: the score of a network that is disconnected, constant, or whose output is not finite.
        reference: the paper, and the code that the definition follows.

    Example:
        >>> zico = proxy("zico", batch=64)
        >>> zico.better, zico.options
        ('higher', {'batch': 64, 'batches': 2})
    """

    name: str
    better: Direction
    cost: str
    randomness: str
    degenerate: str
    reference: str

    @abstractmethod
    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network. The network is left as it was.

        Args:
            subject: the network, or its candidate for a closed-form proxy.
            data: labelled examples; closed-form proxies need none.
            seed: seeds whatever is random.

        Returns:
            A finite number, or what `degenerate` says.

        Raises:
            ProxyError: the network, the candidate or the data that it needs is missing or does not fit.
        """

    @property
    def options(self) -> dict[str, Any]:
        """Option -> value, for the options that this proxy has."""
        described = {f.name for f in fields(Proxy)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in described}

    @property
    def worst(self) -> float:
        """The score that ranks behind every other: -inf where higher is better, else inf."""
        return float("-inf") if self.better == "higher" else float("inf")


class ClosedForm(Proxy):
    """A proxy of the candidate, which needs no network."""


def proxy(name: str, **options: Any) -> Proxy:
    """The proxy of that name.

    Args:
        name: one of `PROXIES`.
        options: the proxy's own options, such as `batch`; those left out keep their defaults.

    Raises:
        ProxyError: no such proxy, or it has no such option.

    Example:
        >>> proxy("zicco")
        Traceback (most recent call last):
        samplers.proxies.base.ProxyError: there is no proxy `zicco` [unknown-proxy]
          did you mean `zico`?
    """
    if name not in PROXIES:
        raise ProxyError.of("unknown-proxy", f"there is no proxy `{name}`", did_you_mean(name, PROXIES))
    result: Proxy = getattr(import_module(PROXIES[name]), name.upper())
    unknown = [option for option in options if option not in result.options]
    if unknown:
        hint = did_you_mean(unknown[0], result.options) if result.options else "it has no options"
        raise ProxyError.of("unknown-option", f"`{name}` has no option `{unknown[0]}`", hint)
    return replace(result, **options)
