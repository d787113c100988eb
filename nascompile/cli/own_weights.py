"""Networks that a user trained, on the command line of `nascompile deploy`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spaces.errors import FileError, NascompileError

if TYPE_CHECKING:
    from nascompile.deploy.deployable import Deployable
    from spaces.program.candidate import Candidate

__all__ = ["OwnWeights"]


_AS_THEY_ARE = (
    "--calibrate takes data that say themselves what they are, such as an .npz with `x`, `y` and, of sound, `rate`; or "
    "in Python: nascompile.deploy(..., calibrate=nascompile.data.load_dataset(PATH, SHAPE, rate=8000))"
)


@dataclass(frozen=True)
class OwnWeights:
    """Weights that the user trained."""

    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            help="Of SPACE CANDIDATE: the weights that you trained, the state_dict() of candidate.build() as "
            ".safetensors, or a network of quantise_after_training that was saved.",
            metavar="FILE",
        ),
    ] = None
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            help="Of --weights in floating point: the data whose training part the ranges of int8 are measured on.",
            metavar="DATA",
        ),
    ] = None

    def subject(self, candidate: Candidate, dtype: str) -> Deployable:
        """The candidate with these weights; with random ones where there are none.

        Raises:
            NascompileError: the weights are of another network, the data are unfit, or one option misses the other.
        """
        from nascompile.deploy.deployable import untrained
        from nascompile.deploy.own import own_deployable

        if self.weights is None:
            if self.calibrate is not None:
                message = "--calibrate says nothing about random weights"
                raise NascompileError.of("bad-option", message, "give --weights FILE, too")
            return untrained(candidate, dtype)
        data = None
        if self.calibrate is not None:
            from nascompile.data.load import load_dataset

            if dtype != "int8":
                message = f"--calibrate measures the ranges of int8, and the network is to be {dtype}"
                raise NascompileError.of("bad-option", message, "leave it out")
            try:
                data = load_dataset(self.calibrate, candidate.program.space.input.dims)
            except FileError as error:
                # What is said there is of commands that take options of data.
                raise FileError(
                    replace(d, hint=_AS_THEY_ARE if "--" in d.hint else d.hint) for d in error.diagnostics
                ) from None
        return own_deployable(candidate, self.weights, data, dtype)
