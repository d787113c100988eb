"""What `nascompile deploy` says of a network: predicted, measured, proven, and what stays of the user's files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.markup import escape

from nascompile.cli.deploy_examples import print_examples
from nascompile.cli.output import out, table
from nascompile.cli.tables import print_table
from nascompile.deploy.core import core_of
from nascompile.deploy.deploy import Verified
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.raw_examples import RawChecked
from spaces.runtimes.nascompile_c import measured_compiler
from spaces.units import format_hz

__all__ = ["deployment_data", "print_deployment"]


def deployment_data(made: Deployed, shown: Verified | None) -> dict[str, Any]:
    """A deployment as plain data: what was predicted, and what was measured."""
    data: dict[str, Any] = {
        "candidate": str(made.subject.candidate), "trained": made.subject.trained, "dtype": made.plan.dtype,
        "target": made.target.name, "folder": str(made.folder), "prefix": made.naming.prefix,
        "kept": {"edited": made.kept.edited, "foreign": made.kept.foreign}, "predicted": made.predicted,
        "ram_plan": made.ram, "ram_plan_proven": made.plan.memory.proven,
        "built_as": made.target.built_as, "boot": made.target.boot, "ram_region": made.target.ram_region.name,
        "fits": not made.over, "over": made.over,
        "layers": [asdict(row) for row in made.layers],
    }  # fmt: skip
    if shown is None:
        return data
    result: dict[str, Any] = {"passed": shown.passed, "difference_host": shown.host}
    if core := core_of(made.target):
        compiler = shown.compiler or measured_compiler(core.tools.cross)
        result |= {"overflow": shown.overflow, "compiler": compiler, "not_run": shown.not_run}
    if shown.core:
        result |= {
            "difference_core": shown.core.difference, "instructions": shown.core.instructions,
            "stack": shown.core.stack,
        }  # fmt: skip
    if shown.sizes:
        result |= {"rom": shown.sizes.rom, "ram": shown.sizes.ram}
    return {**data, "measured": result}


def print_deployment(made: Deployed, shown: Verified | None, heard: RawChecked | None) -> None:
    """What was predicted and measured, for a person."""
    weights = "trained" if made.subject.trained else "random weights: sizes and speed are real, answers are not"
    head = f"{made.subject.candidate} in {made.plan.dtype} for {made.target.title} ({weights})"
    out.print(escape(head), soft_wrap=True)
    core = shown.core if shown else None
    sizes = shown.sizes if shown else None
    rows = table("", ">predicted", *((">measured",) if sizes else ()), ">of the chip")
    chip = {"RAM": made.target.ram, "ROM": made.target.rom}
    predicted = {"RAM": made.predicted["ram"], "ROM": made.predicted.get("rom")}
    for word, measured in (("RAM", sizes.ram if sizes else None), ("ROM", sizes.rom if sizes else None)):
        cells = [_bytes(predicted[word]), *([_bytes(measured)] if sizes else []), _bytes(chip[word])]
        rows.add_row(word, *cells)
    print_table(rows)
    if sum(region.kind == "ram" for region in made.target.regions) > 1:
        out.print(f"RAM is that of {made.target.ram_region.name}, the largest region for feature maps", markup=False)
    out.print(f"RAM by even and odd buffers (EBS Eq. 4): {made.predicted['ram_pingpong']:,} B")
    if shown:
        _print_proof(made, shown)
        if shown.overflow:
            out.print(f"the linker's word: {shown.overflow}", soft_wrap=True, markup=False)
        if shown.compiler:
            out.print(f"predictions were measured with another compiler than yours, {shown.compiler}: sizes and "
                      "instructions may differ by some per cent", soft_wrap=True, markup=False)  # fmt: skip
    if core:
        each = core.instructions / max(1, made.predicted["macs"])
        out.print(f"instructions of one inference: {core.instructions:,} ({each:.2f} per multiply-accumulate), stack "
                  f"{core.stack:,} B", soft_wrap=True)  # fmt: skip
    if "instructions" in made.predicted:
        more = f", and {made.predicted['prepare']:,} that make its input" if made.predicted.get("prepare") else ""
        out.print(f"instructions predicted: {made.predicted['instructions']:,}{more}; instructions are not cycles")
    if "estimated_cycles" in made.predicted:
        cycles, clock = made.predicted["estimated_cycles"], made.target.clock_hz
        at = f": {1000 * cycles / clock:,.3g} ms at {format_hz(clock)}" if clock else ""
        out.print(f"estimated cycles, no wait states: {cycles:,}{at}")
    print_examples(made, heard)
    out.print(f"written: {made.folder}", soft_wrap=True, markup=False)
    if made.target.built_as != made.target.core:
        out.print(f"compiled, emulated and counted as code of a {made.target.built_as}, which a {made.target.core} "
                  "runs, too: it was never run on one", soft_wrap=True, markup=False)  # fmt: skip
    if made.target.boot and core_of(made.target):
        out.print(f"the image does not start on this chip as it is: its boot ROM wants {made.target.boot}",
                  soft_wrap=True, markup=False)  # fmt: skip
    _print_kept(made)


def _print_kept(made: Deployed) -> None:
    """What stands in the folder that this deployment did not write."""
    if made.kept.edited:
        out.print(f"edited since, so left as they are: {', '.join(made.kept.edited)}; delete them and deploy again for "
                  f"those of this network", soft_wrap=True, markup=False)  # fmt: skip
    if made.kept.foreign:
        out.print(f"yours, left alone: {', '.join(made.kept.foreign)}", soft_wrap=True, markup=False)


def _print_proof(made: Deployed, shown: Verified) -> None:
    against = "the integer reference" if made.plan.dtype == "int8" else "PyTorch"
    for where, difference in (
        ("this computer", shown.host),
        ("an emulated core", shown.core.difference if shown.core else None),
    ):
        if difference is None:
            why = shown.not_run or f"there is none of a {made.target.core}"
            out.print(f"not run on an emulated core: {why}", soft_wrap=True, markup=False)
            continue
        verdict = (
            "equal to"
            if difference == 0
            else f"within {difference:.2g} of"
            if difference <= shown.allowed
            else "NOT equal to"
        )
        tail = "" if difference <= shown.allowed else f" (apart by {difference:.3g})"
        out.print(f"on {where}: {verdict} {against}, {len(made.vectors.inputs)} inputs{tail}")


def _bytes(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,} B"
