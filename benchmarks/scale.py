"""How far exact sets reach: layers, widths and budgets against CPU seconds and peak memory, each cell a fresh process.

    python benchmarks/scale.py                              # all tables; some minutes
    python benchmarks/scale.py --sections cases,library     # chosen ones
    python benchmarks/scale.py --before ../old              # the same with another checkout beside it
    python benchmarks/scale.py --json                       # for a machine to read

A cell is `nascompile count`, its CPU seconds and largest resident memory as the system counts them, Python's start and
the compiler included. The spaces are chains of a convolution and depthwise-separable blocks on 96x96 pixels, int8;
where no figure stands for a budget it is the median of 5,001 random networks. What does not fit `--max-memory` is
refused, with what it would have taken.

Sections: `layers`, `widths` and `budgets` vary one of the three; `cases` are three chains with given budgets and known
counts; `library` are two spaces of the library; `many` is a chain of up to 40 layers under six budgets within 1 GiB;
`shipped` is every space of the library in int8 by the C that `deploy` writes, on three chips.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]
STRIDES = (2, 1, 2, 1, 2, 1, 1, 2)
TWO = ("rom", "ram")
THREE = (*TWO, "macs")
SIX = (*THREE, "latency", "flops", "params")
PROFILE = "nascompile-c-m4-int8"
CHIPS = ("stm32l432", "stm32f412", "stm32f746")
CLOCKED = "stm32f412"  # the profile counts instructions, and needs a clock


@dataclass(frozen=True)
class Cell:
    """One process.

    Args:
        section: which table it belongs to.
        name: its row.
        space: the text of the space, or its file, or the name of a library space.
        arguments: of the command line.
        medians: budgets that are to be medians.
        count: what must come out, where it is known.
    """

    section: str
    name: str
    space: str
    arguments: tuple[str, ...] = ()
    medians: tuple[str, ...] = ()
    count: int | None = None


@dataclass
class Figures:
    """What a process took: CPU seconds, wall-clock seconds, 10^6 bytes; what it printed, or why it did not."""

    cpu: float = 0.0
    wall: float = 0.0
    peak_mb: float = 0.0
    count: str = ""
    failure: str = field(default="")


def chain(layers: int, widths: int) -> str:
    """The text of a space: so many layers, each with so many widths, in steps of 8."""
    strides = [STRIDES[t] if t < len(STRIDES) else 1 for t in range(layers)]
    blocks = [f"  - conv: {{filters: M, stride: {strides[0]}}}\n"]
    blocks += [f"  - ds_conv: {{filters: M, stride: {stride}}}\n" for stride in strides[1:]]
    return (
        f"space: chain{layers}x{widths}\ninput: {{channels: 3, height: 96, width: 96}}\ndtype: int8\nbias: true\n"
        f"choices:\n  M: {{start: 8, stop: {8 * widths}, step: 8}}\nnetwork:\n{''.join(blocks)}"
        "  - global_avg_pool\n  - linear: {units: 10}\n"
    )


def limits(rom: int, ram: int, macs: int | None = None) -> tuple[str, ...]:
    """Budgets as options."""
    return ("--rom", str(rom), "--ram", str(ram), *(("--macs", str(macs)) if macs else ()))


def cells(max_memory: str) -> Iterator[Cell]:
    """All tables, line by line."""
    most = ("--max-memory", max_memory)
    for layers in (4, 8, 16, 32, 64):
        yield Cell("layers", f"{layers} layers", chain(layers, 8), most, TWO)
    for widths in (4, 16, 32, 64):
        yield Cell("widths", f"{widths} widths", chain(8, widths), most, TWO)
    for layers in (8, 12, 16):
        yield Cell("budgets", f"{layers} layers", chain(layers, 8), most, THREE)
    known = [
        (12, 8, limits(22_088, 165_888, 8_265_720), 21_091_447_341),
        (16, 8, limits(29_448, 165_888, 8_531_224), 81_531_976_254_177),
        (8, 32, limits(136_316, 626_688), 365_608_952_938),
    ]
    for layers, widths, arguments, count in known:
        yield Cell("cases", f"chain{layers}x{widths}", chain(layers, widths), (*arguments, *most), count=count)
    yield Cell("library", "prototype_image, stm32f746", "prototype_image", ("--mcu", "stm32f746", *most))
    yield Cell("library", "nasbench201", "nasbench201", most, count=15_625)
    for layers in (8, 10, 12, 14, 16, 20, 40):
        yield Cell("many", f"{layers} layers", chain(layers, 8), ("--max-memory", "1GiB"), SIX)
    for path in sorted((HERE / "spaces").glob("*.yaml")):
        for mcu in CHIPS:
            arguments = ("dtype=int8", "--mcu", mcu, "--runtime", "nascompile-c", *most)
            # The file, since another checkout may have no space of that name.
            yield Cell("shipped", f"{path.stem}, {mcu}", str(path), arguments)


def medians(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Budgets as options, each the median of random networks of a space; in a process of its own, which may grow."""
    command = [sys.executable, __file__, "--medians", ",".join(names)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    # Of parameters there is no budget, but a constraint.
    limits = [f'constraints=["params <= {found.pop("params")}"]'] if "params" in found else []
    options = [*limits, *(part for name, value in found.items() for part in (f"--{name}", str(value)))]
    if "latency" in names:
        options[options.index("--latency") + 1] = f"{found['latency'] / 1e6}ms"
        options += ["--latency-profile", PROFILE, "--mcu", CLOCKED]
    return tuple(options)


def print_medians(names: list[str]) -> None:
    """The median costs of the space on stdin."""
    import numpy as np

    import nascompile as nc
    from spaces.language.reader import read_space

    timed = {"latency_profile": PROFILE, "mcu": CLOCKED} if "latency" in names else {}
    program = nc.compile(read_space(sys.stdin.read()), **timed)
    sizes = [len(decision.options) for decision in program.variants[0].decisions]
    costs = program.costs(0, np.random.default_rng(0).integers(0, sizes, (5001, len(sizes))))
    print(json.dumps({name: int(np.median(costs[name])) for name in names}))


def run(cell: Cell, budgets: tuple[str, ...], checkout: Path, timeout: float) -> Figures:
    """One process of `nascompile count`, with the code of a checkout.

    This process stays small: on Linux a child's peak starts at what its parent held when it was started.
    """
    with TemporaryDirectory() as folder:
        space = cell.space
        if "\n" in space:
            (Path(folder) / "space.yaml").write_text(space)
            space = "space.yaml"
        arguments = list(cell.arguments)
        if not (checkout / "solvers/memory.py").exists():
            place = arguments.index("--max-memory")
            del arguments[place : place + 2]
        command = [sys.executable, "-m", "nascompile", "count", space, *arguments, *budgets]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        start = time.perf_counter()
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            return _ended(process, start, timeout)


def _ended(process: subprocess.Popen[str], start: float, timeout: float) -> Figures:
    """The figures of a process once it has ended, which is stopped when it takes too long."""
    while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        if time.perf_counter() - start > timeout:
            process.kill()
        time.sleep(0.01)
    _, status, usage = waited
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stdout is not None
    assert process.stderr is not None
    told, complaint = process.stdout.read().strip(), process.stderr.read().strip().splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    figures = Figures(
        usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss * unit / 1e6, count=told
    )
    if process.returncode < 0:
        figures.failure = "stopped or killed"
    elif process.returncode:
        errors = [line for line in complaint if line.startswith("error:")]
        figures.failure = errors[0].removeprefix("error: ") if errors else (complaint or ["failed"])[-1]
    return figures


def shown(figures: Figures, cell: Cell) -> list[str]:
    """The columns of one version."""
    if figures.failure:
        return [f"{figures.cpu:.2f}", f"{figures.peak_mb:,.0f}", figures.failure]
    right = "" if cell.count is None or figures.count == str(cell.count) else f" WRONG, not {cell.count:,}"
    count = f"{int(figures.count):,}" if figures.count.isdigit() else figures.count
    return [f"{figures.cpu:.2f}", f"{figures.peak_mb:,.0f}", count + right]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = list(dict.fromkeys(cell.section for cell in cells("")))
    parser.add_argument("--sections", default=",".join(sections), help=f"default {','.join(sections)}")
    parser.add_argument("--before", type=Path, help="another checkout, measured beside this one")
    parser.add_argument("--max-memory", default="4GiB", help="of every cell but those of `many` (default 4GiB)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds after which a process is stopped")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.add_argument("--medians", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.medians:
        print_medians(given.medians.split(","))
        return
    chosen = given.sections.split(",")
    if unknown := [name for name in chosen if name not in sections]:
        parser.error(f"there is no section `{unknown[0]}`; there are {', '.join(sections)}")
    versions = {"": HERE} if given.before is None else {"before: ": given.before.resolve(), "": HERE}
    console, notes = Console(width=None if os.isatty(1) else 160), Console(stderr=True)
    rows: dict[str, list[tuple[Cell, dict[str, Figures]]]] = {name: [] for name in chosen}
    for cell in cells(given.max_memory):
        if cell.section in rows:
            notes.print(f"[dim]{cell.section}: {cell.name}[/dim]")
            budgets = medians(cell.space, cell.medians) if cell.medians else ()
            found = {name: run(cell, budgets, checkout, given.timeout) for name, checkout in versions.items()}
            rows[cell.section].append((cell, found))
    if given.json:
        plain = {
            name: [{"name": c.name} | {f"{v}figures": vars(f) for v, f in found.items()} for c, found in part]
            for name, part in rows.items()
        }
        print(json.dumps(plain, indent=2))
        return
    console.print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}", markup=False)
    for name, part in rows.items():
        table = Table(title=name, title_justify="left")
        table.add_column("")
        for version in versions:
            for column in ("CPU s", "peak MB", "count"):
                table.add_column(version + column, justify="right", overflow="fold")
        for cell, found in part:
            table.add_row(cell.name, *(text for figures in found.values() for text in shown(figures, cell)))
        console.print(table)


if __name__ == "__main__":
    main()
