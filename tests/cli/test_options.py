"""Options as the fields of dataclasses: what a command gets, and which search refuses which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from nascompile.cli.options import flag, parameters, takes_options
from nascompile.cli.search.options import SearchOptions
from samplers.registry import SAMPLERS, TRAINING_FREE
from tests.cli.conftest import Run

TRAINING = "select recipe epochs train sparsity quantise qat-epochs task normal cost deploy logger storage"
LIMITS = "lambda mu front rule prune repeats thin"
TRIALS = "objectives trials method population batch"
EVALUATION = "jobs device engine out"
VALUES = {"rule": "ranks", "device": "cuda", "engine": "ray", "out": "x.csv"}


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, typer.Option("--size")] = 3
    deep: Annotated[bool, typer.Option("--deep")] = False


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: Annotated[str, typer.Argument()]
    inner: Inner
    last: Annotated[str | None, typer.Option("--last", "-l")] = None


def test_a_command_gets_its_options_as_one_value() -> None:
    got: list[object] = []

    @takes_options
    def command(options: Outer, other: Annotated[int, typer.Option("--other")] = 1) -> None:
        got.extend((options, other))

    alone = typer.Typer()
    alone.command()(command)
    done = CliRunner().invoke(alone, ["a", "--deep", "-l", "b"])
    assert done.exit_code == 0, done.output
    assert got == [Outer(name="a", inner=Inner(3, True), last="b"), 1]
    assert [flag(one) for one, kind in parameters(Outer) if kind is Inner] == ["--size", "--deep"]


def given(option: str) -> tuple[str, ...]:
    """An option of `search` as one types it."""
    kind = next(one.annotation.__origin__ for one, _ in parameters(SearchOptions) if flag(one) == f"--{option}")
    return (f"--{option}",) if kind is bool else (f"--{option}", VALUES.get(option, "2"))


#: The options of searches by proxies that each search does not have.
FOREIGN = {
    "pareto": LIMITS, "monas": "prune repeats thin method population", "monas-paper": f"front {TRIALS} batch-norm",
    "oneshot": f"{LIMITS} objectives method population batch batch-norm",
}  # fmt: skip


def useless(sampler: str, trains: bool) -> tuple[set[str], set[str]]:
    """The options that are not of a sampler, and those of its own that do nothing."""
    foreign = {*FOREIGN.get(sampler, f"{LIMITS} {TRIALS} batch-norm").split()}
    foreign |= {"parameter"} if sampler not in (*SAMPLERS, "oneshot") else set()
    foreign |= {"log", "force"} if sampler in SAMPLERS else set()
    if trains:
        return foreign, {"log", "force", "batch-norm"} - foreign
    alone = {"monas-paper": EVALUATION.split(), "oneshot": ["jobs", "engine"]}
    return foreign, {*TRAINING.split(), *alone.get(sampler, ())}


@pytest.mark.parametrize(
    ("sampler", "trains"),
    [
        *((name, True) for name in (*SAMPLERS, *TRAINING_FREE)),
        ("pareto", False),
        ("monas", False),
        ("monas-paper", False),
        ("oneshot", False),
    ],
)
def test_a_search_names_all_options_that_mean_nothing_to_it(sampler: str, trains: bool, run: Run) -> None:
    options = f"{TRAINING} {LIMITS} {TRIALS} {EVALUATION} parameter batch-norm log force".split()
    samples = ("--samples", "3") if trains and sampler not in SAMPLERS else ()

    def named(said: str, left_out: set[str]) -> set[str]:
        words = (word for option in options if option not in left_out for word in given(option))
        done = run("search", "nowhere", "--sampler", sampler, *samples, *words)
        assert done.code == 2
        errors = [line.split() for line in done.stderr.splitlines() if said in line]
        return {words[1].removeprefix("--") for words in errors}

    foreign, idle = useless(sampler, trains)
    assert named("is no option of the sampler", set()) == foreign
    assert named("does nothing", foreign) == idle
    assert named("is no option of the sampler", foreign | idle) == named("does nothing", foreign | idle) == set()


def test_every_option_of_search_is_written_once() -> None:
    flags = [flag(one) for one, _ in parameters(SearchOptions)]
    assert len(flags) == len(set(flags))
