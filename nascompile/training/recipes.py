"""How a network is trained, as one frozen value that is written into every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Any, Literal

from nascompile.training.errors import TrainingError
from spaces.errors import did_you_mean

if TYPE_CHECKING:
    import torch

__all__ = ["RECIPES", "Augmentation", "Recipe", "recipe"]

#: A batch [n, ...] on its device -> the batch to learn from; draws from torch's global generator. Boxes stay where they
#: are.
Augmentation = Callable[["torch.Tensor"], "torch.Tensor"]

_WORDS = {
    "optimiser": ("adam", "sgd"),
    "schedule": ("constant", "cosine"),
    "balance": ("none", "weights", "batches"),
}
_LEAST = {"batch": 1, "epochs": 1, "threads": 1, "patience": 0}


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    The defaults are what no paper states; the rest comes from `RECIPES`.

    Args:
        optimiser: `adam` or `sgd`.
        lr: learning rate of the first epoch.
        momentum: of `sgd`; `adam` has its own, 0.9 and 0.999.
        batch: examples per step.
        epochs: passes over the part to learn from.
        schedule: `constant`, or `cosine`, which falls to nearly 0 in the last epoch.
        patience: epochs without a better validation after which training stops; 0: never.
        weight_decay: L2 penalty.
        augment: name of an augmentation (`nascompile.data.augment`), or a function of your own.
        balance: of classes of different sizes: `weights` in the loss, or `batches` in which all are equally likely, n
            examples an epoch, some more than once (`nascompile.training.balance`).
        metric: of the validation part, by which the best epoch is chosen; None for the task's own
            (`nascompile.training.metrics`). An autoencoder goes by its loss in any case.
        seed: of the order of the examples and of augmentation; the first weights are the network's own.
        mixed_precision: bfloat16 where it is safe; on CUDA only.
        device: `cpu`, `cuda`, `cuda:1`, ...
        threads: of the CPU; another number may round differently.

    Raises:
        TrainingError: a value that cannot be, or mixed precision elsewhere than on CUDA.

    Example:
        >>> Recipe(schedule="cosine", lr=0.1, epochs=2).rate(1)
        0.05
    """

    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float = 0.001
    momentum: float = 0.9
    batch: int = 48
    epochs: int = 100
    schedule: Literal["constant", "cosine"] = "constant"
    patience: int = 0
    weight_decay: float = 0.0
    augment: str | Augmentation = "none"
    balance: Literal["none", "weights", "batches"] = "none"
    metric: str | None = None
    seed: int = 0
    mixed_precision: bool = False
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise TrainingError.of(
                    "bad-recipe",
                    f"`{name}` cannot be `{getattr(self, name)}`",
                    did_you_mean(getattr(self, name), words),
                )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise TrainingError.of("bad-recipe", f"`{name}` is {value}", f"it is a whole number from {least} up")
        if not self.lr > 0:
            raise TrainingError.of("bad-recipe", f"`lr` is {self.lr:g}", "a learning rate is above 0")
        if not 0 <= self.momentum < 1:
            raise TrainingError.of("bad-recipe", f"`momentum` is {self.momentum:g}", "it is from 0 to below 1")
        if not self.weight_decay >= 0:
            raise TrainingError.of("bad-recipe", f"`weight_decay` is {self.weight_decay:g}", "it is 0 or more")
        if self.mixed_precision and not self.device.startswith("cuda"):
            raise TrainingError.of(
                "bad-recipe",
                f"`mixed_precision` on the device `{self.device}`",
                "it is for CUDA only: leave it out here",
            )

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, from 0."""
        return self.lr * (1 + cos(pi * epoch / self.epochs)) / 2 if self.schedule == "cosine" else self.lr

    def about(self) -> dict[str, Any]:
        """All settings as plain data; a function of your own as `module.name`."""
        augment = self.augment
        name = augment if isinstance(augment, str) else f"{augment.__module__}.{augment.__qualname__}"
        return asdict(replace(self, augment="none")) | {"augment": name}


#: The trainings of the papers, by name: `ebs` is Heidorn et al. (Adam, 0.001), `prototypenas` Sec. 4.
RECIPES: dict[str, Recipe] = {
    "ebs": Recipe(optimiser="adam", lr=0.001),
    "prototypenas": Recipe(optimiser="sgd", lr=0.001, momentum=0.9, batch=48, epochs=100),
}


def recipe(name: str, **changes: Any) -> Recipe:
    """A published recipe, with changes.

    Args:
        name: `ebs` or `prototypenas`.
        changes: other values of `Recipe`'s parameters.

    Raises:
        TrainingError: no such recipe, no such parameter, or a value that cannot be.

    Example:
        >>> recipe("prototypenas", epochs=5).momentum
        0.9
    """
    if name not in RECIPES:
        raise TrainingError.of("bad-recipe", f"there is no recipe `{name}`", did_you_mean(name, RECIPES))
    known = vars(RECIPES[name])
    for change in changes:
        if change not in known:
            raise TrainingError.of("bad-recipe", f"a recipe has no `{change}`", did_you_mean(change, known))
    return replace(RECIPES[name], **changes)
