"""What can go wrong in training, under the project's one error tree."""

from __future__ import annotations

from spaces.errors import NascompileError

__all__ = ["TrainingError"]


class TrainingError(NascompileError):
    """A network cannot be trained as asked, or a training does not go on from a file.

    Example:
        >>> print(TrainingError.of("bad-recipe", "`lr` is 0", "a learning rate is above 0"))
        `lr` is 0 [bad-recipe]
          a learning rate is above 0
    """
