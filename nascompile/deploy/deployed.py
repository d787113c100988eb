"""A network as C in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nascompile.deploy.calls import Plan
from nascompile.deploy.deployable import Deployable
from nascompile.deploy.layers import LayerRow
from nascompile.deploy.manifest import NOTHING, Kept
from nascompile.deploy.naming import PLAIN, Naming
from nascompile.deploy.project import Vectors
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Target

__all__ = ["Deployed"]


@dataclass(frozen=True, eq=False)
class Deployed:
    """A network as C.

    Args:
        folder: where it lies.
        subject: the network.
        target: the chip.
        plan: its calls and its memory.
        predicted: see `nascompile.deploy.deployable.predicted`; and where the core was counted on
            `instructions`, and `estimated_cycles` where its manual has them.
        vectors: inputs and outputs of its check.
        naming: of the library.
        kept: what stays of the user's files in the folder.
        layers: what each operator takes.
    """

    folder: Path
    subject: Deployable
    target: Target
    plan: Plan
    predicted: dict[str, int]
    vectors: Vectors
    naming: Naming = PLAIN
    kept: Kept = NOTHING
    layers: tuple[LayerRow, ...] = ()

    @property
    def over(self) -> dict[str, int]:
        """Bytes by which it is predicted not to fit the chip, for `ram` and `rom` where it does not.

        The image keeps a stack; what the ROM is on a core that was not measured is not known.
        """
        room = {"ram": self.target.ram - NascompileC.stack, "rom": self.target.rom}
        over = {name: self.predicted[name] - room[name] for name in room if name in self.predicted}
        return {name: size for name, size in over.items() if size > 0}

    @property
    def ram(self) -> int:
        """See `Plan.ram`."""
        return self.plan.ram
