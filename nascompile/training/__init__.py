"""Training: a network, a data set and a recipe make a trained network.

>>> from nascompile.training import recipe
>>> recipe("ebs", epochs=3).optimiser
'adam'
"""

from typing import TYPE_CHECKING

from nascompile.training.errors import TrainingError
from nascompile.training.history import Epoch
from nascompile.training.recipes import RECIPES, Recipe, recipe
from spaces.lazy import face

if TYPE_CHECKING:
    from nascompile.training.loop import Trained, train
    from nascompile.training.many import train_many
    from nascompile.training.metrics import evaluate

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

__getattr__, __dir__ = face(
    __name__,
    {
        "Trained": "nascompile.training.loop",
        "train": "nascompile.training.loop",
        "train_many": "nascompile.training.many",
        "evaluate": "nascompile.training.metrics",
    },
)
