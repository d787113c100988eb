"""The library of latency profiles, and the way from a name to a profile.

The library is the package data `spaces/latency_profiles/*.yaml`, one profile per file in the form of
`spaces.costs.latency_file`, each named after the target that it was measured on; those of our own C,
`nascompile-c-...`, after the core that they were counted on, with `-cycles` where instructions have a price.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from spaces.costs.latency import LatencyError, LatencyProfile, Unit
from spaces.costs.latency_file import read_profile
from spaces.errors import did_you_mean
from spaces.files import read_text
from spaces.language.keys import placed
from spaces.runtimes.base import Runtime
from spaces.runtimes.library import RUNTIMES
from spaces.targets.target import Target, plain_name

__all__ = ["load_profile", "named_profile", "profile_for", "profiles"]

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
        spaces.costs.latency.LatencyError: there is no latency profile `nrf5430` [unknown-latency-profile]
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
        target: gives a profile that counts instructions, or their cycles, its clock.
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
    if profile.unit not in _COUNTED or profile.clock_hz or target is None or not target.clock_hz:
        return profile
    return profile.at_clock(target.clock_hz)


def _counted(runtime: type[Runtime], target: Target | None, dtype: str, unit: Unit | None) -> LatencyProfile:
    """A runtime's own profile of a target's core."""
    if target is None:
        message = f"the latency profile `{runtime.profiles}` is another on another core, and no MCU is given"
        raise LatencyError.of("no-core", message, "name one with --mcu")
    known = [load_profile(name) for name in profiles() if name.startswith(f"{runtime.profiles}-")]
    of_core = {p.unit: p for p in known if p.core == target.core and p.dtype == dtype}
    result = next((of_core[u] for u in ([unit] if unit else _COUNTED) if u in of_core), None)
    if result is None:
        message = f"the C of nascompile was not counted on a {target.core} in {dtype}"
        counted = ", ".join(sorted({f"{p.core} in {p.dtype}" for p in known}))
        hint = f"it was on: {counted}; `nascompile latency firmware` times it on a board"
        raise LatencyError.of("not-measured", message, hint)
    return result


def profile_for(target: Target) -> LatencyProfile | None:
    """The profile of a target: its own, else one of the same core, its cycles taken at the target's clock.

    Args:
        target: the target.

    Returns:
        None where neither exists. A profile of another chip is named after both: `stm32h747@216MHz`.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> profile_for(load_target("stm32f746")).name
        'stm32h747@216MHz'
    """
    if target.name in profiles():
        return load_profile(target.name)
    for name in profiles():
        profile = load_profile(name)
        if profile.core == target.core and profile.clock_hz and target.clock_hz:
            return profile.at_clock(target.clock_hz)
    return None


@cache
def profiles() -> dict[str, Path]:
    """The library's profiles: name -> file.

    Example:
        >>> [name for name in profiles() if not name.startswith("nascompile-c")]
        ['nrf5340', 'stm32h747']
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def _read_file(path: Path) -> LatencyProfile:
    with placed(LatencyError):
        return read_profile(read_text(path), str(path))
