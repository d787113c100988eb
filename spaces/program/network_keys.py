"""Which candidates are the same network: a key of what a candidate is lowered to.

Two candidates have one key where their operators compute the same, with weights tied operator by operator:

* what passes its input on unchanged is not there (an identity, a pooling of one element, a whole split), nor is what
  the output does not read;
* a sum is the multiset of its terms, however it is nested; zeros add none, and what is applied to zeros without a bias
  is zero (a batch norm of zeros is until it is trained);
* an operator with weights that several others read is one, and not several with equal settings, which have weights of
  their own.

A network is the sequence of its layers' tokens, and a layer that is a chain gives one for each operator: where
identities stand between blocks, or which of them an operator belongs to, is no part of it. Costs may depend on it: an
identity is a numbered layer, by which EBS Eq. 4 tells even from odd ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from spaces.language.cell import Cell
from spaces.language.layer import LayerSpec
from spaces.operators import OPERATORS, Op, Ops
from spaces.operators.activations import ACTIVATIONS
from spaces.program.candidate import Candidate
from spaces.program.graph import Program
from spaces.program.lowering import lower_layer
from spaces.program.variants import Layer, Variant
from spaces.tensors import Shape, Tensor

__all__ = ["Key", "LayerUse", "NetworkKeys", "distinct", "layer_uses"]

#: Tokens from input to output.
Key = tuple[int, ...]

#: What flows between operators: the sum of these operators' outputs, 0 being the input of the layer.
Terms = tuple[int, ...]

#: The form of a cell, given the operator of each edge: `spaces.program.isomorphism` has two.
CellForm = Callable[[Cell, Sequence[str]], Hashable]


class NetworkKeys:
    """The keys of a program's candidates; two are equal exactly where the networks are.

    Keys of different `NetworkKeys` are not comparable.

    Args:
        program: the compiled space.
        cell_form: what tells cells apart that are no plain chain of operators; without it their operators do, as those
            of every other layer.

    Example:
        >>> from spaces.language.reader import read_space
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> text = '''
        ... space: s
        ... input: {channels: 3, height: 8, width: 8}
        ... choices: {P: [1, 2], Q: [1, 2]}
        ... network:
        ...   - max_pool: {kernel: P, stride: P}
        ...   - max_pool: {kernel: Q, stride: Q}
        ...   - conv: {filters: 4}
        ... '''
        >>> program = compile_space(read_space(text))
        >>> keys = NetworkKeys(program)
        >>> a, b, c = (keys.of(parse_candidate(program, line)) for line in ("2-1", "1-2", "2-2"))
        >>> a == b, a == c
        (True, False)
    """

    def __init__(self, program: Program, cell_form: CellForm | None = None) -> None:
        self.program, self._cell_form = program, cell_form
        self._numbers: dict[Hashable, int] = {}
        self._tensors: dict[Tensor, int] = {program.space.input: 0}
        self._layers: dict[Hashable, tuple[Tensor, Key]] = {}
        self._chains: set[int] = set()
        self._formed: dict[int, Key] = {}
        self._meanings: dict[Hashable, tuple[int, bool]] = {}

    def of(self, candidate: Candidate) -> Key:
        """The key of a candidate of the program."""
        return self(candidate.position, [candidate.row])[0]

    def all(self, candidates: Sequence[Candidate]) -> list[Key]:
        """The keys of many candidates of the program, much faster than one after another."""
        result: list[Key] = [()] * len(candidates)
        for position in {c.position for c in candidates}:
            here = [k for k, c in enumerate(candidates) if c.position == position]
            for k, key in zip(here, self(position, [candidates[k].row for k in here]), strict=True):
                result[k] = key
        return result

    def __call__(self, position: int, rows: Sequence[Sequence[int]]) -> list[Key]:
        """The keys of the candidates of a variant, by its position, with these options; each a possible network.

        Layer after layer for all of them, about 10 microseconds for each candidate; a layer is lowered once.
        """
        columns = list(zip(*rows, strict=True))
        tensors, keys = [0] * len(rows), [()] * len(rows)
        last, before, found = None, tensors, list[tuple[int, Key]]()
        for use in self._variants[position]:
            # A layer repeated that gives the tensors it is given does again what it did.
            if use is not last or tensors != before:
                known = use.known
                chosen = zip(tensors, *(columns[place] for place in use.places), strict=True)
                found = [known[one] if one in known else self._new(use, one) for one in chosen]
            last, before, tensors = use, tensors, [out for out, _ in found]
            keys = [key + tokens if tokens else key for key, (_, tokens) in zip(keys, found, strict=True)]
        return keys

    @cached_property
    def _variants(self) -> list[list[LayerUse]]:
        return [layer_uses(variant) for variant in self.program.variants]

    def _new(self, use: LayerUse, chosen: tuple[int, ...]) -> tuple[int, Key]:
        """What a layer makes of a tensor, by its number, and of options: the number of its output, and its tokens."""
        x, options = list(self._tensors)[chosen[0]], chosen[1:]
        if use.layer.present and not use.layer.present.holds(use.values(options)):
            out, tokens = x, ()
        elif (form := self._form(use, options)) is None:
            out, tokens = self._lowered(use, x, options)
        else:
            meaning, keeps = self._meaning(use.layer.spec, x)
            place = self._number((meaning, form))
            if place not in self._formed:
                # A chain is the operators that it is made of, wherever else they stand.
                self._formed[place] = self._lowered(use, x, options)[1] if form in self._chains else (place,)
            tokens = self._formed[place]
            # Most cells give the tensor that they are given, and many are asked for.
            out = x if keeps else self._lowered(use, x, options)[0]
        use.known[chosen] = self._tensors.setdefault(out, len(self._tensors)), tokens
        return use.known[chosen]

    def _lowered(self, use: LayerUse, x: Tensor, options: tuple[int, ...]) -> tuple[Tensor, Key]:
        """The output of a layer on a tensor, and the tokens of its operators."""
        named = use.named(options)
        place = id(use.layer.spec), x, tuple(named.items())
        if place not in self._layers:
            out, ops = lower_layer(self.program.space, use.layer, x, named)
            self._layers[place] = out, self._tokens(ops, x, out)
        return self._layers[place]

    def _form(self, use: LayerUse, options: tuple[int, ...]) -> int | None:
        """A number for the form of a cell; None for every other layer."""
        cell = use.layer.spec.block.edges
        if not self._cell_form or not isinstance(cell, Cell):
            return None
        if options not in use.forms:
            named = use.named(options)
            form = self._cell_form(cell, [named[cell.label(k)] for k in range(len(cell.edges))])
            number = use.forms[options] = self._number(form)
            if is_chain(form):
                self._chains.add(number)
        return use.forms[options]

    def _meaning(self, spec: LayerSpec, x: Tensor) -> tuple[int, bool]:
        """A number for what a cell's operators do to a tensor, and whether all of them keep its type and shape."""
        cell = spec.block.edges
        assert isinstance(cell, Cell)
        place = id(cell), spec.dtype, x
        if place not in self._meanings:
            ops = {name: cell.operator(name, x.shape) for name in cell.operators}
            keeps = all(not some or some[-1].out == x.shape for some in ops.values())
            keeps = keeps and spec.dtype is None and x.dtype == self.program.space.settings.dtype
            self._meanings[place] = self._number((x, spec.dtype, tuple(ops.items()))), keeps
        return self._meanings[place]

    def _number(self, what: Hashable) -> int:
        return self._numbers.setdefault(what, len(self._numbers))

    # -- the operators of a layer ----------------------------------------------------------------------------------

    def _tokens(self, ops: Ops, x: Tensor, out: Tensor) -> Key:
        nodes, output = self._reduced(ops, x.shape, (x.dtype, out.dtype))
        nodes = _live(nodes, output)
        result: list[int] = []
        start, shape, part = 0, x.shape, dict[int, _Node]()
        least = _least(nodes, output)
        for k, node in nodes.items():
            part[k] = node
            if least[k] >= k:
                # Whatever follows reads nothing that came before this operator's output.
                result.append(self._token(part, start, shape, (k,)))
                start, shape, part = k, node.out, {}
        if part or output != (start,):
            result.append(self._token(part, start, shape, output))
        return tuple(result)

    def _reduced(self, ops: Ops, x: Shape, dtypes: tuple[str, str]) -> tuple[dict[int, _Node], Terms]:
        """The operators that change something, by their numbers, and the terms of the output."""
        settings = self.program.space.settings
        terms: list[Terms] = [(0,)]
        shapes, nodes, once = [x, *(op.out for op in ops)], dict[int, _Node](), dict[Hashable, int]()
        for k, op in enumerate(ops, start=1):
            kind, own = OPERATORS[op.kind], shapes[op.inputs[0]]
            operands = tuple(terms[source] for source in op.inputs)
            if not kind.joins:
                operands = (sum(operands, ()),)
            plain = op.activation == "none"
            zero = not any(operands) and not settings.has_bias(op)
            if kind.zero or (zero and (plain or not ACTIVATIONS[op.activation].at_zero)):
                terms.append(())
            elif plain and kind.passes(op, own):
                terms.append(sum(operands, ()))
            else:
                label = (kind.runs_as(op, own), *dtypes, *_settings(op), settings.has_bias(op))
                same = k
                if not op.has_weights and not op.norm:
                    # What has nothing of its own gives the same wherever it reads the same.
                    same = once.setdefault((label, tuple(tuple(sorted(operand)) for operand in operands)), k)
                nodes.setdefault(same, _Node(label, operands, op.out))
                terms.append((same,))
        return nodes, terms[-1]

    def _token(self, nodes: Mapping[int, _Node], start: int, x: Shape, output: Terms) -> int:
        """A number for a graph of operators between one tensor and the sum of some others, however it is numbered."""
        colours = self._refined(nodes, start, output, {})
        while (tied := _tied(colours)) is not None:
            # One of several operators alike is as good as another; where they were not, equal graphs stay unequal.
            colours = self._refined(nodes, start, output, {**colours, tied: -1})
        edges = sorted((colours[k], node.label, node.coloured(colours)) for k, node in nodes.items())
        # Labels alone order nothing that colours do not, which all differ.
        return self._number((x, tuple(edges), tuple(sorted(colours[k] for k in output))))

    def _refined(
        self, nodes: Mapping[int, _Node], start: int, output: Terms, before: Mapping[int, int]
    ) -> dict[int, int]:
        """A colour per operator, by what it is, what it reads and what reads it, until no more differ."""
        colours = {start: -2, **{k: self._number((before.get(k), node.label)) for k, node in nodes.items()}}
        different = 0
        while (now := len(set(colours.values()))) > different:
            different = now
            readers: dict[int, list[Any]] = {k: [] for k in colours}
            for k in output:
                readers[k].append((-1,))
            for k, node in nodes.items():
                for place, operand in enumerate(node.operands):
                    for source in operand:
                        readers[source].append((colours[k], place))
            colours = {start: -2} | {
                k: self._number((colours[k], node.coloured(colours), tuple(sorted(readers[k]))))
                for k, node in nodes.items()
            }
        return colours


class LayerUse:
    """A layer of a variant, and what is known of it.

    Attributes:
        places: of the decisions that it depends on.
        known: number of its input, and options -> number of its output, and tokens.
        forms: options -> a number for the form of its cell.
    """

    def __init__(self, variant: Variant, layer: Layer) -> None:
        self.layer = layer
        self.known: dict[tuple[int, ...], tuple[int, Key]] = {}
        self.forms: dict[tuple[int, ...], int] = {}
        self._constants = {n: variant.constants[n] for n in layer.spec.names if n in variant.constants}
        self._decisions = {d.label: (k, d) for k, d in enumerate(variant.decisions) if d.label in layer.labels}
        self.places = [k for k, _ in self._decisions.values()]

    def values(self, options: Sequence[int]) -> dict[str, Any]:
        """Label -> value of the decisions that it depends on."""
        return {label: d.options[k] for (label, (_, d)), k in zip(self._decisions.items(), options, strict=True)}

    def named(self, options: Sequence[int]) -> dict[str, Any]:
        """Name -> value of what its block uses."""
        values = self.values(options)
        return {**self._constants, **{name: values[label] for name, label in self.layer.bindings.items()}}

    def deciding(self, name: str) -> tuple[int | None, tuple[Any, ...]]:
        """Which of `places` decides a name that its block uses, and the values it has by option; None: one value."""
        if name not in self.layer.bindings:
            return None, (self._constants[name],)
        place, decision = self._decisions[self.layer.bindings[name]]
        return self.places.index(place), tuple(decision.options)


def layer_uses(variant: Variant) -> list[LayerUse]:
    """A use per layer; repeated layers that share their decisions share it, and places of one cell its forms."""
    known: dict[Hashable, LayerUse] = {}
    forms: dict[Hashable, dict[tuple[int, ...], int]] = {}
    result: list[LayerUse] = []
    for layer in variant.layers:
        place = id(layer.spec), tuple(layer.bindings.items()), id(layer.present)
        use = known.setdefault(place, LayerUse(variant, layer))
        use.forms = forms.setdefault((id(layer.spec.block.edges), tuple(use.places)), use.forms)
        result.append(use)
    return result


class _Node(NamedTuple):
    """An operator that changes something: what it is, what it reads, its output's shape."""

    label: tuple[Any, ...]
    operands: tuple[Terms, ...]
    out: Shape

    def coloured(self, colours: Mapping[int, int]) -> tuple[tuple[int, ...], ...]:
        """What it reads, by colours; terms commute, operands do not."""
        return tuple(tuple(sorted(colours[k] for k in operand)) for operand in self.operands)


def _settings(op: Op) -> tuple[Any, ...]:
    """All of an operator that its output depends on, but its kind, its bias and its operands."""
    return (
        op.out, op.weights, op.activation, op.kernel, op.stride, op.pads, op.groups, op.norm, op.scale, op.part,
    )  # fmt: skip


def _live(nodes: Mapping[int, _Node], output: Terms) -> dict[int, _Node]:
    """The operators that the output depends on, in their order."""
    wanted, found = list(output), set[int]()
    while wanted:
        k = wanted.pop()
        if k and k not in found:
            found.add(k)
            wanted += sum(nodes[k].operands, ())
    return {k: node for k, node in nodes.items() if k in found}


def _least(nodes: Mapping[int, _Node], output: Terms) -> dict[int, int]:
    """Per operator, the first of those whose output is read behind it."""
    result: dict[int, int] = {}
    least = min(output, default=0)
    for k, node in reversed(list(nodes.items())):
        result[k] = least
        least = min((least, *sum(node.operands, ())))
    return result


def _tied(colours: Mapping[int, int]) -> int | None:
    """The first operator of the least colour that several have."""
    found: dict[int, list[int]] = {}
    for k, colour in colours.items():
        found.setdefault(colour, []).append(k)
    return min(((colour, some[0]) for colour, some in found.items() if len(some) > 1), default=(0, None))[1]


def is_chain(form: Hashable) -> bool:
    """Whether a form of a cell has neither sums nor zeros.

    Example:
        >>> is_chain("((0)@conv)@pool"), is_chain("(0)@conv+0"), is_chain(())
        (True, False, False)
    """
    if isinstance(form, str):
        return not set(form) & {"+", "#"}
    assert isinstance(form, tuple)
    return len(form) == 1 and (form[0] == ("input", ()) or is_chain(form[0][1]))


def distinct(candidates: Iterable[Candidate], keys: NetworkKeys) -> Iterator[Candidate]:
    """The candidates without those that are the same network as one before.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.candidate import candidate_of
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("mlp2"))
        >>> two = [candidate_of(program, 0, row) for row in ((0, 1), (1, 0))]
        >>> [str(one) for one in distinct([*two, *two], NetworkKeys(program))]
        ['mlp2: 16-32', 'mlp2: 32-16']
    """
    seen: set[Key] = set()
    waiting = iter(candidates)
    # Many at once take a fraction of the time; few at first, for whoever wants few.
    size = 16
    while block := list(islice(waiting, size)):
        for candidate, key in zip(block, keys.all(block), strict=True):
            if key not in seen:
                seen.add(key)
                yield candidate
        size = min(2 * size, 4096)
