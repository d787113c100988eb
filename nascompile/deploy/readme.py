"""The README of a deployed network: what it takes, how it is built, how it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascompile.deploy.core import core_of
from nascompile.deploy.ends import FALSE_ALARMS, Ends
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Target

if TYPE_CHECKING:
    from nascompile.deploy.deployed import Deployed

__all__ = ["over_text", "readme"]

_TEXT = """# {candidate}

A network in {dtype} for {title}, made by nascompile.{warning}{misfit}

| | |
|---|---|
| RAM, the `.bss` of the network | {ram:,} B of {ram_budget:,} B{region} |
| by even and odd buffers (EBS Eq. 4) | {pingpong:,} B |
| flash with everything, predicted | {rom} |
| multiply-accumulates | {macs:,} |
| input | {input} |
| output | {output} |

## In your firmware

Compile every `.c` of `src/`, with `include/` among the places of headers. `test/` and `image/` are no part of the
library. The folder as it is serves

| | |
|---|---|
| CMake | `add_subdirectory(FOLDER)`, `target_link_libraries(firmware {library})` |
| PlatformIO | under `lib/` |
| Arduino | under `libraries/` |
| Zephyr | `west build ... -- -DEXTRA_ZEPHYR_MODULES=/path/to/FOLDER` |
| Keil, IAR, CMSIS Toolbox | `cpackget add nascompile.{library}.pdsc` |

```c
#include "network.h"

static nc_value in[NC_INPUT_SIZE], out[NC_OUTPUT_SIZE];
nc_run(in, out);
```

Or without copies: fill `nc_input()`, call `nc_run(0, 0)`, read `nc_output()`. Channels lie together: element (row,
column, channel) is at `(row * columns + column) * channels + channel`.{quantised}

The tensors are a static buffer. `-DNC_ARENA_SECTION=.dtcm` puts it into a section, `-DNC_WEIGHTS_SECTION=.qspi` the
constants into another; with `-DNC_ARENA_EXTERN` the buffer is yours, see `include/network.h`. Several networks fit in
one firmware if each was deployed with a `--prefix` of its own; kernels that two of them bring are linked once.

## Where it goes

{layers}

![What lies where in the arena, from operator to operator](arena.svg)

## On its own

{build}"""

_BUILD = """    make image      # a bare firmware at the chip's addresses: its size, or by how much it does not fit
    make check      # the test vectors in `test/` on an emulated {core}; fails where an output differs, and says which
    make host       # a shared library for this computer
{boot}
On Debian and Ubuntu: `apt-get install make gcc {packages}`.
"""
_ANOTHER = """
**It is code of a {built_as}**, which a {core} runs, too: so it is compiled, emulated and counted. Nothing was ever run
on a {core}.
"""
_BOOT = """
**The image does not start on this chip as it is:** the boot ROM wants {boot}.
Its sizes are real; to run the network, take the library into a project of that kit.
"""
_HEADER = """
The image has the header by which the chip's boot ROM knows a program (`image/chip.ld`). It was never run on a board.
"""
_FEATURES = {"mfcc": "MFCCs", "log-mel": "log-mel energies"}
_RANDOM = " **Its weights are random**: its sizes and its speed are real, its answers are not."
_NO_BUILD = "There is no tool chain for {core} here: build it with the chip's own.\n"


def _layer_table(made: Deployed) -> str:
    """What each operator takes, in Markdown."""
    lines = [
        "| | operator | output | C | instructions | RAM in use | constants | |",
        "|--:|---|---|---|--:|--:|--:|---|",
    ]
    for row in made.layers:
        out = f"{row.output.height} x {row.output.width} x {row.output.channels}"
        took = "" if row.instructions is None else f"{row.instructions:,}"
        cells = (row.number, row.kind, out, row.kernel, took, f"{row.ram:,}", f"{row.constants:,}", row.note)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    took = made.predicted.get("instructions")
    constants = sum(row.constants for row in made.layers)
    total = ("", "all", "", "", "" if took is None else f"{took:,}", f"{made.ram:,}", f"{constants:,}", "")
    return "\n".join([*lines, f"| {' | '.join(total)} |"])


def over_text(made: Deployed) -> str:
    """By how much a network is predicted not to fit its chip."""
    target, names = made.target, {"ram": "RAM", "rom": "flash"}
    rooms = {
        "ram": f"{target.ram:,} B less {NascompileC.stack:,} B for the stack", "rom": f"{target.rom:,} B",
    }  # fmt: skip
    return " and ".join(
        f"{made.predicted[name]:,} B of {names[name]}, {size:,} B more than {rooms[name]}"
        for name, size in made.over.items()
    )


def _others(target: Target) -> str:
    """Memories that the plan does not use."""
    others = [r.name for r in target.regions if r.kind == "ram" and r != target.ram_region]
    return f"; {' and '.join(others)} stay free" if others else ""


def _another(target: Target) -> str:
    """That it is code of another core, where it is."""
    return "" if target.built_as == target.core else _ANOTHER.format(built_as=target.built_as, core=target.core)


def readme(made: Deployed) -> str:
    """The text of README.md."""
    plan, target, core = made.plan, made.target, core_of(made.target)
    quantised = ""
    if plan.steps:
        quantised = (
            "\n\nA number q stands for `scale * (q - zero)`, with `NC_INPUT_SCALE`, `NC_INPUT_ZERO` and those of the "
            "output;\n`nc_quantise(x)` gives it for an input, `nc_dequantise(q)` what an output stands for."
        )
    quantised += _ends(made)
    rom = made.predicted.get("rom")
    return _TEXT.format(
        candidate=made.subject.candidate,
        dtype=plan.dtype,
        title=target.title,
        warning="" if made.subject.trained else _RANDOM,
        misfit=f"\n\n**It does not fit this chip:** it takes {over_text(made)}." if made.over else "",
        ram=made.ram,
        ram_budget=target.ram,
        region=f" in {target.ram_region.name}{_others(target)}",
        pingpong=made.predicted["ram_pingpong"],
        rom=f"{rom:,} B of {target.rom:,} B" if rom else f"not measured on a {target.core}",
        macs=made.predicted["macs"],
        input=f"{plan.input.height} x {plan.input.width} x {plan.input.channels} {plan.dtype}",
        output=f"{plan.output.height} x {plan.output.width} x {plan.output.channels} {plan.dtype}",
        quantised=quantised,
        library=made.naming.name,
        layers=_layer_table(made),
        build=_BUILD.format(
            core=core.name,
            packages=core.tools.packages,
            boot=_another(target)
            + (_BOOT.format(boot=target.boot) if target.boot else "")
            + (_HEADER if target.header else ""),
        )
        if core
        else _NO_BUILD.format(core=target.core),
    )


_CALLS = {
    "classification": (
        "int of_class = nc_classify(raw); /* below NC_OUTPUT_SIZE; its name: nc_class_names[of_class] */"
    ),
    "multi-label": "nc_labels(raw, holds); /* of each label 1 or 0; their names: nc_class_names */",
    "regression": "nc_predict(raw, values); /* in the data's unit: NC_TARGET_MEAN + NC_TARGET_DEVIATION * output */",
    "detection": "uint32_t count = nc_detect(raw, boxes, 16); /* nc_box boxes[16], the surest first */",
    "anomaly": "if (nc_is_anomaly(raw)) /* nc_anomaly_score(raw) > NC_ANOMALY_THRESHOLD */",
}


def _ends(made: Deployed) -> str:
    """From raw samples to an answer, where the run's data say how."""
    ends, plan = made.subject.ends, made.plan
    if ends is None:
        return ""
    size = ends.raw_size(plan.input.size)
    what = {
        "int16": f"{size:,} samples of sound at {ends.rate:,} Hz in int16, full scale 32,767",
        "uint8": f"{size:,} bytes, pixels from 0 to 255, in the order of the input",
        "float32": f"{size:,} floats as in the data, in the order of the input",
    }[ends.kind]
    how = "normalised as in training"
    if ends.features:
        frames, width = plan.input.size // ends.features.width, ends.features.width
        how = f"turned into {frames} frames of {width} {_FEATURES[ends.features.kind]} and {how}"
    text = f"""

## From raw samples to an answer

```c
static nc_raw raw[NC_RAW_SIZE];
{_CALLS[ends.task]}
```

`raw` is {what}; it is
{how} by `nc_prepare(raw)`, with which every call begins.
"""
    if ends.features:
        text += (
            "As sound arrives: `nc_prepare_frame(samples, frame)` for each of `NC_FRAMES`, of `NC_FRAME_SIZE`\n"
            "samples, `NC_FRAME_STRIDE` apart, then `nc_run(0, 0)` and `nc_output()`; so no whole clip is held.\n"
        )
    if ends.task == "anomaly":
        text += _threshold(ends)
    return text.rstrip("\n")


def _threshold(ends: Ends) -> str:
    if not (alarm := ends.alarm):
        return (
            "The run's data were not at hand, so that there is no threshold: choose one of `nc_anomaly_score`, or "
            "deploy again where\nthey are.\n"
        )
    caught = f", and {alarm.found:,} of {alarm.anomalies:,} anomalies" if alarm.anomalies else ""
    return (
        f"The threshold was chosen on the validation part for at most {100 * FALSE_ALARMS:g} % of false alarms: above\n"
        f"it are {alarm.false:,} of {alarm.normal:,} normal examples{caught}. "
        "Another one: `-DNC_ANOMALY_THRESHOLD=...`.\n"
    )
