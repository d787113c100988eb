"""The library of latency profiles, and the way from a name to a profile.

The library is the package data `spaces/latency_profiles/*.yaml`, one profile per file in the form of
`spaces.costs.latency_file`, each named after the target that it was measured on, or after a runtime and a core:
`x-cube-ai-m7` of several boards fitted together, `nascompile-c-m7-int8` of our own C, with `-cycles` where instructions
have a price.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from math import inf
from pathlib import Path

from spaces.costs.latency import LatencyProfile, Unit
from spaces.costs.latency_file import read_profile
from spaces.costs.prices import LatencyError
from spaces.errors import did_you_mean
from spaces.files import read_text
from spaces.language.keys import placed
from spaces.runtimes.base import Runtime
from spaces.runtimes.library import RUNTIMES
from spaces.targets.target import Target, plain_name

__all__ = ["latency_runtimes", "load_profile", "named_profile", "profile_for", "profiles", "with_energy"]

_FOLDER = Path(__file__).parents[1] / "latency_profiles"
#: What is counted in an emulator, the better latency first.
_COUNTED: tuple[Unit, ...] = ("estimated cycles", "instructions")


def load_profile(name_or_path: str | os.PathLike[str]) -> LatencyProfile:
    """Find a profile in the library, or read a user's own file.

    Args:
        name_or_path: a name (`nrf5340`; case and punctuation do not matter), or the path of a file, known by its
            suffix `.yaml` or `.yml` or by a path separator.

    Raises:
        LatencyError: the name is unknown, or the file cannot be read or is malformed; all mistakes at once.

    Example:
        >>> load_profile("nRF5340").core
        'Cortex-M33'
        >>> load_profile("nrf5430")
        Traceback (most recent call last):
        spaces.costs.prices.LatencyError: there is no latency profile `nrf5430` [unknown-latency-profile]
          did you mean `nrf5340`? ...
    """
    name = os.fspath(name_or_path)
    if name.lower().endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _read_file(Path(name))
    result = next((path for known, path in profiles().items() if plain_name(known) == plain_name(name)), None)
    if result is None:
        near = did_you_mean(name[:60], profiles())
        end = "" if near.endswith("?") else ";"
        hint = f"{near}{end} `nascompile latency list` lists them; `nascompile latency fit` makes one from measurements"
        raise LatencyError.of("unknown-latency-profile", f"there is no latency profile `{name[:60]}`", hint)
    return _read_file(result)


def named_profile(
    name_or_path: str | os.PathLike[str], target: Target | None, dtype: str, unit: Unit | None = None
) -> LatencyProfile:
    """The profile that a name means for a target and a data type.

    Args:
        name_or_path: as for `load_profile`; or `nascompile-c`, our own C on the target's core.
        target: gives a profile that counts cycles or instructions of no clock its own.
        dtype: of the networks.
        unit: of our own C; estimated cycles by default, and instructions on a core whose manual has no cycles.

    Raises:
        LatencyError: as `load_profile`; a name that needs a target without one; a core that was not counted on.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> named_profile("nascompile-c", load_target("stm32f412"), "int8").name
        'nascompile-c-m4-int8-cycles@100MHz'
        >>> named_profile("nascompile-c", load_target("stm32f746"), "int8").unit
        'instructions'
    """
    name = plain_name(os.fspath(name_or_path))
    own = next((r for r in RUNTIMES.values() if r.profiles and plain_name(r.profiles) == name), None)
    profile = _counted(own, target, dtype, unit) if own else load_profile(name_or_path)
    return profile if profile.clock_hz else _of_core(profile, target)


def _counted(runtime: type[Runtime], target: Target | None, dtype: str, unit: Unit | None) -> LatencyProfile:
    """A runtime's own profile of a target's core."""
    if target is None:
        message = f"the latency profile `{runtime.profiles}` is another on another core, and no MCU is given"
        raise LatencyError.of("no-core", message, "name one with --mcu")
    known = [load_profile(name) for name in profiles() if name.startswith(f"{runtime.profiles}-")]
    of_core = {p.unit: p for p in known if p.core == target.built_as and p.dtype == dtype}
    result = next((of_core[u] for u in ([unit] if unit else _COUNTED) if u in of_core), None)
    if result is None:
        message = f"the C of nascompile was not counted on a {target.core} in {dtype}"
        counted = ", ".join(sorted({f"{p.core} in {p.dtype}" for p in known}))
        hint = f"it was on: {counted}; `nascompile latency firmware` times it on a board"
        raise LatencyError.of("not-measured", message, hint)
    return result


def profile_for(
    target: Target | None,
    dtype: str,
    runtime: str | None = None,
    prices: Callable[[LatencyProfile], bool] | None = None,
) -> LatencyProfile | None:
    """The profile of a target: its own, else one of its core, its cycles taken at the target's clock.

    Of several runtimes those come first that are to be had without charge, in the order of `_USUAL`; of one runtime
    the profile of most boards. X-CUBE-AI runs on chips of ST alone.

    Args:
        target: the target; None gives none, unless a runtime is named.
        dtype: of the networks; profiles of others are taken only where there is no other.
        runtime: only of this runtime, `x-cube-ai` or any other of `latency_runtimes()`.
        prices: whether a profile knows all operators; one that does not is never taken.

    Returns:
        None where there is none, and no runtime is named. A profile of another chip is named after both:
        `stm32h747@216MHz`.

    Raises:
        LatencyError: the named runtime is unknown, or was not measured on the target's core.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> profile_for(load_target("stm32f746"), "int8").name
        'x-cube-ai-m7@216MHz'
        >>> profile_for(load_target("stm32f746"), "int8", "HALE").name
        'hale-m7@216MHz'
    """
    name = _known_runtime(runtime) if runtime else ""
    own = next((r for r in RUNTIMES.values() if r.profiles and name == r.profiles), None)
    if own or (runtime and target is None):
        return _of_core(_counted(own, target, dtype, None) if own else _no_core(name), target)
    if target is None:
        return None
    known = [load_profile(each) for each in profiles()]
    there = [p for p in known if _runs_on(p, target, name)]
    found = [p for p in there if not p.loops and (prices is None or prices(p))]
    order = sorted(found, key=lambda p: (p.dtype != dtype, p.name != target.name, *_rank(p)))
    if order:
        return order[0] if order[0].name == target.name else _of_core(order[0], target)
    if runtime:
        raise _not_measured(name, target, [p for p in known if p.runtime == name], bool(there))
    return None


def latency_runtimes() -> list[str]:
    """The runtimes that profiles of the library are of, by name.

    Example:
        >>> "x-cube-ai" in latency_runtimes()
        True
    """
    return sorted({load_profile(name).runtime for name in profiles()})


#: Runtimes from the one that most people can take to that which fewest can; any other comes last.
_USUAL = ("x-cube-ai", "tflite-micro", "plumerai", "hale")
#: Runtimes for the chips of one vendor, by how these are called.
_VENDORS = {"x-cube-ai": "stm32"}


def _rank(profile: LatencyProfile) -> tuple[int, int, float]:
    place = _USUAL.index(profile.runtime) if profile.runtime in _USUAL else len(_USUAL)
    return place, -profile.boards, profile.error.median if profile.error else inf


def _runs_on(profile: LatencyProfile, target: Target, runtime: str) -> bool:
    """Whether a profile is the target's own, or of its core; of a runtime, where one is named."""
    if runtime and profile.runtime != runtime:
        return False
    if profile.name == target.name:
        return True
    at_home = bool(runtime) or target.name.startswith(_VENDORS.get(profile.runtime, ""))
    return profile.core == target.core and bool(target.clock_hz or profile.clock_hz) and at_home


def _of_core(profile: LatencyProfile, target: Target | None) -> LatencyProfile:
    """At the target's clock, where both are known to need one."""
    return profile.at_clock(target.clock_hz) if target and target.clock_hz else profile


def _known_runtime(name: str) -> str:
    known = latency_runtimes()
    result = next((one for one in known if plain_name(one) == plain_name(name)), None)
    if result is None:
        message = f"there is no latency profile of a runtime `{name[:60]}`"
        hint = did_you_mean(name[:60], known)
        raise LatencyError.of("unknown-latency-runtime", message, f"{hint}; `nascompile latency list` lists them")
    return result


def _no_core(runtime: str) -> LatencyProfile:
    message = f"the latency profiles of `{runtime}` are of cores, and no MCU is given"
    raise LatencyError.of("no-core", message, "name one with --mcu")


def _not_measured(runtime: str, target: Target, known: list[LatencyProfile], there: bool) -> LatencyError:
    if there:
        message = f"the latency profiles of `{runtime}` for a {target.core} do not know all operators of this space"
        return LatencyError.of("latency-no-kind", message, "leave --latency-runtime out, or fit a profile of your own")
    message = f"`{runtime}` was not measured on a {target.core}"
    hint = f"it was on: {', '.join(sorted({p.core for p in known}))}; or leave --latency-runtime out"
    return LatencyError.of("not-measured", message, hint)


def with_energy() -> list[str]:
    """The profiles of the library that give energies, too, by name.

    Example:
        >>> with_energy()
        ['nrf5340']
    """
    return [name for name in profiles() if load_profile(name).energy]


@cache
def profiles() -> dict[str, Path]:
    """The library's profiles: name -> file.

    Example:
        >>> [name for name in profiles() if name.startswith("x-cube-ai")]
        ['x-cube-ai-m33', 'x-cube-ai-m4', 'x-cube-ai-m7']
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def _read_file(path: Path) -> LatencyProfile:
    with placed(LatencyError):
        return read_profile(read_text(path), str(path))
