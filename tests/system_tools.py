"""The system tools of some tests: a test that lacks one is skipped, and says which line installs it.

`python3 tests/system_tools.py` prints the Debian packages of all that is not here; it needs no module but Python's own.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["missing", "needs", "program"]

#: A tool and its Debian packages.
TOOLS = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "cc": "gcc libc6-dev",
    "chromium": "chromium fonts-dejavu-core",
    "clang": "clang",
    "cmake": "cmake",
    "dot": "graphviz",
    "git": "git",
    "make": "make",
    "minizinc": "minizinc",
    "postgres": "postgresql",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
}
#: Compilers, and how they find their C library.
_SPECS = {"cc": (), "arm-none-eabi-gcc": (), "riscv64-unknown-elf-gcc": ("--specs=picolibc.specs",)}


def program(name: str) -> str | None:
    """Where a program is; Debian keeps most of PostgreSQL's off the path."""
    return shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)


def _is_here(tool: str) -> bool:
    found = program(tool)
    if found is None or tool not in _SPECS:
        return found is not None
    # A compiler's C library is a package of its own.
    header = [found, *_SPECS[tool], "-E", "-include", "stdio.h", "-x", "c", "-"]
    return subprocess.run(header, input=b"", capture_output=True).returncode == 0


def missing(*tools: str) -> dict[str, str]:
    """Those of the tools that are not here, and their packages."""
    return {tool: TOOLS[tool] for tool in tools if not _is_here(tool)}


def needs(*tools: str) -> pytest.MarkDecorator:
    """The mark of a test that runs these tools."""
    import pytest

    absent = missing(*tools)
    return pytest.mark.skipif(
        bool(absent), reason=f"needs {', '.join(absent)}: apt-get install {' '.join(absent.values())}"
    )


if __name__ == "__main__":
    print(*missing(*TOOLS).values())
