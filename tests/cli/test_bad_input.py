"""Bad input on the command line: one clear message on stderr, exit code 2 or 1, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SPACE = """\
space: tiny
input: {channels: 1, height: 8, width: 8}
choices:
  M: [4, 8]
network:
  - conv: {filters: M, stride: 2}
  - global_avg_pool
  - linear: {units: 2}
"""


def changed(old: str, new: str) -> str:
    assert old in SPACE
    return SPACE.replace(old, new)


CASES = {
    "unknown key": (
        changed("input:", "inputt: 1\ninput:"),
        "s.yaml:2:1: unknown key `inputt` [unknown-key]\n  2 | inputt: 1\n    | ^^^^^^\n  did you mean `input`?",
    ),
    "misspelt block": (
        changed("  - conv:", "  - conf:"),
        "s.yaml:6:5: unknown block `conf` [unknown-block]\n  6 |   - conf: {filters: M, stride: 2}\n    |     ^^^^\n"
        "  did you mean `conv` or `conv1d`?",
    ),
    "misspelt parameter": (
        changed("filters: M", "filter: M"),
        "s.yaml:6:12: `conv` has no parameter `filter` [unknown-key]\n  6 |   - conv: {filter: M, stride: 2}\n"
        "    |            ^^^^^^\n  did you mean `filters`?",
    ),
    "duplicate key": (
        changed("network:", "space: again\nnetwork:"),
        "s.yaml:5:1: the key `space` is given twice [duplicate-key]\n  5 | space: again\n    | ^^^^^\n"
        "  it is first given at line 1; keep one of the two",
    ),
    "tab": (
        changed("  M: [4, 8]", "\tM: [4, 8]"),
        "s.yaml:4:1: a tab character in the indentation [tab]\n  4 | \tM: [4, 8]\n    | ^\n  indent with spaces",
    ),
    "wrong type": (
        changed("height: 8", "height: tall"),
        's.yaml:2:30: `input.height`: input should be a valid integer, not "tall" [wrong-type]\n'
        "  2 | input: {channels: 1, height: tall, width: 8}\n    |                              ^^^^",
    ),
    "empty choice": (
        changed("M: [4, 8]", "M: []"),
        "s.yaml:4:6: `M` has no options [empty-choice]\n  4 |   M: []\n    |      ^^\n  list at least one",
    ),
    "step of zero": (
        changed("M: [4, 8]", "M: {start: 4, stop: 8, step: 0}"),
        "s.yaml:4:32: the step is 0 [bad-step]\n  4 |   M: {start: 4, stop: 8, step: 0}\n"
        "    |                                ^\n  a step is greater than 0",
    ),
    "stop below start": (
        changed("M: [4, 8]", "M: {start: 8, stop: 4}"),
        "s.yaml:4:23: the range stops at 4, before its start 8 [bad-range]\n  4 |   M: {start: 8, stop: 4}\n"
        "    |                       ^\n  a range is inclusive and goes up",
    ),
    "repeat 0": (
        changed("  - global", "    repeat: 0\n  - global"),
        "s.yaml:7:13: a repeat of 0 [bad-repeat]\n  7 |     repeat: 0\n    |             ^\n"
        "  a repeat is a whole number from 1 to 1000; leave the block out for 0",
    ),
    "a side vanishes": (
        changed("stride: 2}", "kernel: 9, padding: valid}"),
        "s.yaml:6:5: no network of `tiny` can exist: the height vanishes: a window of 9 on 8 [impossible-space]\n"
        "  6 |   - conv: {filters: M, kernel: 9, padding: valid}\n    |     ^^^^\n"
        "  lower the strides, kernels or repeats",
    ),
    "unknown name": (
        changed("filters: M", "filters: N * 2"),
        "s.yaml:6:21: unknown name `N` in `N * 2` [unknown-name]\n  6 |   - conv: {filters: N * 2, stride: 2}\n"
        "    |                     ^^^^^\n  known: M",
    ),
    "attribute": (
        changed("filters: M", "filters: M.real"),
        "s.yaml:6:21: the attribute `.real` is not allowed [not-allowed]\n"
        "  6 |   - conv: {filters: M.real, stride: 2}\n    |                     ^^^^^^\n"
        "  expressions have numbers, names and M[i]",
    ),
    "call": (
        changed("filters: M", "filters: exec(M)"),
        "s.yaml:6:21: `exec` is not a function of the language [unknown-function]\n"
        "  6 |   - conv: {filters: exec(M), stride: 2}\n    |                     ^^^^^^^\n"
        "  known: abs, ceil, first, floor, last, max, min, round_to, sum",
    ),
    "power bomb": (
        changed("filters: M", "filters: 9 ** 9 ** 9"),
        "s.yaml:6:21: the power operator `**` is not allowed [not-allowed]\n"
        "  6 |   - conv: {filters: 9 ** 9 ** 9, stride: 2}\n    |                     ^^^^^^^^^^^\n"
        "  write the product out",
    ),
    "alias bomb": (
        "a: &a ["
        + "1, " * 9
        + "1]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        "s.yaml:1:7: the aliases (`*name`) of this file unfold without end [alias-bomb]",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_space(name: str, run: Run) -> None:
    text, expected = CASES[name]
    (run.folder / "s.yaml").write_text(text)
    code, out, err = run("reduce", "s.yaml", "--ram", "1MiB")
    assert (code, out) == (2, "")
    if name == "alias bomb":
        assert "the aliases (`*name`) of this file unfold without end [alias-bomb]" in err
    else:
        assert err == f"error: {expected}\n"
    assert [p.name for p in run.folder.iterdir()] == ["s.yaml"]


def test_ten_megabytes(run: Run) -> None:
    (run.folder / "s.yaml").write_text(SPACE + "# " + "x" * 10_000_000)
    code, _, err = run("reduce", "s.yaml")
    size = len(SPACE) + 10_000_002
    assert code == 2
    assert err == (
        f"error: s.yaml:1:1: the file has {size:,} bytes; a YAML file of nascompile has at most 1,000,000 "
        "[file-too-large]\n  is this the right file?\n"
    )


def test_every_mistake_is_reported_at_once(run: Run) -> None:
    (run.folder / "s.yaml").write_text(changed("M: [4, 8]", "M: []\n  N: {start: 8, stop: 4}").replace("units", "unit"))
    _, _, err = run("reduce", "s.yaml")
    assert [line.split(" [")[0] for line in err.splitlines() if line.startswith("error")] == [
        "error: s.yaml:4:6: `M` has no options",
        "error: s.yaml:5:23: the range stops at 4, before its start 8",
        "error: s.yaml:9:14: `linear` has no parameter `unit`",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--mcu", "stm32f413"),
            "unknown MCU `stm32f413` [unknown-mcu]\n  did you mean `stm32f412` or `stm32f411` or `stm32f401`? "
            "`nascompile mcus` lists them; a board of your own goes into a file, `--mcu my_board.yaml`",
        ),
        (
            ("--ram", "256KB"),
            "ram: `256KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others [unit-ambiguous]\n"
            "  write `256 KiB` (262,144 B) or `256 kB` (256,000 B)",
        ),
        (
            ("--rom=-5",),
            "rom: `-5` is not above zero [unit-positive]\n  write for example `256 KiB`, `1 MB` or `262144`",
        ),
        (
            ("--solver", "gurobi"),
            "there is no solver `gurobi` [unknown-solver]\n  known: auto, cp-sat, diagram, exhaustive, relaxed",
        ),
        (("--ram-model", "both"), "there is no RAM model `both` [wrong-value]\n  it is `pingpong` or `liveness`"),
        (("choices.N=3",), "a.yaml"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], expected: str | None, run: Run) -> None:
    code, out, err = run("reduce", "mlp2", *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.startswith("error: ")
    if expected and expected != "a.yaml":
        assert err == f"error: {expected}\n"
    assert list(run.folder.iterdir()) == []


def test_a_budget_below_every_network_is_explained(run: Run) -> None:
    code, out, err = run("reduce", "dscnn", "--ram", "64KiB", "--rom", "1MiB")
    assert code == 1
    assert "|X^f| =          0  feasible, exactly (0 %)" in out
    assert "206,640" in out  # the least RAM of any network
    assert "Traceback" not in err
    assert list(run.folder.iterdir()) == []


def test_a_depth_that_alone_is_infeasible(run: Run) -> None:
    code, out, _ = run("reduce", "dscnn", "--rom", "230kB", "--json", "--no-save")
    counts = {row["variant"]: row["count"] for row in json.loads(out)["variants"]}
    assert code == 0
    assert counts["6"] > 0
    assert counts["8"] == 0


def test_a_depth_that_cannot_exist(run: Run) -> None:
    text = changed("stride: 2}", "stride: 2, kernel: 3, padding: valid}\n    repeat: [1, 2, 3]")
    (run.folder / "s.yaml").write_text(text)
    code, out, _ = run("reduce", "s.yaml", "--no-save")
    assert code == 0
    assert "none: the height vanishes: a window of 3 on 1" in " ".join(out.split())


def test_json_errors_are_json(run: Run) -> None:
    code, out, err = run("reduce", "dscn", "--json")
    assert code == 2
    assert json.loads(out)["errors"][0]["code"] == "unknown-space"
    assert err.startswith("error: there is no space `dscn` [unknown-space]\n  did you mean `dscnn`?")


@pytest.mark.parametrize("damage", ["cut", "altered", "version"])
def test_a_damaged_set_file(damage: str, run: Run) -> None:
    run("reduce", "mlp2", "--rom", "13600", "-o", "m.nasset")
    data = (run.folder / "m.nasset").read_bytes()
    damaged = {
        "cut": data[:-20],
        "altered": data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        "version": data.replace(b"set 2", b"set 1", 1),
    }
    (run.folder / "m.nasset").write_bytes(damaged[damage])
    code, out, err = run("show", "m.nasset")
    expected = {
        "version": "a set file of version 1; this nascompile reads version 2 [wrong-version]\n"
        "  make it anew with `nascompile reduce`"
    }.get(
        damage,
        "the file is truncated or altered: its checksum does not match [damaged-set]\n"
        "  copy it again, or make it anew with `nascompile reduce`",
    )
    assert (code, out, err) == (2, "", f"error: m.nasset:1:1: {expected}\n")


def test_an_unwritable_folder(run: Run) -> None:
    code, _, err = run("reduce", "mlp2", "-o", "none/m.nasset")
    assert code == 2
    assert err == (
        "error: none/m.nasset:1:1: cannot write the file: No such file or directory [unwritable]\n"
        "  check that the folder exists, is writable and has room, or give another file with --out\n"
    )


def test_interrupted_in_the_middle(tmp_path: Path) -> None:
    """Ctrl-C while CP-SAT lists 167,713 members: prompt, exit code 130, nothing written."""
    command = [sys.executable, "-m", "nascompile", "reduce", "dscnn", "--mcu", "ebs-small", "--solver", "cp-sat"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    _wait_until_solving(process.pid)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert (process.returncode, out) == (130, "")
    assert err.strip().splitlines()[-1] == "interrupted; nothing was written"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def _wait_until_solving(pid: int) -> None:
    """Until the process has loaded CP-SAT, and then some; it lists for more than ten seconds."""
    maps = Path(f"/proc/{pid}/maps")
    start = time.monotonic()
    while maps.exists() and "ortools" not in maps.read_text() and time.monotonic() - start < 60:
        time.sleep(0.1)
    time.sleep(3)


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """A killed process leaves no half file under the name asked for."""
    command = [sys.executable, "-m", "nascompile", "reduce", "dscnn", "--mcu", "ebs-small", "--solver", "cp-sat"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        time.sleep(2)
        process.kill()
    assert not (tmp_path / "dscnn-ebs-small.nasset").exists()


def test_a_closed_pipe_is_no_error() -> None:
    run = subprocess.run(
        f"{sys.executable} -m nascompile export dscnn --mcu stm32f412 | head -n 1",
        shell=True, capture_output=True, text=True, check=True, env={**os.environ},
    )  # fmt: skip
    assert run.stdout.startswith("candidate,rom,")
    assert run.stderr == ""
