"""The library of runtimes: the file of measurements, and the way from a name to what it says of a core."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from spaces.errors import did_you_mean
from spaces.runtimes.nascompile_c import RUNTIME, Runtime, RuntimeProfileError
from spaces.targets.target import Target

__all__ = ["FILE", "RUNTIMES", "find_runtime", "profile_text", "runtime_data", "runtime_of"]

#: Measurements of the C that `nascompile deploy` writes; made by `benchmarks/runtime_profile.py`.
FILE = Path(__file__).with_name("nascompile-c.json")

#: What `--runtime` may be: `ebs` is EBS Eq. 3, weights and the code bytes per layer that a target file gives.
RUNTIMES = ("ebs", RUNTIME)


def find_runtime(name: str, target: Target | None, dtype: str) -> Runtime | None:
    """A runtime as it was measured for a target's core and a data type.

    Args:
        name: one of `RUNTIMES`.
        target: None where none was given.
        dtype: of the networks.

    Returns:
        None for `ebs`, which is no measurement.

    Raises:
        RuntimeProfileError: an unknown name; no target, or one whose core was not measured; another data type.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> find_runtime("nascompile-c", load_target("stm32f412"), "int8").call
        44
    """
    if name not in RUNTIMES:
        hint = did_you_mean(name[:60], RUNTIMES)
        raise RuntimeProfileError.of("unknown-runtime", f"there is no runtime `{name[:60]}`", hint)
    if name == "ebs":
        return None
    if target is None:
        message = f"the runtime `{name}` takes other code on another core, and no MCU is given"
        raise RuntimeProfileError.of("no-core", message, "name one with --mcu")
    found = next((r for r in _measured() if r.core == target.core and r.dtype == dtype), None)
    if found is None:
        known = ", ".join(sorted({f"{r.core} in {r.dtype}" for r in _measured()}))
        message = f"the runtime `{name}` was not measured on a {target.core} in {dtype}"
        raise RuntimeProfileError.of("not-measured", message, f"it was on: {known}; or take --runtime ebs")
    return found


def profile_text(runtimes: Iterable[Runtime], compiler: str) -> str:
    """The file of measurements."""
    return json.dumps({"compiler": compiler, "measured": [runtime_data(r) for r in runtimes]}, indent=1) + "\n"


def runtime_data(runtime: Runtime) -> dict[str, Any]:
    """A runtime as plain data."""
    plain = {f.name: getattr(runtime, f.name) for f in fields(runtime)}
    return {**plain, "code": dict(runtime.code), "needs": {k: list(v) for k, v in runtime.needs.items()}}


def runtime_of(data: dict[str, Any]) -> Runtime:
    """What `runtime_data` gave, as a runtime."""
    return Runtime(**{**data, "needs": {kernel: tuple(parts) for kernel, parts in data["needs"].items()}})


@cache
def _measured() -> tuple[Runtime, ...]:
    return tuple(runtime_of(entry) for entry in json.loads(FILE.read_text())["measured"])
