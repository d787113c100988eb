"""What a run depends on, as one value that stands in its folder, so that resuming needs no option."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nascompile.data.columns import Columns
from nascompile.training.recipes import Recipe

__all__ = ["COSTS", "ENGINES", "PRUNERS", "QUANTISATIONS", "DataSettings", "Own", "RunSettings"]

#: What evaluates candidates: processes of this machine, or a Ray cluster. It decides nothing that a run finds.
ENGINES = ("local", "ray")
#: What accuracy may be weighed against.
COSTS = ("flops", "macs", "params", "rom", "ram", "latency", "energy")
#: How networks become int8: not at all, after training, or by training on with the rounding in place.
QUANTISATIONS = ("none", "ptq", "qat")
#: How trainings are cut short: by successive halving in rungs that wait, not at all, or by rungs that do not wait.
PRUNERS = ("halving", "none", "asha")


@dataclass(frozen=True)
class DataSettings:
    """Where the data are, and how they are read; see `nascompile.data.load_dataset`.

    Args:
        path: absolute where it is a file.
        task: None: as the data say.
        normal: the class that is not anomalous.
        seed: of parts and of `limit`.
        split: shares of training, validation and test part.
        features: `mfcc`, `log-mel`, or None for the default.
        rate: samples per second of sound, to which it is resampled, or that it does not say.
        columns: of tables, which is what, as `nascompile.data.columns.Columns` has it; None: as they are called.
        keywords: of sound: the classes; all others are `unknown`.
        limit: at most so many examples.
        noise: of sound: copies of each training clip, with background noise.
        noise_volume: the loudest of it.
        digest: part -> what tells it from other data (`nascompile.data.digest`); None: it was not kept.
    """

    path: str
    task: str | None = None
    normal: str | None = None
    seed: int = 0
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    features: str | None = None
    rate: int | None = None
    columns: Mapping[str, Any] | None = None
    keywords: tuple[str, ...] = ()
    limit: int | None = None
    noise: int = 0
    noise_volume: float = 0.1
    digest: Mapping[str, str] | None = None

    def how(self) -> dict[str, Any]:
        """All but the path and the digest, as `load_dataset` takes it."""
        how = {name: value for name, value in vars(self).items() if name not in ("path", "digest")}
        return {**how, "columns": self.columns and Columns(**self.columns)}


@dataclass(frozen=True)
class Own:
    """An evaluation of the user's own, in the place of training.

    Args:
        function: `module:function`, or what the function is called that only the process has which began the run.
        place: the folder of its module, for those who do not find it.
        metric: of what it returns, the one that counts.
        sense: `max` or `min`, whichever of that is wanted.
    """

    function: str
    place: str
    metric: str
    sense: str


#: Settings of training, which a run without any does not have.
_TRAINING = ("data", "recipe", "sparsity", "quantise", "qat_epochs", "deploy", "pruner", "reduction", "rungs")


@dataclass(frozen=True)
class RunSettings:
    """All that decides what a run finds; how many processes do it is not among it.

    Args:
        sampler: its name on the command line.
        parameters: of the sampler.
        samples: networks to train.
        select: networks to keep of them.
        seed: of the sampler, the first weights and the order of examples.
        data: the data set.
        recipe: how networks are trained, without its seed and device.
        sparsity: name of the choice that prunes: networks are trained without it, then pruned to it; None: networks are
            trained as thin as they are.
        quantise: one of `QUANTISATIONS`.
        qat_epochs: of training on in int8.
        costs: what is weighed against accuracy when networks are kept, of `COSTS`; one or more.
        storage: the URL of a database for trials; None for a file in the folder.
        name: of the run in its storage.
        deploy: whether the networks that are kept become C, built and run for the chip.
        pruner: one of `PRUNERS`; see `nascompile.run.schedule`.
        reduction: of the networks at a rung one in so many is trained on, so many times longer.
        rungs: how often networks are compared, the end of training included.
        extended: `samples` as they were before the run was extended, ascending.
        own: what evaluates in the place of training; then nothing that is about training has a meaning.

    Example:
        >>> settings = RunSettings("entropy", {}, 20, 5, 0, DataSettings("digits.npz"), Recipe(epochs=3))
        >>> RunSettings.from_data(settings.to_data()) == settings
        True
    """

    sampler: str
    parameters: Mapping[str, Any]
    samples: int
    select: int
    seed: int
    data: DataSettings
    recipe: Recipe
    sparsity: str | None = None
    quantise: str = "qat"
    qat_epochs: int = 15
    costs: tuple[str, ...] = ("flops",)
    storage: str | None = field(default=None)
    name: str = "run"
    deploy: bool = False
    pruner: str = "none"
    reduction: int = 2
    rungs: int = 3
    extended: tuple[int, ...] = ()
    own: Own | None = None

    @classmethod
    def of_own(cls, own: Own, **others: Any) -> RunSettings:
        """Of a run that trains nothing."""
        return cls(data=DataSettings(""), recipe=Recipe(epochs=1), quantise="none", own=own, **others)

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        data = {**asdict(self), "recipe": self.recipe.about()}
        for name in _TRAINING if self.own else ("own",):
            del data[name]
        return json.loads(json.dumps(data))

    def is_part_of(self, other: RunSettings) -> bool:
        """Whether the other ones are these, but perhaps of a run that was extended since."""
        return replace(other, samples=self.samples, extended=self.extended) == self and (
            self == other or self.samples in other.extended
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RunSettings:
        """From plain data.

        Raises:
            ValueError, KeyError, TypeError: it is none of a run's settings.
        """
        lists = {name: tuple(data[name]) for name in ("costs", "extended")}
        if "own" in data:
            return cls.of_own(Own(**data["own"]), **{name: data[name] for name in data if name != "own"} | lists)
        read = data["data"] | {name: tuple(data["data"][name]) for name in ("split", "keywords")}
        return cls(**{**data, **lists, "data": DataSettings(**read), "recipe": Recipe(**data["recipe"])})
