"""What a runtime takes in flash, measured: every kernel compiled on its own, library functions linked one by one.

The shipped profile is made of this by `benchmarks/runtime_profile.py`; a test makes it anew and compares.
"""

from __future__ import annotations

import re
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

from nascompile.deploy.core import Core
from nascompile.deploy.project import memory_layout

__all__ = ["FLAGS", "compiler_version", "measured_code"]

#: As the Makefile of every project has them.
FLAGS = ("-std=c99", "-Os", "-ffunction-sections", "-fdata-sections")


def compiler_version(core: Core) -> str:
    """The name and version of the compiler for a core."""
    return _said(f"{core.tools.cross}gcc", "--version").splitlines()[0]


def measured_code(core: Core, dtype: str, folder: Path) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Bytes of every kernel and of all that it calls.

    Args:
        core: to compile for.
        dtype: `int8` or `float32`.
        folder: for object files.

    Returns:
        Bytes of each kernel, of what kernels share, and of the compiler's library functions that they call; and what
        a kernel calls besides itself, and what that calls.
    """
    code: dict[str, int] = {}
    called: dict[str, set[str]] = {}
    tools = core.tools
    compiler = _compiler(core)
    with as_file(files("nascompile.deploy") / "c") as sources:
        for source in sorted(sources.glob(f"{dtype}/nc_*.c")):
            name, target = source.stem.removeprefix("nc_"), folder / f"{source.stem}.o"
            _said(*compiler, f"-I{sources}", "-c", str(source), "-o", str(target))
            code[name] = _flash(core, target)
            # Some undefined symbols are named and not used: the linker drops what they stand for.
            used = re.findall(r"R_[A-Z]+_\w+\s+(\w+)", _said(f"{tools.cross}objdump", "-r", str(target)))
            undefined = re.findall(r"U (\w+)", _said(f"{tools.cross}nm", "-u", str(target)))
            called[name] = {symbol.removeprefix("nc_") for symbol in set(used) & set(undefined)}
    library = sorted(set().union(*called.values()) - set(code))
    called |= _library_code(core, library, folder, code)
    return code, {name: tuple(sorted(_reached(name, called))) for name, direct in called.items() if direct}


def _reached(name: str, called: dict[str, set[str]]) -> set[str]:
    direct = called.get(name, set())
    return direct.union(*(_reached(other, called) for other in direct))


def _library_code(core: Core, symbols: list[str], folder: Path, code: dict[str, int]) -> dict[str, set[str]]:
    """Add the bytes that each function of the compiler's libraries adds to an image.

    Returns:
        Which function is taken to need which other: two that share most of their code.
    """
    with as_file(files("nascompile.deploy") / "c" / "project" / "image" / core.tools.startup) as startup:
        script, main, image = folder / "image.ld", folder / "main.c", folder / "image.elf"
        script.write_text(memory_layout((core.flash, 2**22), (core.ram, 2**22)))
        main.write_text("int main(void) { return 0; }\n")
        command = [*_compiler(core), *core.tools.link.split(), "-T", str(script), str(main), str(startup)]

        def size(*roots: str) -> int:
            _said(*command, *(f"-Wl,-u,{root}" for root in roots), "-o", str(image))
            return _flash(core, image)

        bare = size()
        needs: dict[str, set[str]] = {}
        for k, symbol in enumerate(symbols):
            code[symbol] = size(symbol) - bare
            for other in symbols[:k]:
                shared = code[other] + code[symbol] - (size(other, symbol) - bare)
                if shared > code[symbol] // 2:
                    code[symbol] -= shared
                    needs[symbol] = {other}
                    break
        return needs


def _compiler(core: Core) -> list[str]:
    return [f"{core.tools.cross}gcc", *core.flags.split(), *FLAGS, *core.tools.compile.split()]


def _flash(core: Core, path: Path) -> int:
    """All of an object file or image that lies in flash; each section begins at a multiple of four."""
    said = _said(f"{core.tools.cross}size", "-A", str(path))
    sections = re.findall(r"^(?:\.text|\.rodata|\.data)\S*\s+(\d+)", said, re.M)
    return sum(-(-int(size) // 4) * 4 for size in sections)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
