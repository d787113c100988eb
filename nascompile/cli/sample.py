"""`nascompile sample`: candidates that a sampler chooses from a set, one per line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nascompile.cli.counts import count_data
from nascompile.cli.options import Json, MembersRequest, takes_options
from nascompile.cli.output import emit_json, say, working
from nascompile.cli.outputs import CONTINUED
from nascompile.cli.parameters import parsed
from nascompile.records.sampler_state import resume, save_state
from samplers.base import Sampler
from samplers.registry import SAMPLERS
from samplers.registry import sampler as sampler_of
from solvers.sets.relaxed_set import AnySet
from spaces.errors import NascompileError
from spaces.program.candidate import Candidate

__all__ = ["sample"]


@takes_options
def sample(
    request: MembersRequest,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many candidates.")] = 40,
    sampler: Annotated[
        str, typer.Option("--sampler", help=f"Which: {', '.join(SAMPLERS)}.", metavar="NAME")
    ] = "entropy",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sampler.")] = 0,
    clusters: Annotated[
        int | None, typer.Option("--clusters", help="entropy: clusters of members by entropy. Default: 100.")
    ] = None,
    p: Annotated[
        float | None,
        typer.Option("--p", help="entropy: cluster c is drawn with (1 - p)^c * p (EBS Eq. 7). Default: 0.5."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="Any other parameter of the sampler: method=quantised.", metavar="NAME=VALUE"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", help="Keep the sampler's state here; the next call gives fresh candidates.", metavar="FILE"
        ),
        CONTINUED,
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose candidates from a set: all of them fit, no network comes twice, and one seed gives one sequence.

    Prints one candidate per line, as `nascompile check` takes it; with --json also its costs. Fewer come where the set
    has no more.

    With --state FILE the same command goes on where it stood, also after it was killed, and repeats nothing. The file
    holds what was asked; nothing is told, so a sampler that learns gives the candidates it begins with. Let those
    learn in Python: `for candidate in sampler.ask(fs, 40): sampler.tell(candidate, {"accuracy": ...})`.

    Examples:

      nascompile sample dscnn --mcu stm32f412 -n 40 --sampler entropy --seed 0

      nascompile sample dscnn-stm32f412.nasset -n 5 --sampler uniform --state drawn.json

      nascompile sample nasbench201 -n 5 --where "cell[4]=skip_connect"
    """
    given = {"clusters": clusters, "p": p}
    own = {name: value for name, value in given.items() if value is not None} | parsed(
        "--parameter", parameters or (), "method=quantised", ("seed", "clusters", "p")
    )
    chosen = sampler_of(sampler, **own, seed=seed)
    fs = request.feasible_set()
    if not fs:
        message = f"no network of `{fs.program.space.name}` fits ({fs.description}), so there is nothing to sample"
        raise NascompileError.of("empty-set", message, "`nascompile explain` says what the budgets lack")
    with working("sampling"):
        before = resume(chosen, fs, state) if state else 0
        members = list(chosen.ask(fs, number))
        # Before they are printed: a candidate may be lost where this is killed in between, but none comes twice.
        if state:
            save_state(chosen, state)
    if as_json:
        emit_json(_data(fs, sampler, chosen, members))
    else:
        sys.stdout.writelines(f"{member}\n" for member in members)
    _remark(fs, sampler, chosen, before, number)


def _data(fs: AnySet, name: str, sampler: Sampler, members: Sequence[Candidate]) -> dict[str, Any]:
    run = sampler.run_
    return {
        "space": fs.program.space.name,
        "budgets": dict(fs.program.budgets.items()),
        "target": fs.program.target or None,
        **count_data(*fs.between),
        "sampler": {"name": name, "parameters": sampler.parameters},
        "asked": len(run.asked) if run else 0,
        "left": (run.left if run else fs.between[1]) if fs.exact else None,
        "members": [
            {"candidate": str(c), **({} if c.number is None else {"index": c.number}), **c.costs} for c in members
        ],
    }


def _remark(fs: AnySet, name: str, sampler: Sampler, before: int, wanted: int) -> None:
    """Say what the list does not show."""
    asked = len(sampler.run_.asked) if sampler.run_ else 0
    if asked - before < wanted:
        earlier = f", {before:,} of them earlier" if before else ""
        equal = fs.between[1] - asked if fs.exact else 0
        others = f"; {equal:,} more are the same networks" if equal else ""
        say(f"{asked - before:,} instead of {wanted:,}: all {asked:,} members have been given{earlier}{others}")
    if remark := sampler.remark(fs):
        say(remark)
    if sampler.objectives:
        learned = ", ".join(f"`{objective}`" for objective in sampler.objectives)
        say(f"`{name}` learns from {learned}, of which it is told nothing here; these are what it begins with")
