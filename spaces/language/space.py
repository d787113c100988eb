"""A Space: the typed, immutable meaning of a document. It knows nothing of targets or budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from spaces.errors import Span
from spaces.language.document import Document
from spaces.language.expressions import Expression
from spaces.language.layer import Choice, LayerSpec, Repeat
from spaces.language.settings import Settings
from spaces.tensors import Tensor

if TYPE_CHECKING:
    from spaces.language.cell import Cell

__all__ = ["DERIVED", "METRICS", "NETWORK_VALUES", "Group", "Item", "Space", "Switch", "has_decided_depth"]

#: Metrics that add up over the layers, then the one that does not. All are integers: bytes, counts, nanoseconds.
METRICS = ("rom", "params", "macs", "flops", "latency", "energy", "ram")

#: What every network has one value of: the metrics, and the entropy (EBS Eq. 6), the only one that is no whole number.
NETWORK_VALUES = (*METRICS, "entropy")

#: Derived quantities of numbered layers, usable in constraints as `height[3]`.
DERIVED = ("channels", "height", "width")


@dataclass(frozen=True, eq=False)
class Group:
    """A run of blocks, repeated together; choices with `shared: group` are decided once for all of it.

    Args:
        depth: how many of its blocks there are, counted from the first; an expression over choices that are decided
            once for the group or the network, or None for all of them.
    """

    name: str
    items: tuple[Item, ...]
    repeat: Repeat
    span: Span
    depth: Expression | None = None


@dataclass(frozen=True, eq=False)
class Switch:
    """Sub-networks of which the choice of the same name takes one."""

    name: str
    cases: Mapping[str, tuple[Item, ...]]
    span: Span


Item = LayerSpec | Group | Switch


def has_decided_depth(items: tuple[Item, ...]) -> bool:
    """Whether a group anywhere among these items has a `depth`."""
    return any(
        (isinstance(item, Group) and (item.depth is not None or has_decided_depth(item.items)))
        or (isinstance(item, Switch) and any(map(has_decided_depth, item.cases.values())))
        for item in items
    )


@dataclass(frozen=True, eq=False)
class Space:
    """A search space: input, choices, network, constraints; and the overrides under which its networks are thin.

    It pickles as its text, which `spaces.language.reader` reads again; nothing in it changes, so it is its own copy.

    Example:
        >>> from spaces.language.reader import load_space
        >>> load_space("dscnn").choices["M"].options[:3]
        (84, 112, 140)
    """

    name: str
    doc: str
    input: Tensor
    settings: Settings
    ram_model: str
    choices: Mapping[str, Choice]
    network: tuple[Item, ...]
    constraints: tuple[Expression, ...]
    document: Document
    cells: Mapping[str, Cell] = field(default_factory=dict[str, "Cell"])
    thin: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """Canonical text of the resolved document; two spaces with equal text are the same."""
        return self.document.text

    def __repr__(self) -> str:
        return f"<Space {self.name}: {self.settings.dtype}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self
