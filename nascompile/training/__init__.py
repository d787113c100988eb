"""Training: a network, a data set and a recipe make a trained network.

>>> from nascompile.training import recipe
>>> recipe("ebs", epochs=3).optimiser
'adam'
"""

from typing import TYPE_CHECKING, Any

from nascompile.training.errors import TrainingError
from nascompile.training.history import Epoch
from nascompile.training.recipes import RECIPES, Recipe, recipe

if TYPE_CHECKING:
    from nascompile.training.loop import Trained, train
    from nascompile.training.many import train_many
    from nascompile.training.tasks import evaluate

__all__ = [
    "RECIPES",
    "Epoch",
    "Recipe",
    "Trained",
    "TrainingError",
    "evaluate",
    "recipe",
    "train",
    "train_many",
]

_LATE = {"Trained": "loop", "train": "loop", "train_many": "many", "evaluate": "tasks"}


def __getattr__(name: str) -> Any:
    """What loads torch is imported when it is named."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nascompile.training.{_LATE[name]}"), name)
