"""`nascompile doctor`: what is installed, what is missing, for which command, and the line that installs it."""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import typer

from nascompile import __version__
from nascompile.cli.options import Json
from nascompile.cli.output import emit_json, out, table
from nascompile.cli.tables import print_table
from solvers.memory import allowed

__all__ = ["EXTRAS", "doctor"]

#: Extra of the package -> the packages that it installs, and what needs them.
EXTRAS = {
    "database": (("psycopg",), "search --storage postgresql://..."),
    "mlflow": (("mlflow-skinny",), "search --logger mlflow"),
    "onnx": (("onnx",), "deploy --format onnx"),
    "parquet": (("pyarrow",), "--data with .parquet"),
    "ray": (("ray",), "search --engine ray"),
    "sound": (("soundfile",), "--data with .flac, .ogg or .mp3"),
    "tensorboard": (("tensorboard",), "search --logger tensorboard"),
    "tflite": (("flatbuffers", "tflite"), "deploy --format tflite"),
}
#: Program -> its Debian packages, and what needs it.
_TOOLS = {
    "cc": ("gcc", "deploy --verify, on this computer"),
    "make": ("make", "deploy --verify"),
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi libnewlib-arm-none-eabi", "deploy --verify, search --deploy"),
    "qemu-system-arm": ("qemu-system-arm", "deploy --verify, search --deploy, latency firmware"),
    "riscv64-unknown-elf-gcc": ("gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf", "the same for RISC-V"),
    "qemu-system-riscv32": ("qemu-system-misc", "the same for RISC-V"),
    "minizinc": ("minizinc", "solving what compile --emit mzn writes"),
    "dot": ("graphviz", "drawing what compile --emit dot writes"),
}


@dataclass(frozen=True)
class _Part:
    """Something that is installed or not.

    Args:
        name: of the package or program.
        found: its version or place; empty where it is missing.
        needs: what needs it.
        install: the line that installs it.
        required: nothing works without.
    """

    name: str
    found: str
    needs: str
    install: str
    required: bool = False


def doctor(as_json: Json = False) -> None:
    """Say what is installed here, what is missing for which command, and the line that installs it.

    Exit code 1 where a package is missing that all commands need; what only some need is not a mistake.

    Examples:

      nascompile doctor
    """
    parts = [*_required(), *_extras(), *_tools()]
    missing = [part for part in parts if not part.found]
    machine = {
        "nascompile": __version__, "python": platform.python_version(), "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": allowed(), "gpu": _gpu(),
    }  # fmt: skip
    if as_json:
        emit_json({**machine, "parts": [asdict(part) for part in parts], "install": _lines(missing)})
    else:
        _print(machine, parts, missing)
    if any(part.required for part in missing):
        raise typer.Exit(1)


def _print(machine: dict[str, Any], parts: list[_Part], missing: list[_Part]) -> None:
    memory = f"{machine['memory'] / 2**30:.1f} GiB of memory that solving may take"
    out.print(
        f"nascompile {machine['nascompile']}, Python {machine['python']}, {machine['cores']} cores, {memory}\n"
        f"{machine['system']}; GPU (--device cuda): {machine['gpu'] or 'none that PyTorch can use'}\n",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    made = table("part", "version", "~what needs it")
    for part in parts:
        made.add_row(part.name, part.found or "MISSING", part.needs)
    print_table(made)
    if not missing:
        out.print("\nnothing is missing", markup=False)
        return
    out.print(f"\nmissing: {', '.join(part.name for part in missing)}; to install:", markup=False)
    for line in _lines(missing):
        out.print(f"  {line}", markup=False, soft_wrap=True)


def _lines(missing: list[_Part]) -> list[str]:
    """What installs all of it, a line for each program that installs."""
    lines: dict[str, list[str]] = {}
    for part in missing:
        command, _, what = part.install.rpartition(" install ")
        lines.setdefault(f"{command} install", []).extend(word.strip("'") for word in what.split())
    extras = [word[len("nascompile[") : -1] for word in lines.get("pip install", []) if word.startswith("nascompile[")]
    if extras:
        others = [word for word in lines["pip install"] if not word.startswith("nascompile[")]
        lines["pip install"] = [*others, f"'nascompile[{','.join(dict.fromkeys(extras))}]'"]
    return [f"{command} {' '.join(dict.fromkeys(words))}" for command, words in lines.items()]


def _required() -> list[_Part]:
    """The packages without which nothing works, as this installation names them."""
    try:
        wanted = [line for line in requires("nascompile") or () if "extra ==" not in line]
    except PackageNotFoundError:
        wanted = []
    names = sorted(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in wanted)
    return [_Part(name, _version(name), "all commands", f"pip install {name}", required=True) for name in names]


def _extras() -> list[_Part]:
    return [
        _Part(name, _version(name), needs, f"pip install 'nascompile[{extra}]'")
        for extra, (names, needs) in EXTRAS.items()
        for name in names
    ]


def _tools() -> list[_Part]:
    return [
        _Part(name, shutil.which(name) or "", needs, f"sudo apt-get install {packages}")
        for name, (packages, needs) in _TOOLS.items()
    ]


def _version(distribution: str) -> str:
    """Without loading the package."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _gpu() -> str:
    """What PyTorch can use."""
    try:
        torch: Any = import_module("torch")
        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    except (ImportError, OSError, RuntimeError):
        return ""
