"""What can go wrong in deployment, under the project's one error tree."""

from __future__ import annotations

from spaces.errors import NascompileError

__all__ = ["DeployError"]


class DeployError(NascompileError):
    """A network cannot become C, or the C cannot be built or run.

    Example:
        >>> print(DeployError.of("no-toolchain", "there is no `arm-none-eabi-gcc`"))
        there is no `arm-none-eabi-gcc` [no-toolchain]
    """
