"""What commands write: pipes and links are kept, inputs are never replaced, and what cannot be is refused at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from nascompile.cli import app
from nascompile.cli.outputs import Output
from tests.cli.conftest import Run
from tests.cli.test_bad_input import SPACE
from tests.spaces.test_files import read_aside

HUGE = ("dscnn", "choices.M.step=1")  # weeks of work without budgets
#: Every option that names an output, with the least that its command needs beside it, and how much work that is.
COMMANDS = {
    "reduce --out": ("reduce", "dscnn", "--mcu", "ebs-small", "--solver", "exhaustive"),
    "compile --out": ("compile", "missing"),
    "export --out": ("export", "missing"),
    "score --out": ("score", "missing"),
    "sample --state": ("sample", "missing"),
    "select --out": ("select", "missing"),
    "select --plot": ("select", "missing"),
    "search --out": ("search", "missing", "--data", "missing", "--samples", "9"),
    "search --log": ("search", "missing", "--sampler", "monas"),
    "worker --out": ("worker", "--storage", "sqlite:///missing.db", "--run", "r"),
    "deploy --out": ("deploy", "missing", "1", "--mcu", "stm32f412"),
    "report --out": ("report", "missing"),
    "report --figures": ("report", "missing"),
    "calibrate --out": ("latency", "calibrate", "missing", "--measured", "missing=1ms", "--name", "n"),
    "fit --out": ("latency", "fit", "missing.csv", "--name", "n"),
    "firmware --out": ("latency", "firmware", "--mcu", "missing"),
}
FOLDERS = {
    **dict.fromkeys(("search --out", "worker --out"), "cannot make the folder"),
    **dict.fromkeys(("deploy --out", "firmware --out", "report --figures"), "cannot write `{}`"),
}


def option(key: str) -> str:
    return key.split()[1]


@pytest.fixture
def files(run: Run) -> dict[str, bytes]:
    """Some of a user's files, and what is in them."""
    (run.folder / "base.yaml").write_text(SPACE)
    (run.folder / "s.yaml").write_text("extends: base.yaml\nspace: mine\n")
    (run.folder / "t.yaml").write_text(
        "mcu: mine\ncore: Cortex-M4\nclock: 100 MHz\nmemories:\n  RAM: {kind: ram, size: 64 KiB}\n"
        "  flash: {kind: flash, size: 256 KiB}\n"
    )
    rng = np.random.default_rng(0)
    np.savez(run.folder / "d.npz", x=rng.normal(size=(300, 1, 8, 8)).astype(np.float32), y=np.arange(300) % 2)
    assert run("reduce", "base.yaml", "-o", "m.nasset").code == 0
    assert run("latency", "show", "nrf5340").code == 0
    (run.folder / "p.yaml").write_text(run("latency", "show", "nrf5340").stdout)
    (run.folder / "r.csv").write_text("candidate,macs,score\na,1,2\nb,2,3\n")
    return {path.name: path.read_bytes() for path in run.folder.iterdir()}


def unchanged(run: Run, files: dict[str, bytes]) -> bool:
    return {path.name: path.read_bytes() for path in run.folder.iterdir()} == files


def test_every_option_with_a_path_is_an_output_or_known_to_be_read() -> None:
    """So that a new one is not forgotten."""
    read = {f"{name} data" for name in ("score", "search", "resume", "worker")}
    read |= {"search file", "select results", "resume run", "worker run", "fit measurements"}
    read |= {"deploy weights", "deploy calibrate"}
    found: dict[str, bool] = {}
    latency = app.load("latency").commands
    commands = {name: app.load(name) for name in app.COMMANDS if name != "latency"}
    for name, command in (*commands.items(), *latency.items()):
        for parameter, hint in get_type_hints(command.callback, include_extras=True).items():
            inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
            if Path in (inner, *get_args(inner)):
                found[f"{name} {parameter}"] = any(isinstance(one, Output) for one in hint.__metadata__)
    assert {name for name, is_output in found.items() if not is_output} == read
    assert sum(found.values()) == len(COMMANDS)


@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize("key", COMMANDS)
def test_no_name(key: str, name: str, run: Run) -> None:
    done = run(*COMMANDS[key], option(key), name)
    assert (done.code, done.stdout) == (2, "")
    shown = name or "."
    assert done.stderr == (
        f"error: {shown}:1:1: the name of an output is empty, or only that of a folder around it [no-name]\n"
        "  give it a name of its own\n"
    )
    assert list(run.folder.iterdir()) == []


@pytest.mark.parametrize("key", COMMANDS)
def test_refused_before_anything_is_read(key: str, run: Run) -> None:
    """The other arguments name nothing that exists: whoever reads one first says so instead."""
    (run.folder / "folder").mkdir()
    (run.folder / "file").touch()
    wrong = {"folder": "Is a directory", "none/a": "No such file or directory"}
    if key in FOLDERS:
        wrong = {"file": "File exists", "file/a": "Not a directory"}
    for name, reason in wrong.items():
        message = FOLDERS.get(key, f"cannot write the {'log' if key == 'search --log' else 'file'}")
        done = run(*COMMANDS[key], option(key), name)
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {name}:1:1: {message.format(name)}: {reason} [unwritable]\n")
        assert f" {option(key)}\n" in done.stderr
    assert sorted(path.name for path in run.folder.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    ("key", "name", "given"),
    [
        ("sample --state", "pipe", "pipe"),
        ("search --log", "pipe", "pipe"),
        ("score --out", "pipe.csv", "pipe.csv"),
        ("score --out", "pipe.csv", "pipe.npz"),
        ("search --out", "pipe.csv", "pipe.csv"),
    ],
)
def test_what_is_continued_is_no_pipe(key: str, name: str, given: str, run: Run) -> None:
    os.mkfifo(run.folder / name)
    done = run(*COMMANDS[key], option(key), given)
    assert (done.code, done.stdout) == (2, "")
    assert f"{name}:1:1: a pipe or a device cannot be gone on with [not-a-file]" in done.stderr


@pytest.mark.parametrize(
    ("command", "output", "given"),
    [
        (("reduce", "base.yaml"), "base.yaml", "base.yaml"),
        (("reduce", "base.yaml"), "./link", "base.yaml"),
        (("reduce", "s.yaml"), "base.yaml", "base.yaml"),
        (("reduce", "base.yaml", "--mcu", "t.yaml"), "t.yaml", "t.yaml"),
        (("reduce", "base.yaml", "--latency-profile", "p.yaml"), "p.yaml", "p.yaml"),
        (("compile", "s.yaml", "--emit", "document"), "s.yaml", "s.yaml"),
        (("export", "m.nasset", "-f", "csv"), "m.nasset", "m.nasset"),
        (("export", "s.yaml", "-f", "json"), "base.yaml", "base.yaml"),
        (("score", "m.nasset", "--data", "d.npz", "--proxies", "zico"), "d.npz", "d.npz"),
        (("select", "r.csv", "-k", "1", "--objectives", "macs"), "r.csv", "r.csv"),
        (("select", "r.csv", "-k", "1", "--objectives", "macs", "--plot", "new.svg"), "new.svg", "new.svg"),
        (("latency", "fit", "r.csv", "--name", "n", "--force"), "r.csv", "r.csv"),
        (("latency", "fit", "r.csv", "--name", "n", "--force", "--space", "s.yaml"), "base.yaml", "base.yaml"),
        (("search", "m.nasset", "--sampler", "pareto", "--log", "new.csv"), "new.csv", "new.csv"),
    ],
)
def test_no_input_is_replaced(
    command: tuple[str, ...], output: str, given: str, run: Run, files: dict[str, bytes]
) -> None:
    (run.folder / "link").symlink_to("base.yaml")
    files["link"] = files["base.yaml"]
    done = run(*command, "-o", output)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {output.removeprefix('./')}:1:1: `{given}` is an input or another output of the same command, and "
        "would be replaced [output-is-input]\n  give the output another name\n"
    )
    assert unchanged(run, files)


@pytest.mark.parametrize("output", ["base.yaml", "t.yaml", "s.yaml"])
def test_force_replaces_no_input(output: str, run: Run, files: dict[str, bytes]) -> None:
    done = run("search", "s.yaml", "--mcu", "t.yaml", "--sampler", "pareto", "--force", "--log", output)
    assert done.code == 2
    assert "[output-is-input]" in done.stderr
    assert unchanged(run, files)


def test_a_name_that_nobody_gave_is_no_input_either(run: Run) -> None:
    """The default of --out may be the name of an input; it is known as soon as the space is read."""
    (run.folder / "n.yaml").write_text(SPACE)
    (run.folder / "m.csv").write_text("candidate,latency_ms\n")
    done = run("latency", "fit", "m.csv", "--name", "n", "--space", "n.yaml", "--force")
    assert "`n.yaml` is an input" in done.stderr
    (run.folder / "tiny.nasset").mkdir()
    done = run("reduce", "n.yaml", "--solver", "no such solver: nobody asked it")
    assert done.stderr.startswith("error: tiny.nasset:1:1: cannot write the file: Is a directory [unwritable]")
    assert (run.folder / "n.yaml").read_text() == SPACE


def test_names_that_happen_to_be_equal_are_no_inputs(run: Run) -> None:
    """`stm32f412` names a chip, `csv` a format, `dscnn` a space of the library, though files are called so."""
    for _ in range(2):  # the second time these files are there
        assert run("reduce", "mlp2", "--mcu", "stm32f412", "-o", "stm32f412").code == 0
        assert run("export", "mlp2", "--rom", "13600", "-f", "csv", "-o", "csv").code == 0
        assert run("compile", "mlp2", "-o", "program").code == 0


def test_reduce_into_a_pipe(run: Run) -> None:
    pipe = run.folder / "pipe"
    os.mkfifo(pipe)
    came = read_aside(pipe)
    done = run("reduce", "mlp2", "--rom", "13600", "-o", "pipe")
    assert (done.code, done.stderr) == (0, "written: pipe\n")
    assert run("reduce", "mlp2", "--rom", "13600", "-o", "file.nasset").code == 0
    (run.folder / "copy.nasset").write_bytes(came())
    both = [json.loads(run("show", name, "--json").stdout) for name in ("file.nasset", "copy.nasset")]
    for one in both:
        one.pop("seconds", None)
    assert both[0] == both[1]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("export", "mlp2", "--rom", "13600", "-f", "csv"), "--out"),
        (("compile", "mlp2", "--emit", "mzn"), "--out"),
        (("select", "r.csv", "-k", "1", "--objectives", "macs,score:max"), "--out"),
        (("select", "r.csv", "-k", "1", "--objectives", "macs,score:max"), "--plot"),
    ],
)
def test_the_same_through_a_pipe_a_link_and_into_a_file(
    command: tuple[str, ...], name: str, run: Run, files: dict[str, bytes]
) -> None:
    ending = ".svg" if name == "--plot" else ".csv"
    pipe, link = run.folder / f"pipe{ending}", run.folder / f"link{ending}"
    os.mkfifo(pipe)
    link.symlink_to(f"far{ending}")
    came = read_aside(pipe)
    for output in (pipe, link, run.folder / f"file{ending}"):
        done = run(*command, name, str(output))
        assert (done.code, "written: " in done.stderr) == (0, True)
    assert came() == (run.folder / f"far{ending}").read_bytes() == (run.folder / f"file{ending}").read_bytes()
    assert pipe.is_fifo()
    assert link.is_symlink()


@pytest.mark.parametrize("text", ["mine", "mine\nand the end", '{"a": 1}', '{"a": 1}\n{"b": 2}', "[1]\n[", "\x80\n."])
def test_a_log_is_no_file_of_somebody_elses(text: str, run: Run) -> None:
    (run.folder / "log").write_text(text, "latin-1")
    done = run("search", "mlp2", "--rom", "13600", "--sampler", "pareto", "--objectives", "params,macs", "--log", "log")
    assert (done.code, "[bad-log]" in done.stderr) == (2, True)
    assert (run.folder / "log").read_text("latin-1") == text


@pytest.mark.parametrize("cut", [0, 1, 2, 30])
def test_a_log_that_was_cut_off_in_its_first_line_is_begun_anew(cut: int, run: Run) -> None:
    command = (
        "search",
        "mlp2",
        "--rom",
        "13600",
        "--sampler",
        "pareto",
        "--objectives",
        "params,macs",
        "--trials",
        "2",
    )
    assert run(*command, "--log", "whole").code == 0
    whole = (run.folder / "whole").read_bytes()
    (run.folder / "cut").write_bytes(whole[:cut])
    assert run(*command, "--log", "cut").code == 0
    assert (run.folder / "cut").read_bytes() == whole


def test_a_score_file_behind_a_link_is_continued(run: Run) -> None:
    (run.folder / "far").mkdir()
    (run.folder / "s.csv").symlink_to("far/s.csv")
    command = ("score", "mlp2", "--proxies", "params", "--samples", "3", "-o", "s.csv")
    assert run(*command).code == 0
    whole = (run.folder / "far/s.csv").read_bytes()
    assert whole.count(b"\n") == 4
    (run.folder / "far/s.csv").write_bytes(whole[:-1])
    again = run(*command)
    assert (again.code, "2 of 3 candidates are in s.csv already" in again.stderr) == (0, True)
    assert (run.folder / "far/s.csv").read_bytes() == whole
    assert (run.folder / "s.csv").is_symlink()


@pytest.mark.parametrize(
    ("command", "holds"),
    [
        (("deploy", "mlp2", "32-16", "--mcu", "stm32f412"), "deployed network"),
        (("latency", "firmware", "--mcu", "stm32f412"), "firmware"),
        (("search", *HUGE, "--data", "missing", "--samples", "9"), "run"),
    ],
)
def test_a_folder_of_somebody_elses(command: tuple[str, ...], holds: str, run: Run) -> None:
    (run.folder / "mine").mkdir()
    for name in ("README.md", "nc_mine.c", "Makefile"):
        (run.folder / "mine" / name).write_text("mine")
    done = run(*command, "-o", "mine")
    assert (done.code, done.stdout) == (2, "")
    assert f"`mine` is not empty, and holds no {holds} (`Makefile` ...)" in done.stderr
    assert {path.name: path.read_text() for path in (run.folder / "mine").iterdir()} == dict.fromkeys(
        ("README.md", "nc_mine.c", "Makefile"), "mine"
    )


@pytest.mark.parametrize("columns", ["0", "00"])
def test_no_columns_are_eighty(columns: str) -> None:
    def printed(columns: str) -> str:
        command = [sys.executable, "-m", "nascompile", "reduce", "mlp2", "--rom", "13600", "--no-save"]
        return subprocess.run(command, env={**os.environ, "COLUMNS": columns}, capture_output=True, text=True).stdout

    without_seconds = [text.rsplit("\n", 2)[0] for text in (printed(columns), printed("80"))]
    assert without_seconds[0] == without_seconds[1]
    assert "|X|" in without_seconds[0]
