"""The firmware that times operators: it is written for any chip, builds, runs, and what it prints becomes a profile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nascompile.deploy.core import CORES
from nascompile.deploy.errors import DeployError
from nascompile.deploy.instructions import counted_operators
from nascompile.deploy.latency_firmware import write_firmware
from nascompile.deploy.operator_shapes import drawn_calls
from nascompile.latency.fit import fit_profile
from nascompile.latency.operators import holds_operators, read_operators
from spaces.costs.latency_profiles import load_profile
from spaces.costs.prices import LatencyError
from spaces.operators import LOOPS, KernelCall
from spaces.targets.catalogue import load_target
from spaces.tensors import Shape
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture
from tests.deploy.tools import needs_arm, needs_riscv

HEADER = (
    "kernel,dtype,in_h,in_w,in_c,out_h,out_w,out_c,kernel_h,kernel_w,stride_h,stride_w,pad_top,pad_left,groups,calls,"
)
ADD = "add,int8,4,4,8,4,4,8,1,1,1,1,0,0,1,10,"


def printed(folder: Path, *rows: str, unit: str = "cycles", end: str = "end\n") -> Path:
    path = folder / "board.csv"
    path.write_text("Info : halted\n\n" + "\r\n".join([HEADER + unit, *rows]) + "\r\n" + end + "shutdown\n")
    return path


def test_every_operator_has_a_row_and_the_makefile_the_core(tmp_path: Path) -> None:
    calls = write_firmware(tmp_path, load_target("stm32f412"), "int8")
    text = (tmp_path / "operators.c").read_text()
    assert text.count(".run = nc_") == len(calls)
    assert {call.name for call in calls} == set(LOOPS["int8"])
    assert "-mcpu=cortex-m4 " in (tmp_path / "Makefile").read_text()
    assert "ORIGIN = 0x08000000, LENGTH = 1048576" in (tmp_path / "chip.ld").read_text()
    # A chip without a cycle counter is timed by SysTick.
    write_firmware(tmp_path, load_target("rp2040"), "int8")
    assert "TIMER = -DNC_PER_TICK=1 " in (tmp_path / "Makefile").read_text()


def test_a_core_without_a_compiler_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="is not one that C can be built for"):
        write_firmware(tmp_path, load_target("esp32"), "int8")


@needs_arm
@pytest.mark.parametrize(
    ("mcu", "dtype"),
    [
        *((mcu, dtype) for mcu in ("stm32f412", "stm32f746") for dtype in ("int8", "float32")),
        pytest.param("esp32-c6", "int8", marks=needs_riscv),
    ],
)
def test_the_firmware_builds_for_the_board_and_fits_it(mcu: str, dtype: str, tmp_path: Path) -> None:
    calls = drawn_calls(dtype, 8000, 8000, each=2)
    write_firmware(tmp_path, load_target(mcu), dtype, calls)
    # A file of board/ takes the place of the functions there.
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "uart.c").write_text('#include "board.h"\nvoid nc_putchar(int c) { (void)c; }\n')
    built = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert built.stderr == ""
    nm = f"{CORES[load_target(mcu).core].tools.cross}nm"
    symbols = subprocess.run([nm, "build/latency.elf"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert " T nc_putchar" in symbols
    assert " W nc_board" in symbols


@needs_arm
@pytest.mark.parametrize(("mcu", "core"), [("stm32f412", "m4"), ("stm32f746", "m7")])
def test_what_it_prints_becomes_a_profile(mcu: str, core: str, run: Run) -> None:  # noqa: F811
    folder = run.folder / "timing"
    assert run("latency", "firmware", "--mcu", mcu, "-o", str(folder))[0] == 0
    counted = counted_operators(folder, CORES[load_target(mcu).core])
    code, out, err = run("latency", "fit", str(counted), "--name", "mine", "--json")
    assert (code, json.loads(out)["outliers"]) == (0, []), err
    mine, shipped = load_profile(str(run.folder / "mine.yaml")), load_profile(f"nascompile-c-{core}-int8")
    assert (mine.unit, mine.dtype) == ("instructions", "int8")
    for call in drawn_calls("int8", 10_000, 10_000, each=4, seed=2):
        assert float(mine.call_amount(call)) == pytest.approx(float(shipped.call_amount(call)), rel=0.005)


def test_cycles_of_a_board_are_read_between_what_a_debugger_says(tmp_path: Path) -> None:
    path = printed(tmp_path, ADD + "1270", "add,int8,2,2,8,2,2,8,1,1,1,1,0,0,1,10,350")
    assert holds_operators(path)
    found = read_operators(path)
    assert (found.unit, found.dtype, found.latency.tolist(), found.lines) == ("cycles", "int8", [127.0, 35.0], (4, 5))
    assert {str(f): c.tolist() for f, c in found.features.items()} == {"add.call": [1, 1], "add.element": [128, 32]}


def test_a_board_that_is_exactly_additive_is_found_again(tmp_path: Path) -> None:
    rows = [
        f"zeros,int8,{n},1,{n % 7 + 1},{n},1,{n % 7 + 1},1,1,1,1,0,0,1,1,{100 + 3 * n * (n % 7 + 1)}"
        for n in range(1, 31)
    ]
    fit = fit_profile(read_operators(printed(tmp_path, *rows)), "mine", clock_hz=10**9)
    assert {k: dict(v) for k, v in fit.profile.loops.items()} == {"zeros": {"call": 100, "element": 3}}
    assert (fit.profile.unit, fit.errors.largest) == ("cycles", 0)
    assert fit.profile.call_amount(KernelCall("zeros", Shape(4, 5), Shape(4, 5))) == 160


@pytest.mark.parametrize(
    ("rows", "end", "code"),
    [
        ([ADD + "1270"], "", "cut-off"),
        ([ADD + "x"], "end\n", "not-a-number"),
        ([ADD + "0"], "end\n", "wrong-value"),
        ([ADD.replace("add", "sub") + "7"], "end\n", "wrong-value"),
        ([ADD.replace("int8", "int9") + "7"], "end\n", "wrong-value"),
        ([ADD + "9", ADD.replace("int8", "float32") + "9"], "end\n", "mixed-types"),
        ([ADD.replace("4,4,8,", "4,0,8,") + "9"], "end\n", "wrong-value"),
        ([ADD + "9,9"], "end\n", "ragged-row"),
    ],
)
def test_mistakes_name_their_line(rows: list[str], end: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(LatencyError) as caught:
        read_operators(printed(tmp_path, *rows, end=end))
    assert caught.value.diagnostics[0].code == code
    assert caught.value.diagnostics[0].span is not None


def test_options_that_mean_nothing_are_refused(run: Run) -> None:  # noqa: F811
    path = str(printed(run.folder, ADD + "1270"))
    fit = ("latency", "fit", path, "--name", "mine")
    assert "give --clock" in run(*fit)[2]
    assert "--space means nothing" in run(*fit, "--clock", "1MHz", "--space", "dscnn")[2]
    assert "--group means nothing" in run(*fit, "--clock", "1MHz", "--group", "kernel")[2]
    assert "--dtype is float32" in run(*fit, "--clock", "1MHz", "--dtype", "float32")[2]
    assert "too few for" in run(*fit, "--clock", "1MHz")[2]
    assert "no kernels in `int16`" in run("latency", "firmware", "--mcu", "stm32f412", "-o", "f", "--dtype", "int16")[2]
