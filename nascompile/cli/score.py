"""`nascompile score`: zero-cost proxies of many candidates, in a file that an interrupted run continues."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from nascompile import __version__
from nascompile.cli.batches import BATCH_HELP, read_batches
from nascompile.cli.cells import Distinct, distinct_members, refuse_distinct
from nascompile.cli.counts import between_text
from nascompile.cli.engines import Device
from nascompile.cli.examples import (
    DataOptions,
    check_batch_norm,
    check_device,
    data_first,
    data_record,
    labelled_examples,
)
from nascompile.cli.options import Json, SetRequest, takes_options
from nascompile.cli.output import Interrupted, emit_json, say, say_next, working
from nascompile.cli.outputs import TABLE
from nascompile.cli.pace import Pace
from nascompile.cli.score_report import Report, print_scores, scores_data
from samplers.proxies.base import ENSEMBLES, PROXIES, Proxy
from samplers.scores.score_file import ScoreFile
from samplers.scores.worker_pool import default_jobs
from solvers.sets.ranking import distinct_draws
from solvers.sets.relaxed_set import AnySet
from spaces.errors import NascompileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate
from spaces.program.duplicates import numbered_cell
from spaces.program.graph import Program
from spaces.program.network_keys import NetworkKeys

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset
    from samplers.proxies.data import Data
    from samplers.scores.scoring import Scored

__all__ = ["score"]


#: Examples in a batch at least, for proxies that only cut windows out of them.
_LEAST = 128


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What is scored, and options."""

    proxies: Annotated[
        str,
        typer.Option(
            "--proxies",
            help=f"Which, comma-separated: {', '.join(PROXIES)}; or a set of them: {', '.join(ENSEMBLES)}.",
            metavar="NAMES",
        ),
    ] = "default"
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, help="Draw so many candidates, if there are more.")
    ] = 500
    data: DataOptions
    distinct: Distinct = False
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw, the examples and the weights.")] = 0
    batch: Annotated[
        str | None,
        typer.Option("--batch", help=f"{BATCH_HELP} Default: each proxy's own.", metavar="COUNTS"),
    ] = None
    batch_norm: Annotated[
        str, typer.Option("--batch-norm", help="kept (as networks are trained) or folded.", metavar="HOW")
    ] = "kept"
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes; the scores are the same. Default: up to one per core."),
    ] = None
    device: Device = "cpu"
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write and to continue: .csv, or .npz beside a .csv.", metavar="FILE"),
        TABLE,
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Begin the file anew, whatever is in it.")] = False
    as_json: Json = False


@takes_options
def score(request: SetRequest, options: ScoreOptions) -> None:
    """Score the networks of a set by zero-cost proxies, with MACs and parameters beside them.

    Scores all members, or a uniform draw of --samples; members that are the same network are measured once. A proxy
    says nothing by itself: it has to rank networks better than MACs and parameters do. Several together order networks
    by the sum of their ranks, `rank_sum`, as `search --sampler monas` does. Scores depend on the data, the batch and
    the seed; compare those of one run only.

    With --out, every row is on disk as soon as it is known; after an interruption the same command goes on from there.
    FILE.json beside it records what the scores depend on.

    Examples:

      nascompile score dscnn-stm32f412.nasset --data keywords.npz -o scores.csv

      nascompile score nasbench201 --distinct --proxies zico,synflow,ntk --samples 100 --jobs 8 -o cells.npz
    """
    output = options.output
    _check_options(options)
    chosen = _proxies(options)
    check_device(options.device)
    fs, dataset = data_first(request, options.data.settings(options.seed))
    _check_members(fs)
    ranks, selection = _selection(fs, options)
    chosen, examples = _with_examples(chosen, fs, dataset, options.seed)
    with TemporaryDirectory() as folder:
        path = output.with_suffix(".csv") if output else Path(folder) / "scores.csv"
        table = ScoreFile(path, _columns(fs.program, chosen), _run_of(fs, selection, chosen, examples, options))
        _fill(table, fs, ranks, proxies=chosen, data=examples, options=options)
        networks = len(set(NetworkKeys(fs.program).all(list(fs.outer.at(ranks)))))
        report = Report(
            fs.program, selection, networks, source=examples.source, batch_norm=options.batch_norm, proxies=chosen,
            scores=table.numbers(),
        )  # fmt: skip
    if output and output.suffix == ".npz":
        write_atomically(output, _npz(report, table))
    if options.as_json:
        emit_json({**scores_data(report), "file": str(output) if output else None})
    else:
        print_scores(report)
    if output:
        say(f"written: {output} ({len(ranks):,} candidates)")
        if not options.as_json and output.suffix == ".csv":
            names = ",".join(dict.fromkeys(["macs", *(one.name for one in chosen)]))
            say_next("nascompile", "select", str(output), "-k", "5", "--objectives", names)


# -- what is asked for -------------------------------------------------------------------------------------------------


def _check_options(options: ScoreOptions) -> None:
    check_batch_norm(options.batch_norm)
    output = options.output
    if output and output.suffix not in (".csv", ".npz"):
        raise NascompileError.of(
            "bad-option", f"cannot write scores to `{output}`", "give a file that ends in .csv or .npz"
        )


def _proxies(options: ScoreOptions) -> list[Proxy]:
    from samplers.scores.scoring import batched

    wanted = [name.strip() for name in options.proxies.split(",") if name.strip()]
    if not wanted:
        raise NascompileError.of("bad-option", "--proxies names none", "give some, such as zico,snip")
    return batched(wanted, *read_batches(options.batch or ""))


def _with_examples(proxies: list[Proxy], fs: AnySet, dataset: Dataset | None, seed: int) -> tuple[list[Proxy], Data]:
    """Two batches of examples, and the proxies with smaller batches where there are not so many."""
    from samplers.scores.scoring import batched_examples, limited

    batch = batched_examples(proxies, _LEAST)
    examples = labelled_examples(fs, dataset, batch, seed)
    most = len(examples) // 2
    if most < batched_examples(proxies):
        say(f"batches of {most:,}, not {batch:,}: there are {len(examples):,} examples to learn from (--batch)")
    return limited(proxies, most), examples


def _check_members(fs: AnySet) -> None:
    if not fs:
        hint = "`nascompile explain` says what the budgets lack"
        raise NascompileError.of(
            "empty-set", f"no network of `{fs.program.space.name}` fits, so there is nothing to score", hint
        )


def _selection(fs: AnySet, options: ScoreOptions) -> tuple[Sequence[int], str]:
    """The ranks of the members to score, and in words which these are."""
    limit, source, drawn = options.samples, random.Random(options.seed), f"drawn uniformly with seed {options.seed}"
    if options.distinct:
        exact = refuse_distinct(fs)
        with working("comparing networks"):
            ranks = [exact.index(member) for member in distinct_members(exact, exact)]
        if len(ranks) <= limit:
            return ranks, f"all {len(ranks):,} distinct functions"
        chosen = distinct_draws(len(ranks), limit, source)
        return [ranks[k] for k in chosen], f"{limit:,} of {len(ranks):,} distinct functions, {drawn}"
    if fs.exact and fs.between[1] <= limit:
        return range(fs.between[1]), f"all {fs.between[1]:,} candidates"
    ranks = fs.draws(limit, source)
    if len(ranks) < limit:
        return ranks, f"all {len(ranks):,} candidates"
    return ranks, f"{limit:,} of {between_text(*fs.between)} candidates, {drawn}"


# -- the table ---------------------------------------------------------------------------------------------------------


def _costs(program: Program) -> tuple[str, ...]:
    """The costs beside the proxies."""
    return ("macs", "params", *program.priced)


def _columns(program: Program, proxies: Sequence[Proxy]) -> tuple[str, ...]:
    index = ["index"] if numbered_cell(program) else []
    return tuple(dict.fromkeys(["candidate", *index, *(p.name for p in proxies), *_costs(program)]))


def _run_of(fs: AnySet, selection: str, proxies: Sequence[Proxy], data: Data, options: ScoreOptions) -> dict[str, Any]:
    """All that the table depends on. The number of processes is not among it."""
    import torch

    latency = fs.program.latency
    return {
        "nascompile": __version__,
        "torch": torch.__version__,
        "space": fs.program.space.name,
        "space_sha256": hashlib.sha256(fs.program.space.text.encode()).hexdigest(),
        "set_sha256": fs.digest,
        "selection": selection,
        "seed": options.seed,
        "proxies": {p.name: p.options for p in proxies},
        **data_record(data),
        "batch_norm": options.batch_norm,
        "device": options.device,
        "latency_profile": latency.name if latency else None,
    }


def _fill(
    table: ScoreFile, fs: AnySet, ranks: Sequence[int], proxies: Sequence[Proxy], data: Data,
    options: ScoreOptions,
) -> None:  # fmt: skip
    """Add the rows that the table lacks."""
    from samplers.scores.scoring import score as scores

    with table.open(options.force) as append, working(f"scoring {fs.program.space.name}") as progress:
        known = _there(table, fs, ranks, proxies)
        there = len(known)
        if there:
            say(f"{there:,} of {len(ranks):,} candidates are in {table.path} already")
        left = len(ranks) - there
        jobs = max(1, min(options.jobs or default_jobs(left, options.device), left))
        remaining = fs.outer.at(ranks[there:])
        settings = {"batch_norm": options.batch_norm, "device": options.device, "jobs": jobs, "known": known}
        pace = Pace(progress, there, len(ranks))
        try:
            with closing(scores(remaining, proxies, data, options.seed, **settings)) as found:
                for one in found:
                    append(_row(one, table.columns))
                    pace.step()
        except KeyboardInterrupt:
            if not options.output:
                raise
            say(f"interrupted: {pace.at:,} of {len(ranks):,} candidates are in {table.path}; the same command goes on")
            raise Interrupted from None


def _there(table: ScoreFile, fs: AnySet, ranks: Sequence[int], proxies: Sequence[Proxy]) -> list[Scored]:
    """The rows that there are, which must be those of the first candidates."""
    from samplers.scores.scoring import Scored

    rows = [row["candidate"] for row in table.rows()]
    expected = list(fs.outer.at(ranks[: len(rows)]))
    for k, line in enumerate(rows):
        if k >= len(expected) or line != str(expected[k]):
            message = f"`{table.path}`, line {k + 2}: `{line}` is not the candidate that belongs there"
            raise NascompileError.of(
                "damaged-table", message, "write to another file, or begin this one anew with --force"
            )
    columns = table.numbers() if rows else {}
    return [Scored(c, {p.name: float(columns[p.name][k]) for p in proxies}) for k, c in enumerate(expected)]


def _row(one: Scored, columns: Sequence[str]) -> list[Any]:
    candidate: Candidate = one.candidate
    values = {**one.scores, **candidate.costs, "candidate": str(candidate), "index": candidate.number}
    return [values[name] for name in columns]


def _npz(report: Report, table: ScoreFile) -> bytes:
    buffer = io.BytesIO()
    run = np.array(json.dumps(dict(table.run), ensure_ascii=False))
    np.savez_compressed(buffer, allow_pickle=False, run=run, **report.columns)
    return buffer.getvalue()
