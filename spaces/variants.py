"""Unroll a space into its variants: one chain of layers per combination of repeats, X = union of X_L in EBS.

In a variant every layer stands on its own, and every use of a choice has become a numbered decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from spaces.errors import Diagnostic, SpaceError
from spaces.space import Group, LayerSpec, Repeat, Space, option_label

__all__ = ["Decision", "Layer", "Variant", "unroll"]

MAX_VARIANTS = 10_000
MAX_LAYERS = 1_000


@dataclass(frozen=True)
class Decision:
    """One decision of a variant: an option of a choice, at one place.

    Args:
        label: `M[3]`, or `W` for a choice shared by the whole network.
        choice: name of the choice.
        options: its values, in the order of the file.
    """

    label: str
    choice: str
    options: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        """Whether every option is a number."""
        return all(not isinstance(v, str | tuple | bool) for v in self.options)


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a variant.

    Args:
        spec: the block as written.
        bindings: label of the decision behind each choice that the block uses.
        number: its place among the numbered layers 1..L, or None.
    """

    spec: LayerSpec
    bindings: Mapping[str, str]
    number: int | None


@dataclass(frozen=True, eq=False)
class Variant:
    """A chain of layers with its decisions.

    Args:
        label: what tells it from the space's other variants: its depth L where depths differ, else the repeats.
        constants: values of the choices that shape the network.
        decisions: in the order in which the layers need them.
        layers: from input to output.
        depth: L, the number of numbered layers.
    """

    label: str
    constants: Mapping[str, Any]
    decisions: tuple[Decision, ...]
    layers: tuple[Layer, ...]
    depth: int

    @property
    def size(self) -> int:
        """Number of networks, Eq. 1."""
        return prod(len(d.options) for d in self.decisions)

    def count(self, choice: str) -> int:
        """How many decisions the variant has for a choice."""
        return sum(d.choice == choice for d in self.decisions)


def unroll(space: Space) -> tuple[Variant, ...]:
    """All variants of a space, in the order of the file.

    Raises:
        SpaceError: too many variants or layers, or a repeat that is not a whole number from 1 up.

    Example:
        >>> from spaces.reader import load_space
        >>> [(v.label, len(v.layers), v.size) for v in unroll(load_space("dscnn"))]
        [('6', 8, 262144), ('7', 9, 2097152), ('8', 10, 16777216)]
    """
    repeats = list(_repeats(space.network))
    # A shared choice with one option is a constant: it decides nothing.
    names = [
        n
        for n, c in space.choices.items()
        if (c.shared is True and len(c.options) == 1) or any(r.expression and n in r.expression.names for r in repeats)
    ]
    free = [r for r in repeats if len(r.options) > 1]
    axes = [space.choices[n].options for n in names] + [r.options for r in free]
    if prod(map(len, axes)) > MAX_VARIANTS:
        message = f"the repeats make {prod(map(len, axes)):,} variants; at most {MAX_VARIANTS:,} are allowed"
        span = free[0].span if free else space.choices[names[0]].span
        raise SpaceError(Diagnostic("too-many-variants", message, span, "share a repeat by a shared choice"))
    unrolled = [_Unroller(space, names, free, values).run() for values in product(*axes)]
    return tuple(_labelled(unrolled))


def _repeats(items: tuple[LayerSpec | Group, ...]) -> Iterator[Repeat]:
    for item in items:
        yield item.repeat
        if isinstance(item, Group):
            yield from _repeats(item.items)


def _labelled(unrolled: list[tuple[tuple[Any, ...], Variant]]) -> Iterator[Variant]:
    depths = {v.depth for _, v in unrolled}
    for values, v in unrolled:
        if len(unrolled) == 1:
            label = ""
        elif len(depths) == len(unrolled):
            label = str(v.depth)
        else:
            label = ".".join(map(option_label, values))
        yield Variant(label, v.constants, v.decisions, v.layers, v.depth)


@dataclass
class _Unroller:
    space: Space
    names: list[str]
    free: list[Repeat]
    values: tuple[Any, ...]
    decisions: list[Decision] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    depth: int = 0
    pooled: bool = False

    def run(self) -> tuple[tuple[Any, ...], Variant]:
        self.constants = dict(zip(self.names, self.values, strict=False))
        self.times = {id(r): v for r, v in zip(self.free, self.values[len(self.names) :], strict=True)}
        self.items(self.space.network, {})
        variant = Variant("", self.constants, tuple(self.decisions), tuple(self.layers), self.depth)
        return self.values, variant

    def items(self, items: tuple[LayerSpec | Group, ...], group: dict[str, str]) -> None:
        for item in items:
            own: dict[str, str] = {}
            for _ in range(self.repeat(item.repeat)):
                if isinstance(item, Group):
                    self.items(item.items, own)
                else:
                    self.layer(item, group)

    def repeat(self, repeat: Repeat) -> int:
        if repeat.expression is None:
            return self.times.get(id(repeat), repeat.options[0])
        times = repeat.expression.evaluate(self.constants)
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= MAX_LAYERS:
            where = ", ".join(f"{n} = {option_label(v)}" for n, v in self.constants.items())
            message = f"`{repeat.expression}` gives a repeat of {option_label(times)} for {where}"
            hint = f"a repeat is a whole number from 1 to {MAX_LAYERS}"
            raise SpaceError(Diagnostic("bad-repeat", message, repeat.span, hint))
        return times

    def layer(self, spec: LayerSpec, group: dict[str, str]) -> None:
        if len(self.layers) >= MAX_LAYERS:
            message = f"a network of more than {MAX_LAYERS:,} layers"
            raise SpaceError(Diagnostic("too-many-layers", message, spec.repeat.span, "lower the repeats"))
        # Choices in the order of the file, so that a layer's decisions are always numbered alike.
        used = [n for n in self.space.choices if n in spec.names and n not in self.constants]
        bindings = {name: self.decide(name, group) for name in used}
        numbered = spec.numbered
        if numbered is None:
            # Linear layers behind a global pooling are the classifier, which EBS does not number.
            numbered = spec.block.numbered and not (self.pooled and spec.block.name == "linear")
        self.depth += numbered
        self.pooled |= spec.block.name.startswith("global_")
        self.layers.append(Layer(spec, bindings, self.depth if numbered else None))

    def decide(self, name: str, group: dict[str, str]) -> str:
        """The label of the decision for a use of a choice, made new where its scope has none yet."""
        choice = self.space.choices[name]
        scope = self.shared if choice.shared is True else group if choice.shared else {}
        if name not in scope:
            index = 1 + sum(d.choice == name for d in self.decisions)
            label = name if choice.shared is True else f"{name}[{index}]"
            self.decisions.append(Decision(label, choice.cell or name, choice.options))
            scope[name] = label
        return scope[name]
