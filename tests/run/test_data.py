"""The data of a run: read first, kept the same, found where they have moved; and what to type where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nascompile.run.data import example_network
from nascompile.run.folder import RunFolder
from spaces.language.library import library
from spaces.language.output_keys import outputs_overrides
from spaces.language.reader import load_space
from spaces.networks.detection_head import detection_head
from spaces.program.breakdown import outputs
from spaces.program.compile import compile_space
from tests.cli.conftest import Run, run
from tests.run.examples import SPACE, data_file

__all__ = ["run"]

QUICK = ("--samples", "2", "--select", "1", "--epochs", "1", "--quantise", "ptq", "--jobs", "1", "--out", "r")


@pytest.fixture(autouse=True)
def files(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)


def altered(run: Run, name: str = "halves.npz") -> None:
    """One pixel of one image differs."""
    with np.load(run.folder / "halves.npz") as arrays:
        x, y = arrays["x"].copy(), arrays["y"]
    x[7, 0, 0, 0] += 1
    np.savez(run.folder / name, x=x, y=y)


def contents(run: Run) -> dict[Path, bytes]:
    """All files of the run, but for who leads it."""
    return {
        path: path.read_bytes() for path in (run.folder / "r").rglob("*") if path.is_file() and path.name != ".lock"
    }


def interrupt_second(run: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second network."""
    from nascompile.run import worker

    real, calls = worker.evaluate_step, []

    def interrupted(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(worker, "evaluate_step", interrupted)
        assert run(*command).code == 130


@pytest.mark.parametrize("name", sorted(library()))
def test_overrides_for_another_number_of_classes_do_what_they_say(name: str) -> None:
    space = load_space(name)
    keys = outputs_overrides(space, 7)
    network = example_network(compile_space(load_space(name, keys), tables=False))
    assert network
    head = detection_head(network)
    assert (head.classes if head else outputs(network)) == 7


def test_two_mistakes_then_the_corrected_command(run: Run) -> None:
    with np.load(run.folder / "halves.npz") as arrays:
        np.savez(run.folder / "wide.npz", x=arrays["x"][..., :6], y=np.arange(120) % 3)
    typed = ("network.3.linear.units=3", "input.width=6")
    mistakes = {
        ("--data", "nothing.npz"): "there is no",
        ("--data", "wide.npz"): "add to the command: input.width=6",
        (*typed[1:], "--data", "wide.npz"): "add to the command: network.3.linear.units=3",
        ("--data", "halves.npz", "--rate", "8000"): "leave --rate out",
        ("--data", "halves.npz", "--limit", "1"): "--limit 2 or more",
        ("--data", "halves.npz", "--task", "anomaly"): "name it by --normal, one of 0, 1",
    }
    for given, message in mistakes.items():
        done = run("search", "nine.yaml", *given, *QUICK)
        assert (done.code, done.stdout) == (2, "")
        assert message in done.stderr
        assert not (run.folder / "r").exists()
    assert run("search", "nine.yaml", *typed, "--data", "wide.npz", *QUICK).code == 0


def test_mistakes_come_before_anything_is_reduced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nascompile.cli.options.solve", lambda *_: pytest.fail("reduced"))
    assert run("search", "nine.yaml", "--data", "nothing.npz", *QUICK).code == 2
    assert run("search", "nine.yaml", "--data", "nothing.npz", "--sampler", "pareto").code == 2
    assert run("score", "nine.yaml", "--data", "nothing.npz").code == 2


def test_a_run_without_a_trained_network_makes_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from nascompile.run import worker

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(worker, "evaluate_step", interrupted)
        assert run("search", "nine.yaml", "--data", "halves.npz", *QUICK, "--train", "lr=9").code == 130
    (run.folder / "r/notes.txt").write_text("mine")
    assert run("search", "nine.yaml", "--data", "halves.npz", *QUICK, "--train", "lr=0.01").code == 0
    assert RunFolder(run.folder / "r").settings.recipe.lr == 0.01
    assert (run.folder / "r/notes.txt").read_text() == "mine"
    trained = contents(run)
    refused = run("search", "nine.yaml", "--data", "halves.npz", *QUICK, "--train", "lr=9")
    assert refused.code == 2
    assert "holds another run: its `lr` is 0.01, not 9" in refused.stderr
    assert contents(run) == trained


def test_the_parts_are_as_large_as_asked(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "halves.npz", "--split", "40/40/20", *QUICK)
    assert done.code == 0, done.stderr
    sizes = json.loads((run.folder / "r/data.json").read_text())["sizes"]
    assert sizes == {"train": 48, "valid": 48, "test": 24}


@pytest.mark.parametrize("split", ["", "70/30", "70/0/30", "70/15/15/0", "nan/1/1", "1e400/1/1", "a/b/c", "-1/1/1"])
def test_parts_that_cannot_be(run: Run, split: str) -> None:
    done = run("search", "nine.yaml", "--data", "halves.npz", "--split", split, *QUICK)
    assert (done.code, (run.folder / "r").exists()) == (2, False)
    assert f"--split cannot be `{split}`" in done.stderr
    assert "such as 70/15/15" in done.stderr


def test_how_they_were_read_is_said_before_training_and_kept(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "halves.npz", *QUICK, "--json")
    assert (
        "data: 120 images, 1x8x8, of halves.npz\n  train 84, valid 12, test 24; drawn by seed 0\n"
        "  2 classes, with their training examples: 0 (42), 1 (42)\n"
    ) in done.stderr
    record = json.loads((run.folder / "r/data.json").read_text())
    assert json.loads(done.stdout)["data"] == record
    assert record["sizes"] == {"train": 84, "valid": 12, "test": 24}


@pytest.mark.parametrize("command", ["resume", "worker", "search"])
@pytest.mark.parametrize("ended", [True, False])
def test_other_data_are_refused_and_nothing_is_lost(
    command: str, ended: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = ("search", "nine.yaml", "--data", "halves.npz", *QUICK)
    if ended:
        whole = run(*search, "--json").stdout
    else:
        interrupt_second(run, search, monkeypatch)
    before = contents(run)
    kept = (run.folder / "halves.npz").read_bytes()
    altered(run)
    refused = run(*(search if command == "search" else (command, "r")))
    assert (refused.code, refused.stdout) == (2, "")
    assert "other examples, or other labels" in refused.stderr or "has changed since" in refused.stderr
    assert contents(run) == before
    (run.folder / "halves.npz").write_bytes(kept)
    assert run("resume", "r").code == 0
    if ended:
        assert json.loads(run("resume", "r", "--json").stdout)["networks"] == json.loads(whole)["networks"]


def test_data_that_moved_are_found_and_other_data_are_not(run: Run) -> None:
    whole = run("search", "nine.yaml", "--data", "halves.npz", *QUICK, "--json").stdout
    altered(run, "other.npz")
    (run.folder / "halves.npz").rename(run.folder / "moved.npz")
    gone = run("resume", "r")
    assert gone.code == 2
    assert "`nascompile resume r --data PATH`" in gone.stderr
    assert run("worker", "r").code == 2
    assert run("worker", "r", "--data", "moved.npz").code == 0
    wrong = run("resume", "r", "--data", "other.npz")
    assert wrong.code == 2
    assert "other.npz` does not hold the data of this run" in wrong.stderr
    found = json.loads(run("resume", "r", "--data", "moved.npz", "--json").stdout)
    assert found["networks"] == json.loads(whole)["networks"]
    assert run("resume", "r").code == 0
    assert run("search", "nine.yaml", "--data", "moved.npz", *QUICK).code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:100], y[:100]), "its train part had 84 examples, and has 70"),
        (lambda x, y: (x, np.array(["left", "right"])[y]), "its classes were 0, 1, and are left, right"),
        (lambda x, y: (x, y % 2 + 2 * (y < 0)), None),
        (lambda x, y: (x, 1 - y), "other examples, or other labels"),
        (lambda x, y: (x[..., :6], y), "are 1x8x6, the network's input is 1x8x8"),
        (lambda x, y: (x, np.arange(120) % 3), "has 3 classes"),
    ],
)
def test_what_has_changed_is_named(change, message: str | None, run: Run) -> None:
    assert run("search", "nine.yaml", "--data", "halves.npz", *QUICK).code == 0
    with np.load(run.folder / "halves.npz") as arrays:
        x, y = change(arrays["x"].copy(), arrays["y"].copy())
    np.savez(run.folder / "halves.npz", x=x, y=y)
    done = run("resume", "r")
    if message is None:  # what is the same still is
        assert done.code == 0
        return
    assert done.code == 2
    assert message in done.stderr
    assert "put the data back as they were" in done.stderr


SOUND = """\
space: words
input: {channels: 1, height: 49, width: 10}
choices:
  M: {start: 8, stop: 24, step: 8}
  classes: {options: [3], shared: true}
network:
  - conv: {filters: M, kernel: [10, 4], stride: 4}
  - ds_conv: {filters: M}
    repeat: [1, 2]
  - global_avg_pool
  - linear: {units: classes}
"""


def test_what_a_mistake_in_sound_says_is_what_makes_it_right(run: Run) -> None:
    """Clips of half a second for a space of whole ones and three words: each remedy is typed as it stands there."""
    rng, command = np.random.default_rng(0), ["search", "words.yaml", "--data", "clips.npz", *QUICK]
    (run.folder / "words.yaml").write_text(SOUND)
    np.savez(run.folder / "clips.npz", x=rng.integers(-9999, 9999, (40, 4000), dtype=np.int16), y=np.arange(40) % 2)
    for mistake in ("no-rate", "bad-classes", "bad-shape"):
        done = run(*command)
        assert (done.code, (run.folder / "r").exists()) == (2, False)
        assert f"[{mistake}]" in done.stderr
        if mistake == "no-rate":
            command += ["--rate", "8000"]
        else:
            command[2:2] = done.stderr.split("add to the command: ")[1].split()
    assert command[2:4] == ["input.height=24", "choices.classes.options=[2]"]
    assert run(*command).code == 0
