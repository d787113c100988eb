"""Measure what the C kernels take in flash, and write the runtime profile that `--runtime nascompile-c` reads.

    python benchmarks/runtime_profile.py                  # needs gcc-arm-none-eabi; a minute

To be run whenever a kernel in `nascompile/deploy/c` changes; `tests/deploy/test_runtime.py` compares.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nascompile.deploy.core import CORES
from nascompile.deploy.measure import FLAGS, compiler_version
from nascompile.deploy.runtime_profile import measured_runtime
from spaces.runtimes.nascompile_c import FILE, profile_text

__all__ = ["main"]


def main() -> None:
    measured = []
    for core in CORES:
        for dtype in ("int8", "float32"):
            with tempfile.TemporaryDirectory() as folder:
                runtime = measured_runtime(core, dtype, Path(folder))
            measured.append(runtime)
            print(f"{core:12} {dtype:8} base {runtime.base:4} B, per call {runtime.call} B, {runtime.code}")
    FILE.write_text(profile_text(measured, f"{compiler_version()}, {' '.join(FLAGS)}"))


if __name__ == "__main__":
    main()
