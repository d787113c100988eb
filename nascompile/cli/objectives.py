"""Objectives as the command line has them: `flops,zico,ntk:min`."""

from __future__ import annotations

from samplers.proxies.base import COSTS, PROXIES, proxy
from spaces.errors import NascompileError, did_you_mean

__all__ = ["read_objectives"]


def read_objectives(text: str) -> dict[str, str]:
    """Name -> `min` or `max`. Where it is not said, costs are minimised, and proxies go the way that promises accuracy.

    Raises:
        NascompileError: there is none, no such objective, or it is neither to be `min` nor `max`.

    Example:
        >>> read_objectives("flops,zico,ntk,params:max")
        {'flops': 'min', 'zico': 'max', 'ntk': 'min', 'params': 'max'}
    """
    result: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, word = part.partition(":")
        if name not in COSTS and name not in PROXIES:
            hint = did_you_mean(name, (*COSTS, *PROXIES))
            raise NascompileError.of("unknown-objective", f"there is no objective `{name}`", hint)
        if name in result:
            raise NascompileError.of("bad-option", f"--objectives names `{name}` twice", "give each once")
        if colon and word not in ("min", "max"):
            raise NascompileError.of(
                "bad-option", f"`{name}` is to be `{word}` in --objectives", f"write {name}:min or {name}:max"
            )
        result[name] = word or _sense(name)
    if not result:
        raise NascompileError.of(
            "bad-option", "--objectives names none", "give some, such as flops,meco,zico,naswot,snip"
        )
    return result


def _sense(name: str) -> str:
    return "min" if name in COSTS or proxy(name).better == "lower" else "max"
