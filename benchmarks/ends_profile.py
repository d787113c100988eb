"""Measure what features, normalisation and answers take beside a network, for the predictions of `nascompile deploy`.

    python benchmarks/ends_profile.py                  # needs gcc-arm-none-eabi and qemu-system-arm; some minutes

To be run whenever `nascompile/deploy/ends_source.py` or a file in `nascompile/deploy/c/raw` changes;
`tests/deploy/test_ends.py` compares.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nascompile.deploy.core import ARM, CORES
from nascompile.deploy.ends_costs import FILE, costs_text
from nascompile.deploy.ends_measured import measured_ends
from nascompile.deploy.measure import FLAGS, compiler_version

__all__ = ["main"]


def main() -> None:
    measured = []
    arm = [core for core, there in CORES.items() if there.tools is ARM]
    for core in arm:
        for dtype in ("int8", "float32"):
            with tempfile.TemporaryDirectory() as folder:
                measured.append(measured_ends(core, dtype, Path(folder)))
            print(measured[-1], flush=True)
    FILE.write_text(costs_text(measured, f"{compiler_version(CORES[arm[0]])}, {' '.join(FLAGS)}"))


if __name__ == "__main__":
    main()
