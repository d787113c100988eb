"""A set of proxies of one network, out of as few forward and backward passes as they need together."""

from __future__ import annotations

from collections.abc import Iterable

from samplers.proxies.base import Proxy, ProxyError, Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.passes import SharedProxy, observe

__all__ = ["evaluate"]


def evaluate(
    subject: Subject, proxies: Iterable[str | Proxy], data: Data | None = None, seed: int = 0
) -> dict[str, float]:
    """The scores of one network by several proxies; each equals what the proxy yields alone.

    MeCo, ZiCo, NASWOT and SNIP, the four of PrototypeNAS (Sec. 3.1), take three passes together: one image forward,
    and two batches forward and backward. Proxies that cannot share passes run one after another.

    Args:
        subject: the network, which is left as it was, and its candidate where a closed-form proxy is among them.
        proxies: names, or proxies with options such as `proxy("zico", batch=64)`.
        data: labelled examples; closed-form proxies need none.
        seed: seeds whatever is random.

    Returns:
        Name -> score, in the order given; a degenerate network's are not always finite, so rank with `worst_last`.

    Raises:
        ProxyError: an unknown proxy, two different ones of one name, or a subject or data that do not fit.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> chosen = [proxy("zico", batch=4), proxy("naswot", batch=4), proxy("snip", batch=4), "meco"]
        >>> list(evaluate(Subject(net), chosen, Data.gaussian((3, 2, 2), 10, n=8)))
        ['zico', 'naswot', 'snip', 'meco']
    """
    chosen = _distinct(proxies)
    shared = [p for p in chosen.values() if isinstance(p, SharedProxy)]
    scores = dict(zip((p.name for p in shared), observe(subject, shared, data, seed), strict=True))
    return {name: scores[name] if name in scores else p.score(subject, data, seed) for name, p in chosen.items()}


def _distinct(proxies: Iterable[str | Proxy]) -> dict[str, Proxy]:
    """Name -> proxy."""
    chosen: dict[str, Proxy] = {}
    for one in proxies:
        found = one if isinstance(one, Proxy) else proxy(one)
        if chosen.setdefault(found.name, found) != found:
            hint = "evaluate them one after another"
            raise ProxyError.of("two-of-a-kind", f"`{found.name}` is wanted with two sets of options", hint)
    return chosen
