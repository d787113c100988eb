"""Unroll a space into its variants: one chain of layers per combination of repeats, X = union of X_L in EBS.

In a variant every layer stands on its own, and every use of a choice has become a numbered decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any

from spaces.errors import SpaceError
from spaces.language.expressions import Expression
from spaces.language.layer import LayerSpec, Repeat, option_label
from spaces.language.space import Group, Item, Space, Switch

__all__ = ["Decision", "DepthCondition", "Layer", "Variant", "unroll"]

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
class DepthCondition:
    """The condition under which a layer of a group with a decided depth is there: `place <= depth`.

    Args:
        depth: how many of its blocks the group has.
        place: of the layer's block in its group, from 1.
        blocks: how many the group could have.
        bindings: label of the decision behind each choice that the depth uses.
        constants: values of the choices that shape the variant.
    """

    depth: Expression
    place: int
    blocks: int
    bindings: Mapping[str, str]
    constants: Mapping[str, Any]

    @property
    def labels(self) -> set[str]:
        """The decisions that must be known to tell."""
        return set(self.bindings.values())

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether the layer is there.

        Args:
            names: decision label -> value.

        Raises:
            SpaceError: a depth that is no whole number from 1 to the number of blocks.
        """
        values = {**self.constants, **{choice: names[label] for choice, label in self.bindings.items()}}
        depth = self.depth.evaluate(values)
        if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= self.blocks:
            where = ", ".join(f"{n} = {option_label(values[n])}" for n in sorted(self.depth.names))
            message = f"`{self.depth}` gives a depth of {option_label(depth)}{f' for {where}' if where else ''}"
            hint = f"a depth is a whole number from 1 to {self.blocks}, the number of blocks in the group"
            raise self.depth.error("bad-depth", message, hint)
        return self.place <= depth


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a variant.

    Args:
        spec: the block as written.
        bindings: label of the decision behind each choice that the block uses.
        number: its place among the numbered layers 1..L, or None; where layers can be absent, its place in the longest
            network, of which only whether there is one has a meaning.
        present: when it is there; always where this is None.
    """

    spec: LayerSpec
    bindings: Mapping[str, str]
    number: int | None
    present: DepthCondition | None = None

    @property
    def labels(self) -> set[str]:
        """The decisions that must be known to run it."""
        return {*self.bindings.values(), *(self.present.labels if self.present else ())}


@dataclass(frozen=True, eq=False)
class Variant:
    """A chain of layers with its decisions.

    Args:
        label: what tells it from the space's other variants: its depth L where depths differ, else the repeats.
        constants: values of the choices that shape the network.
        decisions: in the order in which the layers need them.
        layers: from input to output.
        depth: L, the number of numbered layers; the largest where layers can be absent.
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

    @property
    def optional(self) -> bool:
        """Whether some of its layers can be absent."""
        return any(layer.present for layer in self.layers)

    def count(self, choice: str) -> int:
        """How many decisions the variant has for a choice."""
        return sum(d.choice == choice for d in self.decisions)


def unroll(space: Space) -> tuple[Variant, ...]:
    """All variants of a space, in the order of the file.

    Raises:
        SpaceError: too many variants or layers, or a repeat that is not a whole number from 1 up.

    Example:
        >>> from spaces.language.reader import load_space
        >>> [(v.label, len(v.layers), v.size) for v in unroll(load_space("dscnn"))]
        [('6', 8, 262144), ('7', 9, 2097152), ('8', 10, 16777216)]
    """
    unrolled: list[tuple[tuple[Any, ...], Variant]] = []
    for cases in _cases(space, {}):
        network = tuple(_resolved(space.network, cases))
        unrolled += _unrolled(space, network, cases, MAX_VARIANTS - len(unrolled))
    return tuple(_labelled(unrolled))


def _unrolled(
    space: Space, network: tuple[LayerSpec | Group, ...], cases: dict[str, str], room: int
) -> list[tuple[tuple[Any, ...], Variant]]:
    """The variants of a network without switches, at most so many."""
    repeats = list(_repeats(network))
    # A shared choice with one option is a constant: it decides nothing.
    names = [
        n
        for n, c in space.choices.items()
        if n not in cases
        and (
            (c.shared is True and len(c.options) == 1) or any(r.expression and n in r.expression.names for r in repeats)
        )
    ]
    free = [r for r in repeats if len(r.options) > 1]
    axes = [space.choices[n].options for n in names] + [r.options for r in free]
    if prod(map(len, axes)) > room:
        message = f"the repeats make {prod(map(len, axes)):,} variants; at most {MAX_VARIANTS:,} are allowed"
        span = free[0].span if free else space.choices[names[0]].span if names else None
        raise SpaceError.of("too-many-variants", message, "share a repeat by a shared choice", span)
    return [_Unroller(space, network, cases, names=names, free=free, values=values).run() for values in product(*axes)]


def _cases(space: Space, taken: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every way to take the switches, in the order of the file; those within a case only where it is taken."""
    name = _open_switch(space.network, taken)
    if name is None:
        yield taken
    else:
        for option in space.choices[name].options:
            yield from _cases(space, {**taken, name: option})


def _open_switch(items: tuple[Item, ...], taken: Mapping[str, str]) -> str | None:
    """The first switch of a network that is not taken yet."""
    for item in items:
        if isinstance(item, Switch) and item.name not in taken:
            return item.name
        within = item.cases[taken[item.name]] if isinstance(item, Switch) else ()
        result = _open_switch(item.items if isinstance(item, Group) else within, taken)
        if result is not None:
            return result
    return None


def _resolved(items: tuple[Item, ...], cases: Mapping[str, str]) -> Iterator[LayerSpec | Group]:
    """A network with the taken case in the place of each switch."""
    for item in items:
        if isinstance(item, Switch):
            yield from _resolved(item.cases[cases[item.name]], cases)
        elif isinstance(item, Group):
            yield replace(item, items=tuple(_resolved(item.items, cases)))
        else:
            yield item


def _repeats(items: tuple[Item, ...]) -> Iterator[Repeat]:
    for item in items:
        if not isinstance(item, Switch):
            yield item.repeat
        if isinstance(item, Group):
            yield from _repeats(item.items)


def _labelled(unrolled: list[tuple[tuple[Any, ...], Variant]]) -> Iterator[Variant]:
    # Only the cases of switches are words.
    switched = any(isinstance(value, str) for values, _ in unrolled for value in values)
    depths = {v.depth for _, v in unrolled}
    for values, v in unrolled:
        if len(unrolled) == 1:
            label = ""
        elif len(depths) == len(unrolled) and not switched:
            label = str(v.depth)
        else:
            label = ".".join(map(option_label, values))
        yield Variant(label, v.constants, v.decisions, v.layers, v.depth)


@dataclass
class _Unroller:
    space: Space
    network: tuple[LayerSpec | Group, ...]
    cases: dict[str, str]
    names: list[str]
    free: list[Repeat]
    values: tuple[Any, ...]
    decisions: list[Decision] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    depth: int = 0
    pooled: bool = False

    def run(self) -> tuple[tuple[Any, ...], Variant]:
        self.constants = {**self.cases, **dict(zip(self.names, self.values, strict=False))}
        self.times = {id(r): v for r, v in zip(self.free, self.values[len(self.names) :], strict=True)}
        self.items(self.network, {}, None)
        variant = Variant("", self.constants, tuple(self.decisions), tuple(self.layers), self.depth)
        chosen = [v for n, v in zip(self.names, self.values, strict=False) if len(self.space.choices[n].options) > 1]
        return (*self.cases.values(), *chosen, *self.values[len(self.names) :]), variant

    def items(self, items: tuple[Item, ...], group: dict[str, str], present: DepthCondition | None) -> None:
        for item in items:
            assert not isinstance(item, Switch)
            own: dict[str, str] = {}
            for _ in range(self.repeat(item.repeat)):
                if isinstance(item, LayerSpec):
                    self.layer(item, group, present)
                elif item.depth is None:
                    self.items(item.items, own, present)
                else:
                    self.decided(item, item.depth, own)

    def decided(self, group: Group, depth: Expression, own: dict[str, str]) -> None:
        """The blocks of a group with a decided depth, each with the condition under which it is there."""
        bindings = self.bindings(depth.names, own)
        constants = {n: self.constants[n] for n in depth.names if n in self.constants}
        for place, item in enumerate(group.items, start=1):
            self.items((item,), own, DepthCondition(depth, place, len(group.items), bindings, constants))

    def bindings(self, names: Iterable[str], group: dict[str, str]) -> dict[str, str]:
        """The labels of the decisions behind names: in the order of the file, so that they are numbered alike."""
        return {n: self.decide(n, group) for n in self.space.choices if n in names and n not in self.constants}

    def repeat(self, repeat: Repeat) -> int:
        if repeat.expression is None:
            return self.times.get(id(repeat), repeat.options[0])
        times = repeat.expression.evaluate(self.constants)
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= MAX_LAYERS:
            where = ", ".join(f"{n} = {option_label(v)}" for n, v in self.constants.items())
            message = f"`{repeat.expression}` gives a repeat of {option_label(times)} for {where}"
            hint = f"a repeat is a whole number from 1 to {MAX_LAYERS}"
            raise SpaceError.of("bad-repeat", message, hint, repeat.span)
        return times

    def layer(self, spec: LayerSpec, group: dict[str, str], present: DepthCondition | None) -> None:
        if len(self.layers) >= MAX_LAYERS:
            message = f"a network of more than {MAX_LAYERS:,} layers"
            raise SpaceError.of("too-many-layers", message, "lower the repeats", spec.repeat.span)
        bindings = self.bindings(spec.names, group)
        numbered = spec.numbered
        if numbered is None:
            # Linear layers behind a global pooling are the classifier, which EBS does not number.
            numbered = spec.block.numbered and not (self.pooled and spec.block.classifies)
        self.depth += numbered
        self.pooled |= spec.block.pools_all
        self.layers.append(Layer(spec, bindings, self.depth if numbered else None, present))

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
