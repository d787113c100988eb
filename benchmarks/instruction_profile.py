"""Count the instructions of the C kernels in QEMU, estimate their cycles, and write both as latency profiles.

    python benchmarks/instruction_profile.py              # two minutes; needs cc, both gcc and qemu (docs/deploy.md)

To be run whenever a kernel in `nascompile/deploy/c` changes; `tests/deploy/test_instructions.py` compares.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import spaces
from nascompile.deploy.instructions import cycle_profile, instruction_profile
from spaces.costs.latency_file import write_profile

__all__ = ["main"]

#: An M0+ and these RISC-V cores have no floating-point unit, and the library's routines in place of one take what the
#: numbers make them take.
MEASURED = (
    *((core, ("int8",)) for core in ("Cortex-M0+", "RISC-V RV32IMC", "RISC-V RV32IMAC")),
    *((core, ("int8", "float32")) for core in ("Cortex-M33", "Cortex-M4F", "Cortex-M55", "Cortex-M7")),
)
FOLDER = Path(spaces.__file__).parent / "latency_profiles"


def main() -> None:
    date = datetime.now(UTC).date().isoformat()
    for core, dtypes in MEASURED:
        for dtype in dtypes:
            with tempfile.TemporaryDirectory() as folder:
                made = [measured(core, dtype, Path(folder), date) for measured in (instruction_profile, cycle_profile)]
            for found in filter(None, made):
                write_profile(found.profile, FOLDER / f"{found.profile.name}.yaml")
                errors = found.errors
                print(
                    f"{core:12} {dtype:8} {found.profile.unit:17} {found.rows} operators, held out: median "
                    f"{errors.median} %, 90th percentile {errors.p90} %, largest {errors.largest} %", flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
