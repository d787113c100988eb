"""`nascompile search` where networks are trained; `nascompile resume` and `nascompile worker`, which go on with it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascompile.cli.data_report import data_lines
from nascompile.cli.engines import Device, Logger, check_engine
from nascompile.cli.examples import absolute_data, check_device
from nascompile.cli.options import Json, SetRequest, default_name, takes_options
from nascompile.cli.output import Interrupted, emit_json, say, working
from nascompile.cli.outputs import RUN
from nascompile.cli.pace import Pace, duration
from nascompile.cli.parameters import parsed
from nascompile.cli.search.leading import leading
from nascompile.cli.search.options import Resources, SearchOptions, Training
from nascompile.cli.search.own import finish_own_run
from nascompile.cli.search.run_report import outcome_data, print_outcome
from nascompile.cli.search.shipping import check_type, searched_set
from nascompile.cli.search.untrained import with_latency
from nascompile.run.settings import COSTS, PRUNERS, QUANTISATIONS, RunSettings
from nascompile.run.storage_url import STORAGE_VARIABLE
from samplers.registry import registered
from samplers.registry import sampler as named_sampler
from solvers.base import Progress
from spaces.errors import NascompileError, did_you_mean
from spaces.units import FORMATS

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset
    from nascompile.run.folder import RunFolder
    from nascompile.run.schedule import Stage

__all__ = ["TrainSearch", "resume", "worker"]

#: Fewer networks are all trained to the end, unless someone says otherwise.
_FEW = 8


MovedData = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Where the data are now, if not where the run says; they must be the same.", metavar="DATA"
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="URL of the run's database, with the password, which no run keeps.",
        metavar="URL",
        envvar=STORAGE_VARIABLE,
    ),
]


@dataclass(frozen=True)
class _TrainingResources(Resources):
    """What trains candidates."""

    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1,
            help="Networks trained at a time, a core each; the results are the same. Default: one a core, as far as "
            "memory goes; ray as many as fit.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class TrainSearch:
    """A search as the command line has it, which trains.

    Args:
        options: of the command.
        text: these as a run file has them.
        recorded: what another run has written into the file that they come from.
    """

    options: SearchOptions
    text: str = ""
    recorded: Mapping[str, Any] = field(default_factory=dict)

    def run(self, request: SetRequest) -> None:
        """Train networks of the set, and print those that are kept."""
        from nascompile.run.config import changes
        from nascompile.run.deployment import check_deployable
        from nascompile.run.folder import RunFolder
        from nascompile.run.loggers import check_loggers
        from nascompile.run.preflight import check_measurable, check_settings

        options, training, parameters = self.options, self.options.training, self.options.parameters()
        search = options.search() if registered(options.name).training_free else None
        if search:
            search.check()
            request = with_latency(search, request)
        else:
            named_sampler(options.name, seed=options.seed, **parameters)
        check_loggers(training.logger or ())
        check_engine(options.resources.engine, options.resources.device)
        settings = self._settings(parameters)
        check_settings(settings)
        if options.output:
            RunFolder(options.output).check_own()
        keeps = "float32" if training.quantise == "none" else "int8"
        check_type(request, keeps)
        fs, dataset = searched_set(request, settings.data, keeps)
        if not fs:
            message = f"no network of `{fs.program.space.name}` fits ({fs.description}), so there is nothing to train"
            raise NascompileError.of("empty-set", message, "`nascompile explain` says what the budgets lack")
        if training.sparsity and training.sparsity not in fs.program.space.choices:
            message = f"`{fs.program.space.name}` has no choice `{training.sparsity}`, which --sparsity names"
            raise NascompileError.of(
                "unknown-choice", message, did_you_mean(training.sparsity, fs.program.space.choices)
            )
        if search:
            search.check(fs)
        for name in FORMATS:
            if name in settings.costs and name not in fs.program.priced:
                which = "a latency profile" if name == "latency" else "a latency profile that has energies"
                message, hint = f"--cost {name} needs {which}", "name one with --latency-profile"
                code = "no-latency-profile" if name == "latency" else "no-energy"
                raise NascompileError.of(code, message, f"{hint} (`nascompile latency list`)")
        if training.deploy:
            check_deployable(fs.program)
        path = options.output or Path(default_name(fs.program, options.name, options.seed))
        assert dataset is not None  # there are data, and a network
        check_measurable(dataset, settings)
        settings = replace(settings, name=path.name, data=replace(settings.data, digest=dataset.digests))
        command = shlex.join(["nascompile", *sys.argv[1:]])
        folder = RunFolder.create(path, settings, fs, self.text, command)
        for line in changes(self.recorded, folder.contents):
            say(f"not as before: {line}")
        finish_run(folder, options.resources, options.as_json, dataset, loggers=training.logger or ())

    def _settings(self, parameters: Mapping[str, Any]) -> RunSettings:
        from nascompile.training.objective import METRICS
        from nascompile.training.recipes import recipe

        given = self.options.training
        if given.task not in (None, *METRICS):
            hint = did_you_mean(str(given.task), METRICS)
            raise NascompileError.of("wrong-value", f"--task cannot be `{given.task}`", hint)
        costs = tuple(dict.fromkeys(given.cost or ("flops",)))
        words = [("quantise", given.quantise, QUANTISATIONS), *(("cost", cost, COSTS) for cost in costs)]
        for name, value, known in words:
            if value not in known:
                raise NascompileError.of("wrong-value", f"--{name} cannot be `{value}`", f"known: {', '.join(known)}")
        seed = self.options.seed
        if given.noise_volume is not None and not given.noise:
            message = "--noise-volume says how loud noise is, and there is none"
            raise NascompileError.of("bad-option", message, "add --noise 1, or leave --noise-volume out")
        noise = {"noise": given.noise, "noise_volume": given.noise_volume}
        more = {name: value for name, value in noise.items() if value is not None}
        data = self.options.data.settings(seed, task=given.task, normal=given.normal, **more)
        if data is None:
            raise NascompileError.of(
                "no-data", "training needs data", "give --data: a folder, an archive or an .npz file"
            )
        kept = ("samples", "select", "sparsity", "quantise", "qat_epochs", "storage", "deploy", "reduction", "rungs")
        changes = {"epochs": given.epochs, "metric": given.metric, **parsed("--train", given.train or ())}
        taught = recipe(given.recipe, **changes)
        return RunSettings(
            self.options.name, parameters, seed=seed, data=data, recipe=taught,
            costs=costs, pruner=_pruner(given, taught.epochs), **{name: getattr(given, name) for name in kept},
        )  # fmt: skip


def _pruner(given: Training, epochs: int) -> str:
    """How trainings are cut short, where nobody says.

    Raises:
        NascompileError: there is no such way, or not for pruned networks.
    """
    asked = given.pruner
    if asked not in (None, *PRUNERS):
        raise NascompileError.of("unknown-pruner", f"there is no --pruner `{asked}`", did_you_mean(str(asked), PRUNERS))
    if given.sparsity and asked in ("halving", "asha"):
        message = f"--pruner {asked} does not go with --sparsity: before the end a network is wider than what is left"
        raise NascompileError.of("bad-option", message, "leave one of them out")
    if asked:
        return asked
    return "halving" if given.samples >= _FEW and epochs > 1 and not given.sparsity else "none"


@takes_options
def resume(
    run: Annotated[Path, typer.Argument(help="The folder that `nascompile search` wrote.", metavar="RUN")],
    resources: _TrainingResources,
    data: MovedData = None,
    storage: Storage = None,
    logger: Logger = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", "-n", min=1, help="Extend the run: train so many networks in all.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on with a search that was interrupted, or killed, and bring it to its end; or extend it.

    What is trained is not trained again, and a training goes on from its last whole epoch. Of a run that is over, the
    table is printed once more. With --samples more networks are asked for and compared with each other at rungs of
    their own; what is kept is chosen anew of all.

    Examples:

      nascompile resume dscnn-stm32f412-entropy-0 --jobs 2

      nascompile resume dscnn-stm32f412-entropy-0 --samples 60
    """
    from nascompile.run.config import version_changes
    from nascompile.run.folder import RunFolder
    from nascompile.run.loggers import check_loggers

    check_loggers(logger or ())
    check_engine(resources.engine, resources.device)
    folder = RunFolder.open(run, storage)
    for line in version_changes(folder.contents.record):
        say(line)
    folder = folder.extended(samples) if samples else folder
    if folder.settings.own:
        finish_own_run(folder, resources, as_json, logger or ())
        return
    finish_run(folder, resources, as_json, moved=absolute_data(data) if data else None, loggers=logger or ())


def worker(
    run: Annotated[
        Path | None,
        typer.Argument(help="The folder that `nascompile search` wrote.", metavar="RUN", show_default=False),
    ] = None,
    storage: Storage = None,
    name: Annotated[
        str | None,
        typer.Option("--run", help="Without RUN, with --storage: the name of the search's folder.", metavar="NAME"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="With --storage: a folder to work in. Default: NAME.", metavar="DIR"),
        RUN,
    ] = None,
    data: MovedData = None,
    device: Device = "cpu",
) -> None:
    """Help with a search that goes on elsewhere: train its candidates until there are no more.

    Start as many as you like, on any machine that sees the data; no candidate is trained twice. A
    machine that does not see the run's folder reaches a search with a database by --storage and --run.

    Examples:

      nascompile worker /shared/dscnn-stm32f412-entropy-0

      nascompile worker --storage postgresql://user:password@host/database --run dscnn-stm32f412-entropy-0
    """
    from nascompile.run.data import load_data
    from nascompile.run.folder import RunFolder
    from nascompile.run.worker import serve

    if (run is None) == (name is None) or (name and storage is None):
        raise NascompileError.of("bad-option", "whose worker?", "give the folder of a run, or --storage URL --run NAME")
    check_device(device)
    folder = RunFolder.open(run, storage) if run else RunFolder.join(str(storage), str(name), output or Path(str(name)))
    try:
        with working("waiting for candidates"):
            done = serve(folder, device, dataset=load_data(folder, absolute_data(data) if data else None))
    except KeyboardInterrupt:
        say("interrupted: the candidate at hand goes on from its last whole epoch, here or elsewhere")
        raise Interrupted from None
    say(f"{done:,} steps done here")


def finish_run(
    folder: RunFolder,
    resources: Resources,
    as_json: bool,
    dataset: Dataset | None = None,
    moved: str | None = None,
    loggers: Collection[str] = (),
) -> None:
    """Bring a run to its end, and print what came out.

    Args:
        folder: of the run.
        resources: that work on it.
        as_json: how to print.
        dataset: the run's; None to read it.
        moved: where the data are now, if not where the run says.
        loggers: that are told of each network.
    """
    from nascompile.run.data import data_record, load_data, write_record
    from nascompile.run.deployment import check_deployable, deploy_chosen
    from nascompile.run.lead import lead
    from nascompile.run.loggers import tell_loggers
    from nascompile.run.mending import mend_networks
    from nascompile.run.networks import ended, networks_so_far
    from nascompile.run.outcome import finish
    from nascompile.run.timing import Clock, write_timing

    settings, clock = folder.settings, Clock()
    if settings.deploy:
        check_deployable(folder.fs.program)

    def so_far() -> str:
        return f"{ended(networks_so_far(folder)):,} of {folder.total:,} networks are trained"

    with leading(folder, "training", so_far) as progress:
        shown = _Shown(progress)
        if dataset is None:
            progress("reading the data", 0)
            dataset = load_data(folder, moved)
        if moved:
            folder.move_data(moved)
        write_record(folder, dataset)
        for line in data_lines(data_record(dataset)):
            say(line)

        def proxies(what: str, asking: float) -> None:
            clock.scored(asking)
            progress(what, 0)

        results = lead(
            folder, dataset, report=shown.stage, proxies=proxies, on_progress=shown.network,
            on_estimate=lambda seconds: say(f"estimate: {duration(seconds)} in all, by some first batches"),
            **vars(resources),
        )  # fmt: skip
        if mended := mend_networks(folder, dataset, results, resources.device, shown.network):
            say(f"damaged or gone, and made anew: {', '.join(mended)}")
        progress("measuring on the test part", 0)
        with clock.measuring():
            outcome = finish(folder, results, dataset)
            if settings.deploy:
                outcome = deploy_chosen(folder, outcome, lambda number: progress(f"building network {number}", 0))
        write_timing(folder, clock, networks_so_far(folder))
        tell_loggers(folder, loggers, {row["number"]: row for row in outcome.rows})
    if as_json:
        emit_json(outcome_data(folder, outcome))
    else:
        print_outcome(folder, outcome)
    if not outcome.chosen:
        raise typer.Exit(1)


class _Shown:
    """A run as it goes on, in one line.

    Args:
        progress: to tell it to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._pace: Pace | None = None

    def stage(self, stage: Stage) -> None:
        """A step is done, or the next ones are known."""
        if self._pace is None or stage.what != self._stage:
            self._stage = stage.what
            self._pace = Pace(lambda text, _: self._progress(f"{self._stage}: {text}", 0), stage.done, stage.total)
        for _ in range(stage.done - self._pace.at):
            self._pace.step()

    def network(self, number: int, what: str) -> None:
        """Something of a network has ended."""
        pace = f"{self._stage}: {self._pace.text}; " if self._pace and self._pace.text else ""
        self._progress(f"{pace}network {number}, {what}", 0)
