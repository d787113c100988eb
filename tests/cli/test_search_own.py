"""Samplers that another package names by its entry points are the command line's, too."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from samplers import registry
from samplers.base import Run as Asked
from samplers.base import Sampler
from samplers.testing import TrainingFreeConformance
from samplers.training_free import Means, Measured, Record, TrainingFreeSearch
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import Diagnostic, EngineError
from spaces.program.candidate import Candidate
from tests.cli.conftest import Run


@dataclass
class Last(Sampler):
    step: int = 1

    def propose(self, run: Asked) -> int:
        return run.untaken(run.left - 1)


@dataclass(frozen=True)
class Draw(Record):
    rank: int
    macs: int


@dataclass(frozen=True)
class Largest(TrainingFreeSearch[Draw]):
    draws: int = 4
    seed: int = 0
    batch = 8
    record = Draw

    @property
    def parameters(self) -> dict[str, Any]:
        return asdict(self)

    def check(self, fs: FeasibleSet | None = None) -> None:
        if fs is not None and not fs:
            raise EngineError(Diagnostic("empty-set", "there is nothing to draw", None, "raise the budgets"))

    def measure(self, fs: FeasibleSet, data: object, done: Sequence[Draw], means: Means) -> Generator[Draw, None, None]:
        for number in range(len(done), self.draws):
            rank = (7 * self.seed + 5 * number) % fs.size
            means.told(f"draw {number}", 0.0)
            yield Draw(number, rank, int(fs[rank].costs["macs"]))

    def choose(self, fs: FeasibleSet, n: int, measured: Measured[Draw]) -> list[Candidate]:
        drawn = sorted(measured(self, "draws", ""), key=lambda one: -one.macs)
        return [fs[rank] for rank in dict.fromkeys(one.rank for one in drawn)][:n]


class TestLargest(TrainingFreeConformance):
    def make(self, seed: int) -> Largest:
        return Largest(seed=seed)


@pytest.fixture
def named(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An environment with a package that names the two."""
    about = run.folder / "own-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    names = "".join(f"{one.__name__.lower()} = {__name__}:{one.__name__}\n" for one in (Last, Largest))
    (about / "entry_points.txt").write_text(f"[nascompile.samplers]\n{names}")
    monkeypatch.setattr(sys, "path", [str(run.folder), *sys.path])
    for known in (registry.SAMPLERS, registry.TRAINING_FREE):
        for name in ("last", "largest"):
            # It is unknown again afterwards.
            monkeypatch.setitem(known, name, None)  # type: ignore[arg-type]
            monkeypatch.delitem(known, name)
    return run


def test_sample_asks_it(named: Run) -> None:
    done = named("sample", "mlp2", "--rom", "13600", "--sampler", "last", "-n", "2", "--parameter", "step=2")
    assert len(done.stdout.splitlines()) == 2
    assert (
        "the sampler `last` has no parameter `stop`"
        in named("sample", "mlp2", "--sampler", "last", "--parameter", "stop=2").stderr
    )


def test_search_drives_it_untrained(named: Run) -> None:
    arguments = ("search", "mlp2", "--rom", "13600", "--sampler", "largest", "--parameter", "draws=6", "--jobs", "1")
    first = named(*arguments)
    assert first.code == 0, first.stderr
    found = json.loads(named(*arguments, "--json").stdout)
    assert first.stdout.splitlines() == [one["candidate"] for one in found["chosen"]]
    assert len(found["records"]) == 6
    log = named.folder / "mlp2-largest-0.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    assert [json.loads(line) for line in lines[1:]] == found["records"]
    log.write_text("".join(lines[:3]))
    again = named(*arguments)
    assert again.stdout == first.stdout
    assert "continuing after 2 records" in again.stderr
    assert log.read_text().splitlines(keepends=True) == lines
    log.write_text(lines[0] + '{"number": 0}\n')
    assert "this line is no record of a search" in named(*arguments).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--sampler", "largest", "--epochs", "3"),
            "--epochs does nothing without --samples: then largest trains nothing",
        ),
        (("--sampler", "largest", "--mu", "0.5"), "--mu is no option of the sampler `largest`"),
        (("--sampler", "last", "--log", "x"), "--log is no option of the sampler `last`"),
        (("--sampler", "largest", "--rom", "1"), "there is nothing to draw"),
        (("--sampler", "larges"), "there is no sampler `larges`"),
    ],
)
def test_its_options_are_told_apart(named: Run, arguments: tuple[str, ...], message: str) -> None:
    done = named("search", "mlp2", *arguments)
    assert done.code == 2
    assert message in done.stderr
