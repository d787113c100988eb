"""A Candidate: one network of a space, with its one-line text form and its costs on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, total_ordering
from typing import TYPE_CHECKING, Any

import numpy as np

from spaces.errors import CandidateError
from spaces.language.layer import option_label
from spaces.notebook import html_table
from spaces.program.constraints import relations
from spaces.program.graph import Program
from spaces.program.lowering import LoweredLayer, lower_chain
from spaces.program.terms import derived, layer_terms, sums
from spaces.program.variants import Decision, Variant
from spaces.tensors import Infeasible

if TYPE_CHECKING:
    from spaces.networks.network import Network

__all__ = ["Candidate", "candidate_of", "chosen_candidate", "parse_candidate"]


@total_ordering
@dataclass(frozen=True, eq=False)
class Candidate:
    """One network of a compiled space. Hashable; ordered as the space is.

    Networks of spaces that differ in anything, such as the data type, are different; what budgets and runtime they
    were compiled for is not part of them.

    Args:
        space: name of the space.
        position: position of its variant among the program's chains.
        row: option index per decision.
        program: the compiled space.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> c = parse_candidate(compile_space(load_space("dscnn")), "dscnn/6: 84-112-84-84-84-196")
        >>> str(c), c["M"][1], c.costs["rom"]
        ('dscnn/6: 84-112-84-84-84-196', 112, 236544)
    """

    space: str
    position: int
    row: tuple[int, ...]
    program: Program

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Candidate):
            return NotImplemented
        return (self.row, self.position) == (other.row, other.position) and (
            self.program is other.program or self.program.space.text == other.program.space.text
        )

    def __hash__(self) -> int:
        return hash((self.program.space.text, self.position, self.row))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Candidate):
            return NotImplemented
        mine, others = ((c.space, c.position, c.row, c.program.space.text) for c in (self, other))
        return mine < others

    def __repr__(self) -> str:
        return f"<Candidate {self}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: its costs."""
        costs = (
            (name, f"{value:,}" if isinstance(value, int) else f"{value:.6g}") for name, value in self.costs.items()
        )
        return html_table(["<cost", "value"], costs, str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Candidate, (self.space, self.position, self.row, self.program)

    @property
    def variant(self) -> Variant:
        """The variant it belongs to."""
        return self.program.variants[self.position]

    @property
    def values(self) -> dict[str, Any]:
        """Decision label -> value: `{"M[1]": 84, ...}`, and the choices that shape the network."""
        chosen = {d.label: d.options[x] for d, x in zip(self.variant.decisions, self.row, strict=True)}
        return {**self.variant.constants, **chosen}

    def __getitem__(self, choice: str) -> Any:
        """The values of a choice in order of use; its one value where it is shared by the network."""
        values = self.values
        if choice in values:
            return values[choice]
        result = tuple(values[d.label] for d in self.variant.decisions if d.choice == choice)
        if not result:
            raise KeyError(choice)
        return result

    @property
    def costs(self) -> dict[str, int | float]:
        """Its costs: rom, ram (of the space's model), ram_pingpong, ram_liveness, params, macs, flops, entropy.

        Raises:
            CandidateError: no such network can exist.
        """
        if self.program.tabulated:
            rows = np.array([self.row], np.int64).reshape(1, -1)
            if (self.program.chains[self.position].states(rows) >= 0).all():
                return {name: values[0].item() for name, values in self.program.costs(self.position, rows).items()}
        elif (costs := self._walked()) is not None:
            return costs
        message = f"`{self}` describes no network: it breaks a constraint of the space, or a side vanishes"
        raise CandidateError.of("bad-candidate", message)

    def _walked(self) -> dict[str, int | float] | None:
        """Its costs, summed over its layers; None where there is no such network."""
        try:
            layers = layer_terms(self.program, self.steps)
        except Infeasible:
            return None
        names = {**self.values, **derived(layers)}
        there = all(relation.holds(names) for relation in relations(self.program.space, self.variant))
        return sums(self.program, layers) if there else None

    @cached_property
    def steps(self) -> tuple[LoweredLayer, ...]:
        """Its layers from input to output, lowered once: what costs, module, integers and C are all made of.

        Raises:
            Infeasible: no such network can exist (a side vanishes).

        Example:
            >>> from spaces.language.reader import load_space
            >>> from spaces.program.compile import compile_space
            >>> c = parse_candidate(compile_space(load_space("mlp2")), "mlp2: 32-16")
            >>> [op.weights for step in c.steps for op in step.ops]
            [576, 512, 192]
        """
        return tuple(lower_chain(self.program.space, self.variant, self.values))

    def build(self, *, seed: int = 0, batch_norm: str | None = None) -> Network:
        """Its PyTorch module, with weights drawn from `seed`; see `spaces.networks.network.build`."""
        from spaces.networks.network import build

        return build(self.program.space, self.steps, str(self), seed=seed, batch_norm=batch_norm)

    def __str__(self) -> str:
        """Its line, `dscnn/7: 84-112-84-84-84-84-196`; `parse_candidate` reads it back."""
        options = [_word(self.program, part, values) for part, values in self._parts()]
        head = f"{self.space}/{self.variant.label}" if self.variant.label else self.space
        return f"{head}: {'-'.join(options)}"

    def _parts(self) -> Iterator[tuple[str, list[Any]]]:
        """The words of its line: for each decision or cell its name, and the values."""
        values = [d.options[x] for d, x in zip(self.variant.decisions, self.row, strict=True)]
        for name, start, stop in _words(self.program, self.variant):
            yield name, values[start:stop]

    @property
    def number(self) -> int | None:
        """Its index in the benchmark that numbers the cells of its space; None where there is none."""
        cells = [c for c in self.program.space.cells.values() if c.numbering]
        if len(cells) != 1 or len(self.row) != len(cells[0].edges):
            return None
        from spaces.language.numbering import index_of

        return int(index_of(cells[0].numbering, np.array([self.row]), len(cells[0].operators))[0])


def _words(program: Program, variant: Variant) -> list[tuple[str, int, int]]:
    """The words of a variant's line: (label of the decision, or name of the cell; first and behind last decision)."""
    result: list[tuple[str, int, int]] = []
    for k, decision in enumerate(variant.decisions):
        if decision.choice in program.space.cells:
            if result and result[-1][0] == decision.choice:
                result[-1] = (decision.choice, result[-1][1], k + 1)
            else:
                result.append((decision.choice, k, k + 1))
        else:
            result.append((decision.label, k, k + 1))
    return result


def _word(program: Program, name: str, values: list[Any]) -> str:
    if name not in program.space.cells:
        return option_label(values[0])
    from spaces.program.cell_text import cell_word

    return cell_word(program.space.cells[name], values)


def candidate_of(program: Program, position: int, row: Any) -> Candidate:
    """The candidate of a variant with these option indices."""
    return Candidate(program.space.name, position, tuple(int(x) for x in row), program)


def chosen_candidate(program: Program, text: str | None) -> Candidate:
    """The candidate of a line; a space with a single network needs none.

    Raises:
        CandidateError: see `parse_candidate`; or there is no line, and more than one network.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> program = compile_space(load_space("mlp2", ["choices.M=[48]"]), tables=False)
        >>> program.size, str(chosen_candidate(program, None))
        (1, 'mlp2: 48-48')
    """
    if text is not None:
        return parse_candidate(program, text)
    first = candidate_of(program, 0, [0] * len(program.variants[0].decisions))
    if program.size > 1:
        message = f"which network of `{program.space.name}`? There are {program.size:,}"
        raise CandidateError.of("no-candidate", message, f"give its line, such as `{first}`")
    return first


def parse_candidate(program: Program, text: str) -> Candidate:
    """The candidate of a line; the inverse of `str(candidate)`.

    The space's name may be left out, and so may the variant where the number of options tells it.

    Raises:
        CandidateError: another space, an unknown variant, a wrong number of options, or an unknown option.
    """
    head, colon, body = text.strip().rpartition(":")
    name, _, label = (part.strip() for part in head.partition("/"))
    if colon and name and name != program.space.name:
        raise CandidateError.of(
            "bad-candidate",
            f"`{text}` is a candidate of `{name}`, not of `{program.space.name}`",
            "give it that space's file",
        )
    words = [w.strip() for w in body.split("-")] if body.strip() else []
    position = _position(program, text, label, len(words))
    variant = program.variants[position]
    row: list[int] = []
    for (name, start, _), word in zip(_words(program, variant), words, strict=True):
        if name in program.space.cells:
            from spaces.program.cell_text import read_cell_word

            cell = program.space.cells[name]
            row += map(list(cell.operators).index, read_cell_word(cell, word))
        else:
            row.append(_option(variant.decisions[start], word))
    return Candidate(program.space.name, position, tuple(row), program)


def _position(program: Program, text: str, label: str, words: int) -> int:
    variants = list(program.variants)
    if label and label not in program.by_label:
        message = f"`{program.space.name}` has no variant `{label}`"
        raise CandidateError.of("bad-candidate", message, program.variants_hint)
    lengths = [len(_words(program, v)) for v in variants]
    fitting = [v for v in range(len(variants)) if lengths[v] == words]
    if label:
        fitting = [v for v in fitting if v == program.by_label[label]]
    if not fitting:
        wanted = sorted({lengths[program.by_label[label]]} if label else set(lengths))
        raise CandidateError.of(
            "bad-candidate", f"`{text}` has {words} options", f"a network of this space has {_either(wanted)} of them"
        )
    if len(fitting) > 1:
        known = ", ".join(variants[v].label for v in fitting[:20])
        hint = f"write `{program.space.name}/VARIANT: ...` with one of {known}"
        raise CandidateError.of("bad-candidate", f"`{text}` fits {len(fitting)} variants", hint)
    return fitting[0]


def _either(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))


def _option(decision: Decision, word: str) -> int:
    known = [option_label(v) for v in decision.options]
    if word not in known:
        hint = f"its options are {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
        raise CandidateError.of("bad-candidate", f"{decision.label} cannot be {word or 'empty'}", hint)
    return known.index(word)
