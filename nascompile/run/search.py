"""A search by an evaluation of the user's own, with the same folder, kills and helpers as one that trains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.run.errors import RunError
from nascompile.run.own import TAKEN, Evaluation, bound, named
from nascompile.run.settings import COSTS, ENGINES, Own, RunSettings
from samplers.registry import registered
from samplers.registry import sampler as named_sampler
from solvers.sets.relaxed_set import AnySet
from spaces.errors import did_you_mean

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder
    from nascompile.run.own_outcome import OwnOutcome
    from nascompile.run.schedule import Stage

__all__ = ["search"]


def search(
    fs: AnySet,
    *,
    evaluate: Evaluation | str,
    out: str | Path,
    sampler: str = "entropy",
    parameters: Mapping[str, Any] | None = None,
    samples: int = 40,
    select: int = 5,
    metric: str = "accuracy",
    sense: str = "max",
    costs: Sequence[str] = ("flops",),
    seed: int = 0,
    jobs: int | None = None,
    engine: str = "local",
    device: str = "cpu",
    storage: str | None = None,
    loggers: Collection[str] = (),
    progress: Callable[[Stage], None] = lambda stage: None,
) -> OwnOutcome:
    """Search a feasible set by a function of your own, from a candidate to its metrics.

    The run is a folder. Killed at any moment, the same call goes on: what has a result is not evaluated again. With a
    function that is named by `module:function`, `nascompile resume RUN` goes on as well, `nascompile worker RUN` helps,
    and `jobs` and Ray evaluate several candidates at a time. What is found does not depend on any of these.

    An exception of the function, or a result that is no metrics, is the error of that candidate, and the search goes
    on; Ctrl-C ends it.

    Args:
        fs: the set; not empty.
        evaluate: a function, for this process alone, or the name of one, `module:function`. It is called with a
            candidate, or, where it takes two arguments, with a candidate and its `Place`; and returns finite numbers by
            their names, `metric` among them.
        out: the folder of the run.
        sampler: the name of one that proposes networks (`nascompile search --help`).
        parameters: of the sampler.
        samples: how many candidates to evaluate; a run that is there is extended by a larger number.
        select: how many to keep: the best one, and of the front of metric and costs those of the largest hypervolume.
        metric: the one that counts.
        sense: `max` or `min`, whichever of it is wanted.
        costs: what it is weighed against.
        seed: of the sampler.
        jobs: processes, or tasks of Ray.
        engine: `local` or `ray`.
        device: what the function is told, in its `Place`.
        storage: URL of a database for the trials; by default a file in the folder. Its password is written nowhere.
        loggers: `tensorboard` or `mlflow`, which are told of each network.
        progress: called whenever a candidate is done; see `nascompile.show_progress`.

    Returns:
        All candidates with their metrics and costs, and which of them are kept; `results.csv` has the same.

    Raises:
        NascompileError: the folder holds another run; the set is empty; there is no such function, sampler or cost.

    Example:
        >>> import nascompile as nc
        >>> from tempfile import TemporaryDirectory
        >>> fs = nc.reduce("mlp2", rom="13 kB")
        >>> with TemporaryDirectory() as folder:
        ...     found = nc.search(fs, evaluate=lambda c: {"width": sum(c["M"])}, metric="width", samples=9, select=2,
        ...                       out=folder)
        >>> len(found.rows), found.best["width"] == max(row["width"] for row in found.rows)
        (9, True)
    """
    from nascompile.run.data import no_data
    from nascompile.run.lead import lead
    from nascompile.run.loggers import check_loggers
    from nascompile.run.own_outcome import finish_own

    name, place = named(evaluate)
    helped = (jobs or 1) > 1 or engine != "local" or storage is not None
    if not isinstance(evaluate, str) and helped:
        message = "a function that is given itself is in this process alone: no other can call it"
        hint = "put it into a module, and give its name, `module:function`"
        raise RunError.of("no-function", message, hint)
    settings = RunSettings.of_own(
        Own(name, place, metric, sense), sampler=sampler, parameters=dict(parameters or {}), samples=samples,
        select=select, seed=seed, costs=tuple(costs), storage=storage, name=Path(out).absolute().name,
    )  # fmt: skip
    _check(settings, fs)
    check_loggers(loggers)
    if engine not in ENGINES:
        raise RunError.of("unknown-engine", f"there is no engine `{engine}`", did_you_mean(engine, ENGINES))
    folder = _folder(Path(out), settings, fs)
    with folder.led(), nullcontext() if isinstance(evaluate, str) else bound(name, evaluate):
        # A function that is not recorded is this process's alone.
        count = jobs or (1 if engine == "local" else None)
        results = lead(folder, no_data(), count, device, report=progress, engine=engine)
        return finish_own(folder, results, loggers)


def _folder(path: Path, settings: RunSettings, fs: AnySet) -> RunFolder:
    """The folder of a new run, or of the one that is there, with more networks where more are wanted."""
    from nascompile.run.folder import RunFolder

    there = RunFolder(path, settings.storage)
    if not there.config.is_file() or not (old := there.settings).own:
        return RunFolder.create(path, settings, fs)
    folder = RunFolder.create(path, replace(settings, samples=old.samples, extended=old.extended), fs)
    return folder.extended(settings.samples)


def _check(settings: RunSettings, fs: AnySet) -> None:
    """Whether a run can be of these settings.

    Raises:
        RunError: it cannot.
        EngineError: there is no such sampler, or it has no such parameters.
    """
    own = settings.own
    assert own is not None
    if not fs:
        raise RunError.of("empty-set", f"no network fits ({fs.description})", "`nascompile explain` says what would")
    if registered(settings.sampler).training_free:
        message = f"`{settings.sampler}` measures networks by proxies, on data, and proposes none one by one"
        raise RunError.of("wrong-sampler", message, "take another, such as `entropy`")
    named_sampler(settings.sampler, metric=own.metric, **settings.parameters, seed=settings.seed)
    if own.sense not in ("max", "min"):
        raise RunError.of("wrong-value", f"`sense` cannot be `{own.sense}`", "it is `max` or `min`")
    known = fs.outer[0].costs
    if own.metric in TAKEN or own.metric in known:
        message = f"a metric cannot be called `{own.metric}`, which the table has already"
        raise RunError.of("wrong-value", message, "give it another name")
    for cost in settings.costs or ("",):
        if cost not in COSTS or cost not in known:
            hint = did_you_mean(cost, [name for name in COSTS if name in known])
            raise RunError.of("wrong-value", f"there is no cost `{cost}`", hint)
    for what in ("samples", "select"):
        if (count := getattr(settings, what)) < 1:
            raise RunError.of("wrong-value", f"`{what}` is {count}", "it is 1 or more")
