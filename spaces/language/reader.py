"""Give a document its meaning: from validated YAML to a Space, reporting every mistake of the file at once."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from spaces.blocks import BLOCKS, Block
from spaces.errors import SpaceError, did_you_mean
from spaces.files import read_text
from spaces.language.constraint_names import check_constraint
from spaces.language.document import InputKeys, read_document
from spaces.language.expressions import Expression, parse
from spaces.language.groups import read_group, read_switch
from spaces.language.layer import Choice, LayerSpec, Repeat
from spaces.language.library import find_space
from spaces.language.reading import RESERVED, Reading
from spaces.language.settings import Settings
from spaces.language.source import Path_, is_list, is_mapping
from spaces.language.space import DERIVED, Item, Space, has_decided_depth
from spaces.tensors import DTYPES, Infeasible, Shape, Tensor

__all__ = ["load_space", "read_space"]

#: What may stand beside a block.
_BESIDE = ("repeat", "numbered", "dtype", "bias", "batch_norm")


def load_space(name: str | Path, overrides: Iterable[str] = ()) -> Space:
    """Load a space by path or library name.

    Args:
        name: `spaces/dscnn.yaml`, or `dscnn` for a library space.
        overrides: `key.path=value` strings, such as `choices.M.step=56`.

    Raises:
        SpaceError: all mistakes of the file, each with its place and remedy.
    """
    path = find_space(str(name))
    return read_space(read_text(path), str(path), overrides, path.parent)


def read_space(text: str, file: str = "<text>", overrides: Iterable[str] = (), folder: Path | None = None) -> Space:
    """Read a space from YAML text; see `load_space`."""
    document = read_document(text, file, overrides, folder)
    return _SpaceReader(document).space()


def _as_text(space: Space) -> tuple[Any, ...]:
    return read_space, (space.text, space.document.source.file)


# A space is pickled by whoever can read it again: no module reaches itself, so its own cannot.
copyreg.pickle(Space, _as_text)


class _SpaceReader(Reading):
    """Gives a document its meaning, collecting every mistake."""

    def space(self) -> Space:
        header = self.header
        tensor = self.input(header.input)
        for name, data in header.choices.items():
            self.choice(name, data)
        if header.cells:
            self.read_cells(header.cells)
        network = self.items(header.network, ("network",), grouped=False)
        constraints = [self.constraint(i, text, network) for i, text in enumerate(header.constraints)]
        if not self.mistakes:
            self.check_used()
        if self.mistakes:
            raise SpaceError(self.mistakes)
        settings = Settings(header.dtype, header.bias, header.batch_norm == "kept", header.count_activations)
        return Space(
            header.space, header.doc, tensor, settings, header.ram_model, choices=self.choices, network=network,
            constraints=tuple(c for c in constraints if c), document=self.document, cells=self.cells,
            thin=tuple(header.thin),
)  # fmt: skip

    def read_cells(self, cells: dict[str, Any]) -> None:
        from spaces.language.cells import read_cell

        for name, data in cells.items():
            self.cells |= read_cell(self, name, data)

    def input(self, keys: InputKeys) -> Tensor:
        dtype = keys.dtype or self.header.dtype
        if keys.length is not None:
            if keys.height or keys.width:
                self.fail("bad-input", "give `length` (a series) or `height` and `width` (an image)", ("input",))
            return Tensor(Shape(keys.channels, 1, keys.length), dtype, 1)
        if (keys.height is None) != (keys.width is None):
            missing = "height" if keys.height is None else "width"
            self.fail("missing-key", f"the key `input.{missing}` is missing", ("input",), f"add `{missing}:`", key=True)
        return Tensor(Shape(keys.channels, keys.height or 1, keys.width or 1), dtype, 2 if keys.height else 0)

    # -- choices -------------------------------------------------------------------------------------------------

    def choice(self, name: str, data: Any) -> None:
        path = ("choices", name)
        if not name.isidentifier() or not name.isascii():
            self.fail("bad-name", f"`{name}` is not a name", path, "use letters, digits and `_`", key=True)
        elif name in RESERVED:
            self.fail("reserved-name", f"`{name}` has a meaning of its own", path, "choose another name", key=True)
        shared: bool | str = False
        if is_mapping(data):
            shared = data.get("shared", False)
            if not isinstance(shared, bool) and shared != "group":
                self.fail("wrong-value", "`shared` must be true, false or `group`", (*path, "shared"))
                shared = False
            data = {k: v for k, v in data.items() if k != "shared"}
        options = self.options(data, path)
        self.choices[name] = Choice(name, options, shared, self.source.span(path, key=True))

    # -- network -------------------------------------------------------------------------------------------------

    def items(self, data: Any, path: Path_, grouped: bool) -> tuple[Item, ...]:
        if not is_list(data) or not data:
            self.fail("empty-network", "a list of blocks belongs here", path, "for example `- linear: {units: 10}`")
            return ()
        items = [self.item(item, (*path, i), grouped) for i, item in enumerate(data)]
        return tuple(i for i in items if i)

    def item(self, data: Any, path: Path_, grouped: bool) -> Item | None:
        if isinstance(data, str):
            data = {data: None}
        if not is_mapping(data):
            self.fail("wrong-type", "a block is a name with parameters", path, "for example `- linear: {units: 10}`")
            return None
        repeat = self.repeat(data.get("repeat", 1), (*path, "repeat"))
        if "cell" in data:
            from spaces.language.cells import read_cell_use

            return read_cell_use(self, data, path, repeat)
        if "switch" in data or "cases" in data:
            return read_switch(self, data, path, grouped)
        if "group" in data or "blocks" in data:
            return read_group(self, data, path, repeat)
        return self.layer(data, path, repeat, grouped)

    def layer(self, data: dict[str, Any], path: Path_, repeat: Repeat, grouped: bool) -> LayerSpec | None:
        names = [k for k in data if k in BLOCKS]
        for key in data:
            if key not in BLOCKS and key not in _BESIDE:
                hint = did_you_mean(key, BLOCKS if not names else _BESIDE)
                what = f"unknown key `{key}` beside `{names[0]}`" if names else f"unknown block `{key}`"
                code = "unknown-key" if names else "unknown-block"
                self.fail(code, what, (*path, key) if (*path, key) in self.keys() else path, hint, key=True)
                return None
        if len(names) != 1:
            self.fail_blocks(names, data, path)
            return None
        block = BLOCKS[names[0]]
        arguments = self.arguments(block, data[block.name], (*path, block.name), grouped)
        numbered, bias, norm = (self.flag(data, key, path) for key in ("numbered", "bias", "batch_norm"))
        dtype = self.dtype(data.get("dtype"), (*path, "dtype"), grouped)
        span = self.source.span((*path, block.name), key=True)
        return LayerSpec(
            block, arguments, numbered, dtype=dtype, repeat=repeat, span=span, bias=bias, batch_norm=norm is not False
        )

    def keys(self) -> set[Path_]:
        return {path for path, kind in self.source.spans if kind == "key"}

    def fail_blocks(self, names: list[str], data: dict[str, Any], path: Path_) -> None:
        """An entry that has not exactly one block."""
        if names or not data:
            message = f"{len(names)} blocks in one entry"
            self.fail("one-block", message, path, "start each block with a `-` of its own")
            return
        key = next(iter(data))
        hint = f"it stands beside one, in the same entry: `- linear: {{units: 10}}`, below it `{key}: ...`"
        if key == "batch_norm":
            hint = (
                "each convolution has its own already; `batch_norm: false` beside a block leaves it out, and the block "
                "`norm` is one that follows no convolution"
            )
        self.fail("one-block", f"`{key}` is no block", path, hint)

    def dtype(self, data: Any, path: Path_, grouped: bool) -> Any:
        if data is None or (isinstance(data, str) and data in DTYPES):
            return data
        if isinstance(data, str) and data in self.choices and set(self.choices[data].options) <= set(DTYPES):
            return self.expression(data, path, grouped)
        self.fail("wrong-value", f"`dtype` must be one of {', '.join(DTYPES)}, or a choice of them", path)
        return None

    def arguments(self, block: Block, data: Any, path: Path_, grouped: bool) -> dict[str, Any]:
        if data is None:
            data = {}
        if not is_mapping(data):
            name = next(iter(block.params), None)
            hint = f"write `{block.name}: {{{name}: ...}}`" if name else f"`{block.name}` has no parameters"
            self.fail("wrong-type", f"`{block.name}` takes parameters by name", path, hint)
            return {}
        arguments: dict[str, Any] = {}
        for key, value in data.items():
            if key not in block.params:
                hint = did_you_mean(key, block.params) if block.params else f"`{block.name}` has no parameters"
                if key in _BESIDE:
                    hint = f"it stands beside the block, in the same entry: below `- {block.name}: ...` `{key}: ...`"
                self.fail("unknown-key", f"`{block.name}` has no parameter `{key}`", (*path, key), hint, key=True)
            else:
                arguments[key] = self.argument(block, key, value, (*path, key), grouped)
        # A misspelt parameter is one mistake, not also a missing one.
        for key in block.params if set(data) <= set(block.params) else ():
            if key not in block.defaults and key not in arguments:
                self.fail("missing-key", f"`{block.name}` needs `{key}`", path, f"add `{key}:`", key=True)
        return arguments

    def argument(self, block: Block, key: str, value: Any, path: Path_, grouped: bool) -> Any:
        """A literal the block understands, an Expression, or a tuple with Expressions inside."""
        kind = block.params[key]
        before = len(self.mistakes)
        if is_list(value):
            value = tuple(self.part(v, (*path, i), grouped) for i, v in enumerate(value))
            if any(isinstance(v, Expression) for v in value):
                return value
        else:
            value = self.part(value, path, grouped, kind.words)
        if isinstance(value, Expression) or len(self.mistakes) > before:
            return value
        try:
            return kind.read(value)
        except TypeError:
            fraction = isinstance(value, Fraction)
            given, hint = f", not {value}" if fraction else "", "use `//`, `floor` or `ceil`" if fraction else ""
            self.fail("wrong-type", f"`{key}` must be {kind.expected}{given}", path, hint)
        except Infeasible as reason:
            self.fail("bad-value", f"`{key}`: {reason}", path)
        return None

    def part(self, value: Any, path: Path_, grouped: bool, words: tuple[str, ...] = ()) -> Any:
        if not isinstance(value, str) or value in words:
            return value
        expression = self.expression(value, path, grouped, words)
        if expression is None or expression.names:
            return expression
        try:
            return expression.evaluate({})
        except SpaceError as error:
            self.mistakes.extend(error.diagnostics)
            return None

    # -- constraints ---------------------------------------------------------------------------------------------

    def constraint(self, position: int, text: str, network: tuple[Item, ...]) -> Expression | None:
        path = ("constraints", position)
        try:
            expression = parse(text, self.source.span(path))
        except SpaceError as error:
            self.mistakes.extend(error.diagnostics)
            return None
        edges = {c.name: Choice(c.name, tuple(c.operators), False, self.source.span(path)) for c in self.cells.values()}
        choices = {name: choice for name, choice in self.choices.items() if not choice.cell}
        self.mistakes.extend(check_constraint(expression, {**choices, **edges}))
        layers = sorted(expression.names & {*DERIVED, "depth"})
        if layers and has_decided_depth(network):
            message = f"`{layers[0]}` speaks of numbered layers, and in a group with a `depth` some are absent"
            self.fail("no-fixed-layers", message, path, "say it of decisions or costs")
        return expression

    def check_used(self) -> None:
        for name, cell in self.cells.items():
            if cell.label(0) not in self.used:
                hint = "use it in the network, or remove it"
                self.fail("unused-cell", f"the cell `{name}` is never used", ("cells", name), hint, key=True)
        for name, choice in self.choices.items():
            if name not in self.used and not choice.cell:
                hint = "use it in the network, or remove it"
                self.fail("unused-choice", f"the choice `{name}` is never used", ("choices", name), hint, key=True)
