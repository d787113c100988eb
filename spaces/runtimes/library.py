"""The library of runtimes: the way from a name to what it says of a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.errors import did_you_mean
from spaces.runtimes.base import Runtime, RuntimeProfileError
from spaces.runtimes.ebs import Ebs
from spaces.runtimes.nascompile_c import NascompileC
from spaces.runtimes.tflite_micro import TfliteMicro
from spaces.targets.target import Target

__all__ = ["DEFAULT", "RUNTIMES", "deployed_runtime", "find_runtime", "stored_runtime"]

#: Every runtime by its name. What `--runtime` may be are those that say something of ROM.
RUNTIMES: dict[str, type[Runtime]] = {one.name: one for one in (Ebs, NascompileC, TfliteMicro)}

#: The one that is meant where none is named.
DEFAULT = Ebs.name


def find_runtime(name: str, target: Target | None, dtype: str) -> Runtime:
    """A runtime for a target and a data type, which gives ROM and RAM.

    Args:
        name: one of `RUNTIMES`.
        target: None where none was given.
        dtype: of the networks.

    Raises:
        RuntimeProfileError: an unknown name, or one that says nothing of ROM; no target, or one whose core was not
            measured; another data type.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> find_runtime("nascompile-c", load_target("stm32f412"), "int8").core
        'Cortex-M4F'
    """
    known = [one for one in RUNTIMES.values() if not one.no_rom]
    if name not in RUNTIMES:
        hint = did_you_mean(name[:60], [one.name for one in known])
        raise RuntimeProfileError.of("unknown-runtime", f"there is no runtime `{name[:60]}`", hint)
    if RUNTIMES[name] not in known:
        raise RUNTIMES[name].silent("take " + " or ".join(f"--runtime {one.name}" for one in known))
    return RUNTIMES[name].find(target, dtype)


def deployed_runtime(target: Target | None, dtype: str) -> Runtime:
    """The runtime that counts what `nascompile deploy` writes for a target; `ebs` where its core was not measured.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> deployed_runtime(load_target("stm32f412"), "int8").name, deployed_runtime(load_target("esp32"), "int8").name
        ('nascompile-c', 'ebs')
    """
    try:
        return NascompileC.find(target, dtype)
    except RuntimeProfileError:
        return Ebs.find(target, dtype)


def stored_runtime(keys: Mapping[str, Any]) -> Runtime:
    """The inverse of `Runtime.stored`."""
    return NascompileC.of_data(keys["runtime"]) if keys.get("runtime") else Ebs(keys["code"])
