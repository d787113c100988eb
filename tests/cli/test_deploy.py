"""`nascompile deploy`, from a candidate or a trained run to C that is verified; and clear mistakes."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nascompile as nc
from nascompile.cli import main
from nascompile.cli.search.reduce_line import reduce_line
from nascompile.deploy import deploy as writing
from nascompile.deploy import toolchain
from nascompile.deploy.deployable import untrained
from nascompile.run.deployment import check_deployable
from spaces.program.shipping import Shipping
from spaces.targets.catalogue import load_target
from tests.cli.conftest import Done, Run
from tests.deploy.tools import needs_arm, needs_both, needs_host
from tests.run.examples import SPACE, data_file

ROOT = Path(__file__).parents[2]
#: Two layers and a classifier, so that tests are quick.
SMALL = ("deploy", "mlp2", "32-16", "--mcu", "stm32f412")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: one that has quantised its networks, one that has not."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "nine.yaml").write_text(SPACE)
    data_file(folder)
    quick = ("search", "nine.yaml", "--data", "halves.npz", "--samples", "2", "--select", "1", "--epochs", "1")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for more in (
            ("--quantise", "ptq", "--out", "r"),
            ("--quantise", "none", "--out", "plain", "--mcu", "stm32f412"),
        ):
            patched.setattr(sys, "argv", ["nascompile", *quick, *more])
            try:
                main()
            except SystemExit as end:
                assert not end.code  # noqa: PT017 - it may end without, too
    return folder


@pytest.fixture
def runs(run: Run, trained: Path) -> Run:
    """The command line in a folder with copies of the trained runs."""
    for name in ("r", "plain"):
        shutil.copytree(trained / name, run.folder / name)
    return run


def clear(done: Done) -> None:
    assert "Traceback" not in done.stderr + done.stdout


def test_a_candidate_becomes_a_folder(run: Run) -> None:
    done = run(*SMALL)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("mlp2: 32-16 in int8 for ")
    assert "random weights: sizes and speed are real, answers are not" in done.stdout
    assert done.stdout.endswith("written: deploy-mlp2\nnext: nascompile deploy mlp2 32-16 --mcu stm32f412 --verify\n")
    files = {str(p.relative_to(run.folder / "deploy-mlp2")) for p in (run.folder / "deploy-mlp2").rglob("*")}
    assert {"CMakeLists.txt", "Makefile", "README.md", "image/chip.ld", "include/network.h", "test/vectors.h"} <= files
    assert {"src/network.c", "src/nc_kernels.h", "src/nc_linear.c"} <= files
    assert "src/nc_add.c" not in files
    told = (run.folder / "deploy-mlp2/README.md").read_text()
    assert told.startswith("# mlp2: 32-16\n")
    assert "**Its weights are random**" in told
    assert (
        "FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1048576" in (run.folder / "deploy-mlp2/image/chip.ld").read_text()
    )


def test_what_is_predicted_is_what_the_search_counts(run: Run) -> None:
    data = json.loads(run(*SMALL, "--json", "-o", "c").stdout)
    checked = run("check", "mlp2", "32-16", "dtype=int8", "--mcu", "stm32f412", "--runtime", "nascompile-c", "--json")
    costs = json.loads(checked.stdout)["costs"]
    assert {name: data["predicted"][name] for name in ("ram", "rom", "macs", "ram_pingpong")} == {
        name: costs[name] for name in ("ram", "rom", "macs", "ram_pingpong")
    }
    assert data["ram_plan"] == data["predicted"]["ram"]
    assert (data["candidate"], data["trained"], data["dtype"]) == ("mlp2: 32-16", False, "int8")
    assert "measured" not in data


@needs_both
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_verified(run: Run, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(*SMALL, "--verify", "--dtype", dtype, "--json", "-o", "c")
    assert (done.code, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    found = data["measured"]
    assert found["passed"]
    assert max(found["difference_host"], found["difference_core"]) <= (0 if dtype == "int8" else 1e-5)
    assert found["ram"] == data["predicted"]["ram"]
    assert abs(found["rom"] - data["predicted"]["rom"]) <= 0.01 * found["rom"]
    assert found["instructions"] > data["predicted"]["macs"]
    found_cycles = data["predicted"]["estimated_cycles"]
    assert 1 < found_cycles / found["instructions"] < 2.5  # a product with a sum takes three in float32
    said = run(*SMALL, "--verify", "--dtype", dtype, "-o", "d").stdout
    against = "equal to the integer reference" if dtype == "int8" else "PyTorch, 8 inputs"
    assert said.count(against) == 2
    assert f"{found['rom']:,} B" in said
    assert f"{found['instructions']:,} " in said
    assert "instructions are not cycles" in said
    assert f"estimated cycles, no wait states: {found_cycles:,}: " in said
    assert said.endswith("next: make -C d image\n")
    if dtype == "int8":
        monkeypatch.setattr(writing, "measured_compiler", lambda program: "another one")
        said = run(*SMALL, "--verify", "-o", "d").stdout
        assert said.count("predictions were measured with another compiler than yours, arm-none-eabi-gcc") == 1


@needs_both
def test_verification_fails_where_the_c_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = writing.write_project

    def spoilt(folder: Path, *rest: object, **named: object) -> object:
        kept = real(folder, *rest, **named)  # type: ignore[arg-type]
        text = (folder / "src/network.c").read_text()
        (folder / "src/network.c").write_text(text.replace("*to++ = *from++;", "*to++ = *from++ ^ 5;"))
        return kept

    monkeypatch.setattr(writing, "write_project", spoilt)
    done = run(*SMALL, "--verify", "-o", "c")
    assert (done.code, done.stderr) == (1, "")
    assert done.stdout.count("NOT equal to the integer reference") == 2
    assert not json.loads(run(*SMALL, "--verify", "--json", "-o", "d").stdout)["measured"]["passed"]


@needs_host
def test_a_core_that_cannot_be_built_for(run: Run) -> None:
    done = run("deploy", "mlp2", "32-16", "--mcu", "esp32", "--verify", "-o", "c")
    assert (done.code, done.stderr) == (0, "")
    assert "not measured" in done.stdout
    assert "on this computer: equal to the integer reference" in done.stdout
    assert "not run on an emulated core: there is none of a Xtensa LX6" in done.stdout
    assert not (run.folder / "c/image").exists()
    assert "There is no tool chain for Xtensa LX6 here" in (run.folder / "c/README.md").read_text()
    data = json.loads(run("deploy", "mlp2", "32-16", "--mcu", "esp32", "--verify", "--json", "-o", "d").stdout)
    assert data["measured"] == {"passed": True, "difference_host": 0.0}
    assert "rom" not in data["predicted"]


@needs_both
def test_a_network_that_a_run_has_trained(runs: Run) -> None:
    rows = json.loads(runs("show", "r", "--json").stdout)["networks"]
    number, line = rows[0]["number"], rows[0]["candidate"]
    done = runs("deploy", f"r#{number}", "--mcu", "stm32f746", "--verify", "--json")
    assert (done.code, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert (data["candidate"], data["trained"], data["folder"]) == (line, True, f"deploy-nine-{number}")
    assert data["measured"]["passed"]
    assert data["measured"]["ram"] == data["predicted"]["ram"]
    assert "random" not in (runs.folder / f"deploy-nine-{number}/README.md").read_text()
    # In float32 the same weights; the run's own chip where there is one.
    data = json.loads(runs("deploy", f"plain#{number}", "--dtype", "float32", "--verify", "--json", "-o", "f").stdout)
    assert (data["target"], data["dtype"], data["measured"]["passed"]) == ("stm32f412", "float32", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r#77", "--mcu", "stm32f412"), "`r` has no trained network 77 [no-network]\n  it has 0, 1"),
        (("r", "--mcu", "stm32f412"), "which network of `r`? [no-number]\n  it kept r#"),
        (("r#0",), "for which chip? `r` was searched without one [no-mcu]"),
        (("plain#0",), "`plain` did not quantise network 0 [no-int8]\n  deploy it with --dtype float32"),
        (("r#0", "4-4", "--mcu", "stm32f412"), "`4-4` says nothing about a network of a run [bad-option]"),
        (("none#3", "--mcu", "stm32f412"), "there is no run in `none` [not-a-run]"),
        (
            ("mlp2", "--mcu", "stm32f412"),
            "which network of `mlp2`? There are 64 [no-candidate]\n  give its line, such as `mlp2: 16-16`",
        ),
        (("mlp2", "32-16"), "for which chip? [no-mcu]\n  name one with --mcu"),
        (("mlp2", "32-17", "--mcu", "stm32f412"), "M[2] cannot be 17 [bad-candidate]"),
        (("mlp2", "32-16", "--mcu", "stm23f412"), "unknown MCU `stm23f412` [unknown-mcu]"),
        (("mlp3", "32-16", "--mcu", "stm32f412"), "there is no space `mlp3` [unknown-space]"),
        (("mlp2", "32-16", "dtype=foo", "--mcu", "stm32f412"), "`dtype` must be"),
        (("mlp2", "32-16", "--mcu", "stm32f412", "--dtype", "int16"), "--dtype cannot be `int16` [wrong-value]"),
        (("mlp2", "32-16", "--mcu", "stm32f412", "-o", "file"), "cannot write `file`"),
        (("mlp2", "32-16", "--mcu", "stm32f412", "-o", "file/below"), "cannot write `file/below`: Not a directory"),
    ],
)
def test_mistakes(runs: Run, arguments: tuple[str, ...], message: str) -> None:
    (runs.folder / "file").write_text("mine")
    done = runs("deploy", *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    clear(done)
    assert (runs.folder / "file").read_text() == "mine"


def test_damaged_weights(runs: Run) -> None:
    for name, dtype in (("ptq", "int8"), ("float", "float32")):
        path = runs.folder / f"r/networks/0000/{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-7])
        done = runs("deploy", "r#0", "--mcu", "stm32f412", "--dtype", dtype)
        assert (done.code, done.stdout) == (2, "")
        assert ("cut off" in done.stderr, "nascompile resume r" in done.stderr) == (True, True), done.stderr
        clear(done)


@pytest.mark.parametrize(
    ("tools", "mcu", "missing"),
    [
        ((), "stm32f412", "there is no `make` and `cc`"),
        pytest.param(
            ("make", "cc"),
            "stm32f412",
            "there is no `arm-none-eabi-gcc` and `arm-none-eabi-size` and `qemu-system-arm`",
            marks=needs_host,
        ),
        pytest.param(
            ("make", "cc"),
            "esp32-c3",
            "there is no `riscv64-unknown-elf-gcc` and `riscv64-unknown-elf-size` and `qemu-",
            marks=needs_host,
        ),
    ],
)
def test_without_the_tools_the_c_is_written_and_the_tools_are_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, tools: tuple[str, ...], mcu: str, missing: str
) -> None:
    (run.folder / "bin").mkdir()
    for tool in tools:
        (run.folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    if tools:
        # What cc and make themselves start.
        for tool in ("as", "ld", "mkdir", "rm", "sh"):
            (run.folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(run.folder / "bin"))
    assert run("deploy", "mlp2", "32-16", "--mcu", mcu, "-o", "c").code == 0
    assert (run.folder / "c/src/network.c").exists()
    done = run("deploy", "mlp2", "32-16", "--mcu", mcu, "--verify", "-o", "d")
    assert (done.code, done.stdout) == (2, "")
    assert missing in done.stderr
    packages = {"stm32f412": " gcc-arm-none-eabi", "esp32-c3": " gcc-riscv64-unknown-elf"}[mcu] if tools else "\n"
    assert f"apt-get install make gcc{packages}" in done.stderr
    assert (run.folder / "d/src/network.c").exists()
    clear(done)


@needs_both
def test_a_network_that_does_not_fit(run: Run) -> None:
    """The C is written, and what does not fit is said; the linker has the last word."""
    (run.folder / "tiny.yaml").write_text("name: tiny\ncore: Cortex-M4F\nclock: 48 MHz\nflash: 2 KiB\nram: 1040\n")
    deploy = ("deploy", "mlp2", "128-128", "--mcu", "tiny.yaml")
    data = json.loads(run(*deploy, "-o", "c", "--verify", "--json").stdout)
    rom = data["predicted"]["rom"]
    assert (data["fits"], data["over"], data["measured"]["passed"]) == (False, {"ram": 240, "rom": rom - 2048}, True)
    assert "and RAM by 240 B" in data["measured"]["overflow"]
    done = run(*deploy, "-o", "c")
    assert done.code == 1
    assert done.stderr == (
        f"does not fit tiny: it takes 256 B of RAM, 240 B more than 1,040 B less 1,024 B for the stack and {rom:,} B "
        f"of flash, {rom - 2048:,} B more than 2,048 B\n"
    )
    assert done.stdout.endswith("next: nascompile reduce mlp2 --mcu tiny.yaml --runtime nascompile-c\n")
    assert "**It does not fit this chip:**" in (run.folder / "c/README.md").read_text()
    assert (run.folder / "c/src/network.c").is_file()
    done = run(*deploy, "-o", "c", "--verify")
    assert done.code == 1
    assert f"the linker's word: {data['measured']['overflow']}\n" in done.stdout
    assert done.stdout.count("equal to the integer reference") == 2


@needs_both
def test_a_network_that_fits_the_chip_and_not_the_emulator(run: Run) -> None:
    (run.folder / "wide.yaml").write_text(
        "space: wide\ninput: {channels: 1, height: 64, width: 64}\ndtype: int8\n"
        "network: [{conv: {filters: 1100, kernel: 1}}, global_avg_pool, {linear: {units: 4}}]\n"
    )
    assert run("count", "wide.yaml", "--mcu", "psoc-edge-e84", "--runtime", "nascompile-c").stdout == "1\n"
    done = run("deploy", "wide.yaml", "--mcu", "psoc-edge-e84", "--verify", "-o", "c")
    assert done.code == 0
    ram, rom = (line.split("B")[:2] for line in done.stdout.splitlines()[2:4])
    assert ram[0].split()[1:] == ram[1].split()
    assert rom[1]
    assert "on this computer: equal to the integer reference, 8 inputs\n" in done.stdout
    assert "not run on an emulated core: the network overflows the emulator's RAM by " in done.stdout
    assert done.stdout.endswith("next: make -C c image\n")


@needs_both
def test_a_run_that_takes_too_long_is_ended_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sizes are there all the same, and of what it started nothing goes on."""
    one = nc.parse_candidate(nc.compile("mlp2", tables=False), "32-16")
    made = writing.deploy(untrained(one, "int8"), load_target("stm32f412"), tmp_path / "c")
    shown = writing.verify(made)
    slow = tmp_path / "qemu-system-arm"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 300\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(toolchain, "_PATIENCE", 4)
    again = writing.verify(made)
    assert again.not_run == f"`make -s check` in `{made.folder}` took more than 4 s"
    assert (again.passed, again.core, again.sizes) == (True, None, shown.sizes)
    emulator = Path("/proc", (tmp_path / "pid").read_text().strip())
    for _ in range(500):
        if emulator.exists():  # until whoever inherits it has seen its end
            time.sleep(0.01)
    assert not emulator.exists()


def test_a_chip_that_does_not_boot_the_image_as_it_is(run: Run) -> None:
    done = run("deploy", "mlp2", "32-16", "--mcu", "rp2040", "-o", "c")
    assert "the image does not start on this chip as it is: its boot ROM wants a second stage" in done.stdout
    assert "**The image does not start on this chip as it is:**" in (run.folder / "c/README.md").read_text()


@needs_both
def test_an_image_has_the_header_that_its_boot_rom_looks_for(run: Run) -> None:
    done = run("deploy", "mlp2", "32-16", "--mcu", "pico2", "-o", "c", "--verify", "--json")
    told = json.loads(done.stdout)
    assert told["boot"] == ""
    assert abs(told["predicted"]["rom"] - told["measured"]["rom"]) < 8
    image = run.folder / "c/build/cortex-m33/image"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", f"{image}.elf", f"{image}.bin"], check=True)
    words = struct.unpack("<21I", image.with_suffix(".bin").read_bytes()[:84])
    assert words[16:] == (0xFFFFDED3, 0x10210142, 0x1FF, 0, 0xAB123579)
    assert "The image has the header" in (run.folder / "c/README.md").read_text()


def test_a_chip_without_flash_is_asked_for_it(run: Run) -> None:
    deploy = ("deploy", "mlp2", "32-16", "--mcu", "stm32n657", "-o", "c")
    asked = "error: STM32N657 has no flash of its own: how much a program may take is the board's to say [no-flash]\n"
    for command in (deploy, ("count", "mlp2", "--mcu", "stm32n657")):
        done = run(*command)
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith(asked)
        assert "give --rom, for example --rom 2MiB" in done.stderr
    assert not (run.folder / "c").exists()
    assert run(*deploy, "--rom", "1MiB").code == 0
    assert "FLASH (rx) : ORIGIN = 0x70100400, LENGTH = 1048576" in (run.folder / "c/image/chip.ld").read_text()
    done = run(*deploy, "--rom", "1KiB")
    assert done.code == 1
    assert done.stdout.endswith("next: nascompile reduce mlp2 --mcu stm32n657 --rom 1KiB --runtime nascompile-c\n")
    # A search knows it from its budget, and says it where it names the command of its set.
    program = nc.compile("mlp2", mcu="stm32n657", rom="64KiB", runtime="nascompile-c", overrides=["dtype=int8"])
    assert Shipping.of(program, "int8").memories["rom"] == 64 * 1024
    assert "--mcu stm32n657 --rom 65536" in reduce_line(program, "int8", "nascompile-c")


@needs_arm
def test_a_cortex_m85_runs_what_is_built_for_a_cortex_m55(run: Run) -> None:
    done = run("deploy", "mlp2", "32-16", "--mcu", "EK-RA8M1", "-o", "c")
    assert "compiled, emulated and counted as code of a Cortex-M55, which a Cortex-M85 runs, too" in done.stdout
    assert "instructions predicted: " in done.stdout
    assert "**It is code of a Cortex-M55**" in (run.folder / "c/README.md").read_text()
    assert "-mcpu=cortex-m55" in (run.folder / "c/chip.mk").read_text()
    target = check_deployable(nc.compile("mlp2", mcu="stm32n657", rom="64KiB"))
    assert (target.rom, target.built_as) == (64 * 1024, "Cortex-M55")


def test_exchange_formats_beside_the_c(run: Run) -> None:
    for package in ("flatbuffers", "onnx", "tflite"):
        pytest.importorskip(package)
    data = json.loads(run(*SMALL, "--format", "c,tflite,onnx", "-o", "c", "--json").stdout)
    assert data["files"] == {name: (run.folder / "c" / name).stat().st_size for name in data["files"]}
    assert list(data["files"]) == ["network.tflite", "network.onnx"]
    assert (run.folder / "c/network.tflite").read_bytes()[4:8] == b"TFL3"
    done = run(*SMALL, "--format", "onnx", "--dtype", "float32", "-o", "c")
    assert (done.code, done.stderr) == (0, "")
    size = (run.folder / "c/network.onnx").stat().st_size
    assert f"written: c\nwritten: c/network.onnx, {size:,} B\n" in done.stdout
    # That of another network is not left beside this one's C.
    assert not (run.folder / "c/network.tflite").exists()


@pytest.mark.parametrize(
    ("words", "dtype", "told"),
    [
        ("c,tflit", "int8", "there is no format `tflit` [no-format]\n  did you mean `tflite`?"),
        ("", "int8", "there is no format `` [no-format]\n  known: c, onnx, tflite"),
        ("tflite", "float32", "a .tflite file is written in int8 alone [no-format]\n  in float32 there are: c, onnx"),
    ],
)
def test_formats_that_are_not_written(run: Run, words: str, dtype: str, told: str) -> None:
    done = run(*SMALL, "--format", words, "--dtype", dtype, "-o", "c")
    assert (done.code, done.stdout) == (2, "")
    assert told in done.stderr
    assert not (run.folder / "c").exists()


def test_without_their_packages_the_c_is_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    absent = ("flatbuffers", "onnx", "tflite")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in absent else real(name, *a))
    done = run(*SMALL, "--format", "tflite,onnx", "-o", "c")
    assert done.code == 2
    assert done.stdout.endswith("written: c\n")
    assert "`network.tflite` is not written, only the C: `tflite` and `flatbuffers` are not installed" in done.stderr
    assert "`network.onnx` is not written, only the C: `onnx` is not installed [no-package]" in done.stderr
    assert "pip install 'nascompile[onnx]'" in done.stderr
    assert (run.folder / "c/src/network.c").exists()


@needs_both
def test_the_folder_builds_without_nascompile(run: Run) -> None:
    """By make, as its README says; into a folder that held another network before."""
    assert run("deploy", "dscnn", "84-84-84-84-84-84", "--mcu", "stm32f412", "-o", "c").code == 0
    assert (run.folder / "c/src/nc_depthwise.c").exists()
    assert run(*SMALL, "-o", "c").code == 0
    assert not (run.folder / "c/src/nc_depthwise.c").exists()

    def made(goal: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", goal], cwd=run.folder / "c", capture_output=True, text=True)

    for goal in ("image", "check", "host", "library"):
        done = made(goal)
        assert done.returncode == 0, done.stderr
        # A warning is a mistake of ours; the emulator's words come on stderr.
        assert "warning" not in done.stderr
        assert goal != "check" or "all 96 outputs are right" in done.stderr
    # What is wrong is said in words.
    vectors = run.folder / "c/test/vectors.h"
    text, word = vectors.read_text(), "static const nc_value nc_outputs[NC_VECTORS][NC_OUTPUT_SIZE] = {\n    {\n"
    before, after = text.split(word)
    first, rest = after.split(",", 1)
    vectors.write_text(f"{before}{word}{(int(first) + 200) % 256 - 128},{rest}")
    done = made("check")
    assert done.returncode
    told = f"output 0 of input 0 is {int(first)}, and must be {(int(first) + 200) % 256 - 128}\n1 of 96 outputs differ"
    assert told in done.stderr
    assert made("clean").returncode == 0
