"""Measure what the C kernels take in flash, and write the runtime profile that `--runtime nascompile-c` reads.

    python benchmarks/runtime_profile.py                  # needs both gcc (see docs/deploy.md); a minute

To be run whenever a kernel in `nascompile/deploy/c` changes; `tests/deploy/test_runtime.py` compares.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nascompile.deploy.core import ARM, CORES
from nascompile.deploy.measure import FLAGS, compiler_version
from nascompile.deploy.runtime_profile import measured_runtime
from spaces.runtimes.nascompile_c import FILE, profile_text

__all__ = ["main"]


def main() -> None:
    measured = []
    for core, there in CORES.items():
        # Without a floating-point unit nobody has float32 there; routines in its place share code of their own.
        for dtype in ("int8", "float32") if there.tools is ARM else ("int8",):
            with tempfile.TemporaryDirectory() as folder:
                runtime = measured_runtime(core, dtype, Path(folder))
            measured.append(runtime)
            print(f"{core:12} {dtype:8} base {runtime.base:4} B, per call {runtime.call} B, {runtime.code}")
    compilers = dict.fromkeys(compiler_version(core) for core in CORES.values())
    FILE.write_text(profile_text(measured, f"{'; '.join(compilers)}, {' '.join(FLAGS)}"))


if __name__ == "__main__":
    main()
