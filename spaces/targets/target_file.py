"""The file form of a target, and its reader.

A target is one entry of a YAML file, the same in the catalogue (`spaces/targets/*.yaml`, each a list of entries) and in
a user's own file (one entry):

    name: my_board
    core: Cortex-M4F
    clock: 120 MHz
    flash: 1 MiB                       # or {QSPI flash: 8 MiB at 0x60000000}, several named regions
    ram: {SRAM: 256 KiB, CCM: 64 KiB}  # or one size
    activations: SRAM                  # the regions that may hold activations; all of `ram` when left out
    title: ...                         # optional, as are parts, boards, source, runtime
    runtime: {conv: 1200 B}            # code bytes per operator kind, the cs_t of EBS Eq. 3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from spaces.errors import Diagnostic, SpaceError, Span, TargetError, UnitError, did_you_mean
from spaces.language.source import Path_, Source, read_yaml
from spaces.targets.target import Region, Target, plain_name
from spaces.units import parse_bytes, parse_hz

__all__ = ["read_target", "read_targets"]

_REQUIRED = {
    "name": "name: my_board",
    "core": "core: Cortex-M4F",
    "clock": "clock: 100 MHz",
    "flash": "flash: 1 MiB",
    "ram": "ram: 256 KiB",
}
_KEYS = (*_REQUIRED, "title", "activations", "parts", "boards", "source", "runtime")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}")
_PLACED = re.compile(r"(?P<size>.+?) +at +(?P<address>\S+)")
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{1,8}")


def read_target(text: str, file: str) -> Target:
    """Read the text of a user's target file: one entry.

    Args:
        text: YAML.
        file: the name in error messages.

    Raises:
        TargetError: every mistake found, each with its place.

    Example:
        >>> text = "name: mine\\ncore: Cortex-M4F\\nclock: 64 MHz\\nram: 64 KiB\\nflash: 512 KiB\\n"
        >>> read_target(text, "mine.yaml").ram
        65536
    """
    source = _read_source(text, file)
    if isinstance(source.data, list):
        hint = "write the keys from the first column on, without `- `"
        raise TargetError(Diagnostic("wrong-type", "a target file holds one target, not a list", source.span(), hint))
    return _read_entry(source, (), source.data)


def read_targets(text: str, file: str) -> tuple[Target, ...]:
    """Read the text of a catalogue file: a list of entries.

    Raises:
        TargetError: every mistake found in the first malformed entry, each with its place.
    """
    source = _read_source(text, file)
    return tuple(_read_entry(source, (i,), entry) for i, entry in enumerate(source.data))


def _read_source(text: str, file: str) -> Source:
    try:
        return read_yaml(text, file)
    except SpaceError as error:
        raise TargetError(error.diagnostics) from None


def _read_entry(source: Source, path: Path_, data: Any) -> Target:
    if not isinstance(data, dict):
        hint = f"for example `{_REQUIRED['name']}`"
        raise TargetError(Diagnostic("wrong-type", "a target is a mapping of keys", source.span(path), hint))
    reader = _EntryReader(source, path, data)
    target = reader.target()
    if reader.mistakes:
        raise TargetError(sorted(reader.mistakes, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0)))
    return target


class _EntryReader:
    """Reads one entry, collecting every mistake; a method that found one returns an empty value."""

    def __init__(self, source: Source, path: Path_, data: dict[str, Any]) -> None:
        self.source = source
        self.path = path
        self.data = data
        self.mistakes: list[Diagnostic] = []

    def fail(self, code: str, message: str, path: Path_, hint: str = "", key: bool = False) -> None:
        self.mistakes.append(Diagnostic(code, message, self.span(path, key), hint))

    def span(self, path: Path_, key: bool = False) -> Span:
        """The place of a value, or of its key; a value that is left empty has no place, so its key stands for it."""
        value: Any = self.data
        for part in path:
            value = value[part]
        return self.source.span((*self.path, *path), key=key or value is None)

    def target(self) -> Target:
        self.check_keys()
        source, name = self.text("source"), self.name()
        return Target(
            name=name,
            title=self.text("title") or name,
            core=self.text("core"),
            clock_hz=self.quantity(parse_hz, self.data["clock"], "clock") if "clock" in self.data else 0,
            regions=(*self.regions("flash", source), *self.regions("ram", source)),
            parts=self.words("parts"),
            boards=self.words("boards"),
            source=source,
            runtime=self.runtime(),
        )

    def check_keys(self) -> None:
        for key in self.data:
            if key not in _KEYS:
                self.fail("unknown-key", f"unknown key `{key}`", (key,), did_you_mean(key, _KEYS), key=True)
        for key, example in _REQUIRED.items():
            if key not in self.data:
                self.fail("missing-key", f"the key `{key}` is missing", (), f"add for example `{example}`")

    def name(self) -> str:
        name = self.text("name")
        if name and not _NAME.fullmatch(name):
            hint = "at most 60 letters, digits, spaces and `.`, `_`, `+`, `-`, the first a letter or digit"
            self.fail("wrong-name", f"{_show(name)} is not a name", ("name",), hint)
        return name

    def text(self, key: str) -> str:
        value = self.data.get(key, "")
        if isinstance(value, str) and (value.strip() or key not in self.data):
            return value.strip()
        hint = "put it in quotes" if isinstance(value, bool | int | float) else "write a word"
        self.fail("wrong-type", f"`{key}` must be text, not {_show(value)}", (key,), hint)
        return ""

    def words(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts."""
        value = self.data.get(key, [])
        items = value if isinstance(value, list) else [value]
        for i, item in enumerate(items):
            if not isinstance(item, str) or not plain_name(item):
                path = (key, i) if isinstance(value, list) else (key,)
                hint = "put it in quotes" if isinstance(item, bool | int | float) else f"for example `{key}: [ABC123]`"
                self.fail("wrong-type", f"`{key}` must be texts, not {_show(item)}", path, hint)
        return tuple(item for item in items if isinstance(item, str))

    def quantity(self, parse: Callable[[Any], int], value: Any, *path: str) -> int:
        try:
            return parse("" if value is None else value)
        except UnitError as error:
            self.mistakes += (replace(d, span=self.span(path)) for d in error.diagnostics)
            return 0

    def regions(self, kind: Literal["flash", "ram"], source: str) -> Iterator[Region]:
        """The regions under a key: a mapping of names to places, or one place, for a region named after the key."""
        value = self.data.get(kind, {})
        usable = self.activations() if kind == "ram" else set()
        if value == {} and kind in self.data:
            self.fail("wrong-type", f"`{kind}` names no memory", (kind,), f"for example `{_REQUIRED[kind]}`")
        for name, place in value.items() if isinstance(value, dict) else [(kind, value)]:
            size, address = self.place(place, (kind, name) if isinstance(value, dict) else (kind,))
            yield Region(name, kind, size, name in usable, source=source, address=address)

    def place(self, value: Any, path: tuple[str, ...]) -> tuple[int, int | None]:
        """A size, or a size and an address as in `512 KiB at 0x24000000`."""
        match = _PLACED.fullmatch(value) if isinstance(value, str) else None
        size = self.quantity(parse_bytes, match["size"] if match else value, *path)
        if match is None:
            return size, None
        if not _ADDRESS.fullmatch(match["address"]):
            message = f"{_show(match['address'])} is not an address"
            self.fail("wrong-address", message, path, "write at most 8 hexadecimal digits, for example `0x20000000`")
            return size, None
        return size, int(match["address"], 16)

    def activations(self) -> set[str]:
        """The names of the RAM regions that may hold activations: all of them, or those that the key names."""
        ram = self.data.get("ram", {})
        names = set(ram) if isinstance(ram, dict) else {"ram"}
        chosen = self.words("activations")
        for i, name in enumerate(chosen):
            if name not in names:
                path = ("activations", i) if isinstance(self.data["activations"], list) else ("activations",)
                self.fail("unknown-region", f"`ram` has no region {_show(name)}", path, did_you_mean(name, names))
        if self.data.get("activations") == []:
            hint = "leave the key out to allow all of `ram`"
            self.fail("wrong-value", "`activations` names no region", ("activations",), hint)
        return set(chosen) if "activations" in self.data else names

    def runtime(self) -> dict[str, int]:
        value = self.data.get("runtime", {})
        if not isinstance(value, dict):
            message = f"`runtime` must map operator kinds to code bytes, not {_show(value)}"
            self.fail("wrong-type", message, ("runtime",), "for example `runtime: {conv: 1200 B}`")
            return {}
        return {kind: self.code_bytes(kind, size) for kind, size in value.items()}

    def code_bytes(self, kind: str, size: Any) -> int:
        # An operator without code of its own is worth saying, and the only size that may be 0.
        return 0 if size == 0 and size is not False else self.quantity(parse_bytes, size, "runtime", kind)


def _show(value: Any) -> str:
    text = "nothing" if value is None or value == "" else f"`{value}`"
    return text if len(text) <= 40 else text[:36] + "...`"
