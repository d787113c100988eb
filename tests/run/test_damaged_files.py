"""Every file of a run's folder, damaged in every way: `resume` comes to the same table, at once or as it says."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Run, run
from tests.run.examples import SPACE, data_file

__all__ = ["run"]

SEARCH = ("search", "nine.yaml", "--data", "halves.npz", "--samples", "2", "--select", "2", "--epochs", "2",
          "--qat-epochs", "1", "--out", "r", "--json")  # fmt: skip


def flipped(data: bytes) -> bytes:
    """Three bits of it."""
    result, draw = bytearray(data), random.Random(len(data))
    for _ in range(3):
        result[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(result)


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros at the end": lambda data: data[: -len(data) // 3] + bytes(len(data) // 3),
    "all zeros": lambda data: bytes(len(data)),
    "flipped": flipped,
    "gone": lambda data: None,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that came to its end, the folder around it, and no process that lives on: it would be waited for."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "nine.yaml").write_text(SPACE)
    data_file(folder)
    subprocess.run([sys.executable, "-m", "nascompile", *SEARCH], cwd=folder, check=True, capture_output=True)
    return folder


def tables(folder: Path) -> dict[str, object]:
    """What the run found; how it came about is not among it."""
    found = json.loads((folder / "r/results.json").read_text())
    return {**found, "csv": (folder / "r/results.csv").read_text()}


def remedied(run: Run, said: str, damaged: Path) -> Done:
    """Do what the one message says."""
    assert said.count("error: ") == 1
    if command := re.search(r"`nascompile (search --file [^`]*)`", said):
        return run(*shlex.split(command[1]))
    assert "delete it" in said, said
    damaged.unlink()
    return run("resume", "r")


@pytest.mark.parametrize("turn", [0, 3])
def test_the_same_table_after_all(turn: int, whole: Path, run: Run) -> None:
    """Each file is damaged in two of the ways; which, goes round."""
    expected, wrong = tables(whole), []
    files = sorted(path.relative_to(whole) for path in (whole / "r").rglob("*") if path.is_file())
    for k, name in enumerate(files, start=turn):
        shutil.rmtree(run.folder)
        shutil.copytree(whole, run.folder)
        run.monkeypatch.chdir(run.folder)
        path = run.folder / name
        kind = list(DAMAGES)[k % len(DAMAGES)]
        data = DAMAGES[kind](path.read_bytes())
        path.unlink() if data is None else path.write_bytes(data)
        done = run("resume", "r")
        assert "Traceback" not in done.stderr
        try:
            if done.code:
                done = remedied(run, done.stderr, path)
            assert done.code == 0, done.stderr
            assert tables(run.folder) == expected
        except AssertionError as error:
            wrong.append(f"{name}, {kind}: {error}")
    assert not wrong, "\n".join(wrong)


def test_a_checkpoint_that_is_damaged_before_the_end(whole: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a training; then no file of its folder is any good."""
    from nascompile.run import worker

    real, calls = worker.evaluate_step, []

    def interrupted(*given: object, **named: object) -> object:
        def stop(what: str) -> None:
            raise KeyboardInterrupt

        calls.append(given)
        return real(*given, **(named if len(calls) < 2 else {**named, "on_progress": stop}))  # type: ignore[arg-type]

    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "evaluate_step", interrupted)
        assert run(*SEARCH, "--jobs", "1").code == 130
    checkpoints = sorted((run.folder / "r/networks").rglob("*.safetensors"))
    assert len(checkpoints) > 1
    for path in checkpoints:
        path.write_bytes(flipped(path.read_bytes()))
    done = run("resume", "r")
    assert done.code == 0, done.stderr
    assert tables(run.folder) == tables(whole)


def test_a_damaged_network_is_not_deployed(whole: Path, run: Run) -> None:
    shutil.copytree(whole / "r", run.folder / "r")
    data_file(run.folder)
    for path in (run.folder / "r/networks").rglob("*.safetensors"):
        path.write_bytes(flipped(path.read_bytes()))
    done = run("deploy", "r#0", "--mcu", "stm32f412", "-o", "c")
    assert (done.code, (run.folder / "c").exists()) == (2, False)
    assert "cut off, damaged or gone [damaged-file]\n  `nascompile resume r` makes it anew" in done.stderr
    made = run("resume", "r", "--data", "halves.npz")
    assert made.code == 0, made.stderr
    assert "damaged or gone, and made anew: networks/0000/" in made.stderr
    assert run("deploy", "r#0", "--mcu", "stm32f412", "-o", "c").code == 0


def test_a_damaged_log_of_proxies_is_deleted_and_measured_anew(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)
    pareto = (
        "--sampler",
        "pareto",
        "--trials",
        "4",
        "--batch",
        "8",
        "--objectives",
        "flops,snip",
        "--quantise",
        "none",
    )
    assert (
        run("search", "nine.yaml", "--data", "halves.npz", *pareto, "-n", "1", "--epochs", "1", "--out", "r").code == 0
    )
    expected, log = tables(run.folder), run.folder / "r/trials.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"trial"', b'"tri\x00l"', 1))
    done = run("resume", "r")
    assert (done.code, "measures anew what it held" in done.stderr) == (2, True)
    assert remedied(run, done.stderr, log).code == 0
    assert tables(run.folder) == expected
