"""`nascompile search` where networks are trained; `nascompile resume` and `nascompile worker`, which go on with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascompile.cli.engines import Engine, check_engine
from nascompile.cli.examples import check_device
from nascompile.cli.options import Json, SetRequest, default_name
from nascompile.cli.output import Interrupted, emit_json, say, working
from nascompile.cli.outputs import RUN
from nascompile.cli.pace import Pace
from nascompile.cli.parameters import parsed
from nascompile.cli.search.monas import with_latency
from nascompile.cli.search.run_report import draw_front, outcome_data, print_outcome
from nascompile.run.settings import MONAS, PARETO
from samplers.monas.sampler import MonasSampler
from samplers.registry import sampler as named_sampler
from spaces.errors import Diagnostic, NascompileError, did_you_mean

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder

__all__ = ["TrainSearch", "resume", "worker"]

_RunPath = Annotated[Path, typer.Argument(help="The folder that `nascompile search` wrote.", metavar="RUN")]
_Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1,
        help="Networks trained at a time, a core each; the results are the same. Default: 1; ray as many as fit.",
    ),
]  # fmt: skip
_Device = Annotated[str, typer.Option("--device", help="cpu or cuda.", metavar="NAME")]


@dataclass(frozen=True)
class TrainSearch:
    """A search that trains, as the command line has it; see the options of `nascompile search`."""

    sampler: str
    parameters: Mapping[str, Any]
    samples: int
    select: int
    recipe: str
    epochs: int
    changes: Sequence[str]
    sparsity: str | None
    quantise: str
    qat_epochs: int
    task: str | None
    normal: str | None
    features: str | None
    rate: int | None
    limit: int | None
    cost: str
    deploy: bool
    storage: str | None
    jobs: int | None
    device: str
    engine: str
    seed: int
    data: Path | None
    output: Path | None
    as_json: bool

    def run(self, request: SetRequest) -> None:
        """Train networks of the set, and print those that are kept."""
        from nascompile.run.deployment import check_deployable
        from nascompile.run.folder import RunFolder

        if self.sampler == MONAS:
            request = self._pruning(request)
        elif self.sampler != PARETO:
            named_sampler(self.sampler, seed=self.seed, **self.parameters)
        check_engine(self.engine, self.device)
        settings = self._settings()
        if self.output:
            RunFolder(self.output).check_own()
        fs = request.feasible_set()
        if not fs:
            message = f"no network of `{fs.program.space.name}` fits ({fs.description}), so there is nothing to train"
            raise _error("empty-set", message, "`nascompile explain` says what the budgets lack")
        if self.sparsity and self.sparsity not in fs.program.space.choices:
            message = f"`{fs.program.space.name}` has no choice `{self.sparsity}`, which --sparsity names"
            raise _error("unknown-choice", message, did_you_mean(self.sparsity, fs.program.space.choices))
        if self.sampler == MONAS:
            MonasSampler(**self.parameters, seed=self.seed).check(fs)
        if self.cost not in fs[0].costs:
            message = f"--cost {self.cost} needs a latency profile"
            raise _error("no-latency-profile", message, "name one with --latency-profile (`nascompile latency list`)")
        if self.deploy:
            check_deployable(fs.program)
        path = self.output or Path(default_name(fs.program, self.sampler, self.seed))
        folder = RunFolder.create(path, replace(settings, name=path.name), fs)
        finish_run(folder, self.jobs, self.device, self.as_json, self.engine)

    def _pruning(self, request: SetRequest) -> SetRequest:
        """With the latency that a weight of it needs."""
        sampler = MonasSampler(**self.parameters, seed=self.seed)
        sampler.check_weights()
        return with_latency(sampler, request)

    def _settings(self) -> Any:
        from nascompile.run.settings import COSTS, QUANTISATIONS, DataSettings, RunSettings
        from nascompile.training.recipes import recipe

        if self.data is None:
            raise _error("no-data", "training needs data", "give --data: a folder, an archive or an .npz file")
        if self.task not in (None, "classification", "anomaly", "detection"):
            raise _error("wrong-value", f"--task cannot be `{self.task}`", "it is classification, anomaly or detection")
        if self.quantise not in QUANTISATIONS:
            raise _error("wrong-value", f"--quantise cannot be `{self.quantise}`", f"known: {', '.join(QUANTISATIONS)}")
        if self.cost not in COSTS:
            raise _error("wrong-value", f"--cost cannot be `{self.cost}`", f"known: {', '.join(COSTS)}")
        # A data set inside an archive, `archive.tar.gz:NAME`, is no path of its own.
        file, colon, inside = str(self.data).partition(":")
        where = f"{Path(file).absolute()}{colon}{inside}"
        return RunSettings(
            self.sampler, self.parameters, self.samples, self.select, self.seed,
            DataSettings(
                where, self.task, self.normal, self.seed, features=self.features, rate=self.rate, limit=self.limit
            ),
            recipe(self.recipe, **{"epochs": self.epochs, **parsed("--train", self.changes)}),
            self.sparsity, self.quantise, self.qat_epochs, self.cost, self.storage, deploy=self.deploy,
        )  # fmt: skip


def resume(
    run: _RunPath, jobs: _Jobs = None, device: _Device = "cpu", engine: Engine = "local", as_json: Json = False
) -> None:
    """Go on with a search that was interrupted, or killed, and bring it to its end.

    What is trained is not trained again, and a training goes on from its last whole epoch. Of a run that is over, the
    table is printed once more.

    Examples:

      nascompile resume dscnn-stm32f412-entropy-0 --jobs 2
    """
    from nascompile.run.folder import RunFolder

    check_engine(engine, device)
    finish_run(RunFolder.open(run), jobs, device, as_json, engine)


def worker(
    run: Annotated[
        Path | None,
        typer.Argument(help="The folder that `nascompile search` wrote.", metavar="RUN", show_default=False),
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage", help="The search's database, from a machine without RUN.", metavar="URL")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--run", help="With --storage: the name of the search's folder.", metavar="NAME")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="With --storage: a folder to work in. Default: NAME.", metavar="DIR"),
        RUN,
    ] = None,
    device: _Device = "cpu",
) -> None:
    """Help with a search that goes on elsewhere: train its candidates until there are no more.

    Start as many as you like, on any machine that sees the data at the same place; no candidate is trained twice. A
    machine that does not see the run's folder reaches a search with a database by --storage and --run.

    Examples:

      nascompile worker /shared/dscnn-stm32f412-entropy-0

      nascompile worker --storage postgresql://user:password@host/database --run dscnn-stm32f412-entropy-0
    """
    from nascompile.run.folder import RunFolder
    from nascompile.run.worker import serve

    if (run is None) == (storage is None) or (storage is None) != (name is None):
        raise _error("bad-option", "whose worker?", "give the folder of a run, or --storage URL --run NAME")
    check_device(device)
    folder = RunFolder.open(run) if run else RunFolder.join(str(storage), str(name), output or Path(str(name)))
    try:
        with working("waiting for candidates"):
            done = serve(folder, device)
    except KeyboardInterrupt:
        say("interrupted: the candidate at hand goes on from its last whole epoch, here or elsewhere")
        raise Interrupted from None
    say(f"{done:,} candidates trained here")


def finish_run(folder: RunFolder, jobs: int | None, device: str, as_json: bool, engine: str = "local") -> None:
    """Bring a run to its end, and print what came out."""
    from nascompile.run.deployment import check_deployable, deploy_chosen
    from nascompile.run.lead import lead
    from nascompile.run.outcome import finish
    from nascompile.run.timing import Clock, write_timing
    from nascompile.run.worker import load_data

    settings, done, clock = folder.settings, 0, Clock()
    if settings.deploy:
        check_deployable(folder.fs.program)
    try:
        with folder.led(), working(f"training {folder.fs.program.space.name}") as progress:
            pace: list[Pace] = []

            def report(count: int, total: int, _results: Mapping[int, Mapping[str, Any]]) -> None:
                nonlocal done
                if not pace:
                    pace.append(Pace(progress, count, total))
                for _ in range(count - pace[0].at):
                    pace[0].step()
                done = count

            def told(number: int, what: str) -> None:
                before = f"{pace[0].text}; " if pace and pace[0].text else ""
                progress(f"{before}network {number}, {what}", 0)

            progress("reading the data", 0)
            dataset = load_data(folder)

            def proxies(what: str, asking: float) -> None:
                clock.scored(asking)
                progress(what, 0)

            results = lead(folder, dataset, jobs, device, report, proxies, told, engine)
            progress("measuring on the test part", 0)
            with clock.measuring():
                outcome = finish(folder, results, dataset)
                if settings.deploy:
                    outcome = deploy_chosen(folder, outcome, lambda number: progress(f"building network {number}", 0))
            draw_front(folder, outcome)
            write_timing(folder, clock, results)
    except KeyboardInterrupt:
        total = min(settings.samples, folder.fs.size)
        say(f"interrupted: {done:,} of {total:,} networks are trained; `nascompile resume {folder.path}` goes on")
        raise Interrupted from None
    if as_json:
        emit_json(outcome_data(folder, outcome))
    else:
        print_outcome(folder, outcome)


def _error(code: str, message: str, hint: str) -> NascompileError:
    return NascompileError(Diagnostic(code, message, None, hint))
