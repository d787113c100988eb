"""Read what the firmware of `nascompile latency firmware` prints: one operator a line, and what its calls took.

Each line is one call of a C kernel with its whole shape, so its features are how often each loop of that kernel runs
(`spaces.operators.kernel.CFunction`), and a profile fitted to them says what an iteration takes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nascompile.latency.data import PRINTED, Feature, Measurements, Sheet
from spaces.costs.latency import Unit
from spaces.errors import did_you_mean
from spaces.operators import LOOPS, KernelCall
from spaces.operators.kernel import InstructionSet, instruction_set
from spaces.tensors import Shape

__all__ = ["called", "holds_operators", "read_operators"]

_SHAPE = ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "stride_h", "stride_w",
          "pad_top", "pad_left", "groups")  # fmt: skip
#: What is timed, by its column: on a board, and in an emulator.
_TIMED: tuple[Unit, ...] = ("cycles", "instructions")


def holds_operators(path: Path) -> bool:
    """Whether a file is what the firmware prints, and not a table of networks."""
    try:
        return any(line.startswith(PRINTED) for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError):
        return False


def read_operators(path: Path, core: str = "") -> Measurements:
    """Read the operators that a firmware timed.

    Args:
        path: what it printed; lines before the header and after `end` are left out.
        core: on which it ran, as targets name it: on one with vectors kernels have other loops.

    Raises:
        LatencyError: everything that is wrong with the file, each with its line and remedy.
    """
    sheet = Sheet(path)
    unit: Unit | None = next((unit for unit in _TIMED if unit in sheet.header), None)
    for name in ("kernel", "dtype", *_SHAPE, "calls", unit or _TIMED[0]):
        if name not in sheet.header:
            sheet.fail("missing-column", f"there is no column `{name}`", "copy the header as the firmware prints it")
    sheet.stop_if_wrong()
    assert unit is not None  # a missing one was a mistake
    calls, dtype = _calls(sheet)
    sheet.stop_if_wrong()
    amount = sheet.numbers(unit, _wrong_count) / sheet.numbers("calls", _wrong_count)
    sheet.stop_if_wrong()
    names = [f"{call.name} {call.x} -> {call.out}" for call in calls]
    lines = tuple(line for line, _ in sheet.rows)
    groups: dict[KernelCall, int] = {}
    number = np.array([groups.setdefault(call, len(groups)) for call in calls], np.int64)
    features = _features(calls, dtype, instruction_set(core))
    return Measurements(
        str(path), lines, tuple(names), amount, features, groups=number, unit=unit, dtype=dtype, operators=True
    )


def called(path: Path) -> list[int]:
    """How many times each operator of a file that `read_operators` reads was called."""
    return [int(number) for number in Sheet(path).numbers("calls", _wrong_count)]


def _calls(sheet: Sheet) -> tuple[list[KernelCall], str]:
    """The operators, and their data type."""
    (_, dtype), *rest = sheet.column("dtype")
    if dtype not in LOOPS:
        sheet.fail("wrong-value", f"`dtype` is `{dtype[:30]}`", f"it is one of {', '.join(LOOPS)}", sheet.rows[0][0])
        return [], dtype
    for line, other in rest:
        if other != dtype:
            message = f"a row in `{other[:30]}` below one in `{dtype}`"
            sheet.fail("mixed-types", message, "fit each type on its own", line)
    shapes = np.array([sheet.numbers(name, _wrong_side) for name in _SHAPE]).astype(int).T
    calls = []
    for (line, name), row in zip(sheet.column("kernel"), shapes.tolist(), strict=True):
        if name not in LOOPS[dtype]:
            hint = did_you_mean(name[:30], LOOPS[dtype])
            sheet.fail("wrong-value", f"there is no kernel `{name[:30]}` in {dtype}", hint, line)
            continue
        h, w, c, out_h, out_w, out_c, kernel_h, kernel_w, stride_h, stride_w, top, left, groups = row
        if 0 in (*row[:10], groups) or c % groups or out_c % groups:
            hint = "sides, channels and strides are at least 1, and groups divide the channels"
            sheet.fail("wrong-value", f"this `{name}` has no such shape", hint, line)
            continue
        x, out = Shape(c, h, w), Shape(out_c, out_h, out_w)
        calls.append(
            KernelCall(name, x, out, (kernel_h, kernel_w), (stride_h, stride_w), pads=(top, left), groups=groups)
        )
    return calls, dtype


def _features(calls: list[KernelCall], dtype: str, isa: InstructionSet) -> dict[Feature, np.ndarray]:
    result: dict[Feature, np.ndarray] = {}
    for k, call in enumerate(calls):
        for loop, count in call.loops(dtype, isa).items():
            result.setdefault(Feature(call.name, loop), np.zeros(len(calls)))[k] = count
    return result


def _wrong_side(value: float) -> str:
    return "" if 0 <= value <= 65535 and value == int(value) else "it is a whole number up to 65,535"


def _wrong_count(value: float) -> str:
    return "" if 1 <= value < 2**32 and value == int(value) else "it is a whole number from 1 to 4,294,967,295"
