"""`--where` of `show`, `export` and `sample`: part of a set, of a file as of a space."""

from __future__ import annotations

import json

import pytest

import nascompile as nc
from tests.cli.conftest import Run

MLP = ("mlp2", "--rom", "13600")
CONDITIONS = ("--where", "M[1]=16,32", "--where", "M[2]=32,48")
MEMBERS = ["mlp2: 16-32", "mlp2: 16-48", "mlp2: 32-32", "mlp2: 32-48"]


@pytest.mark.parametrize("kind", ["space", "file"])
def test_every_command_takes_the_same_part(run: Run, kind: str) -> None:
    source = MLP
    if kind == "file":
        assert run("reduce", *MLP, "--out", "mlp2.nasset").code == 0
        source = ("mlp2.nasset",)
    shown = json.loads(run("show", *source, *CONDITIONS, "--json").stdout)
    assert [row["candidate"] for row in shown["members"]] == MEMBERS
    assert shown["count"] == 4
    assert shown["origin"] == "rom <= 13,600 where M = {1: [16, 32], 2: [32, 48]}"
    exported = json.loads(run("export", *source, *CONDITIONS, "-f", "json").stdout)
    assert [row["candidate"] for row in exported] == MEMBERS
    sampled = run("sample", *source, *CONDITIONS, "-n", "4", "--sampler", "uniform").stdout
    assert sorted(sampled.splitlines()) == MEMBERS


def test_an_edge_of_a_cell(run: Run) -> None:
    small = ("nasbench201", "choices.N.options=[1]", "input.height=8", "input.width=8")
    fs = nc.reduce(small[0], overrides=small[1:])
    done = run("show", *small, "--where", "cell[4]=skip_connect", "--top", "rom", "-n", "2", "--json")
    data = json.loads(done.stdout)
    assert data["count"] == 5**5
    assert [row["candidate"] for row in data["members"]] == [
        str(c) for c in fs.where(cell={4: "skip_connect"}).top("rom", 2)
    ]
    assert all("|skip_connect~0|" in row["candidate"].split("+")[2] for row in data["members"])


@pytest.mark.parametrize("command", ["show", "export", "sample"])
def test_a_condition_that_cannot_be(run: Run, command: str) -> None:
    done = run(command, *MLP, "--where", "M[3]=16")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "error: there is no M[3] [bad-restriction]\n  M has uses 1 to 2\n"


def test_a_part_of_a_run_is_refused(run: Run) -> None:
    (run.folder / "some").mkdir()
    done = run("show", "some", "--where", "M=16")
    assert done.code == 2
    assert "--where takes a part of a set, and `some` is the folder of a run" in done.stderr
