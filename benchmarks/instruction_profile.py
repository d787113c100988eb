"""Count the instructions of the C kernels in QEMU, and write the profiles that `--latency-profile nascompile-c` reads.

    python benchmarks/instruction_profile.py              # needs gcc-arm-none-eabi and qemu-system-arm; a minute

To be run whenever a kernel in `nascompile/deploy/c` changes; `tests/deploy/test_instructions.py` compares.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import spaces
from nascompile.deploy.instructions import instruction_profile, profile_name
from spaces.costs.latency_file import write_profile

__all__ = ["main"]

#: An M0+ has no floating-point unit, and the library's routines in place of one take what the numbers make them take.
MEASURED = (
    ("Cortex-M0+", ("int8",)),
    *((core, ("int8", "float32")) for core in ("Cortex-M33", "Cortex-M4F", "Cortex-M7")),
)
FOLDER = Path(spaces.__file__).parent / "latency_profiles"


def main() -> None:
    date = datetime.now(UTC).date().isoformat()
    for core, dtypes in MEASURED:
        for dtype in dtypes:
            with tempfile.TemporaryDirectory() as folder:
                found = instruction_profile(core, dtype, Path(folder), date)
            write_profile(found.profile, FOLDER / f"{profile_name(core, dtype)}.yaml")
            errors = found.errors
            print(
                f"{core:12} {dtype:8} {found.rows} operators, held out: median {errors.median} %, "
                f"90th percentile {errors.p90} %, largest {errors.largest} %"
            )


if __name__ == "__main__":
    main()
