"""The library of latency profiles, and the way from a name to a profile.

The library is the package data `spaces/latency_profiles/*.yaml`, one profile per file in the form of
`spaces.latency_file`, each named after the target that it was measured on.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from spaces.errors import Diagnostic, SpaceError, did_you_mean
from spaces.files import read_text
from spaces.latency import LatencyError, LatencyProfile
from spaces.latency_file import read_profile
from spaces.target import Target, plain_name

__all__ = ["load_profile", "profile_for", "profiles"]

_FOLDER = Path(__file__).parent / "latency_profiles"


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
        spaces.latency.LatencyError: there is no latency profile `nrf5430` [unknown-latency-profile]
          did you mean `nrf5340`? ...
    """
    name = os.fspath(name_or_path)
    if name.lower().endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _read_file(Path(name))
    found = next((path for known, path in profiles().items() if plain_name(known) == plain_name(name)), None)
    if found is None:
        near = did_you_mean(name[:60], profiles())
        hint = f"{near} `nascompile latency list` lists them; `nascompile latency fit` makes one from measurements"
        raise LatencyError(
            Diagnostic("unknown-latency-profile", f"there is no latency profile `{name[:60]}`", hint=hint)
        )
    return _read_file(found)


def profile_for(target: Target) -> LatencyProfile | None:
    """The profile of a target: its own, else one of the same core, its cycles taken at the target's clock.

    Args:
        target: the target.

    Returns:
        None where neither exists. A profile of another chip is named after both: `stm32h747@216MHz`.

    Example:
        >>> from spaces.targets import load_target
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
        >>> list(profiles())
        ['nrf5340', 'stm32h747']
    """
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def _read_file(path: Path) -> LatencyProfile:
    try:
        return read_profile(read_text(path), str(path))
    except SpaceError as error:
        raise LatencyError(error.diagnostics) from None
