"""Time the whole command from the shell, beside the imports that no such command can avoid."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

__all__ = ["time_commands"]

COMMAND = ("nascompile", "reduce", "spaces/dscnn.yaml", "--mcu", "stm32f412")
BASELINE = ("python", "-c", "import numpy, pydantic, typer, rich")


def time_commands(runs: int = 11) -> dict:
    """Medians of interleaved runs: `nascompile reduce` and its dependencies' import; bound 2x + 0.5 seconds."""
    script = shutil.which("nascompile", path=str(Path(sys.executable).parent)) or shutil.which("nascompile")
    if script is None:
        return {"failure": "there is no `nascompile` beside this Python or on the path; `pip install -e .`"}
    seconds: dict[tuple[str, ...], list[float]] = {COMMAND: [], BASELINE: []}
    with TemporaryDirectory() as folder:  # the command writes its result where it runs
        for _ in range(runs):
            for command, program in ((COMMAND, script), (BASELINE, sys.executable)):
                start = time.perf_counter()
                done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
                seconds[command].append(time.perf_counter() - start)
                if done.returncode:
                    reason = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
                    return {"failure": f"`{' '.join(command)}`: {reason[-1]}"}
    whole, baseline = median(seconds[COMMAND]), median(seconds[BASELINE])
    return {
        "command": " ".join(COMMAND),
        "seconds": whole,
        "baseline": " ".join(BASELINE),
        "baseline_seconds": baseline,
        "bound": 2 * baseline + 0.5,
        "runs": runs,
    }
