"""The file form of a target, and its reader.

A target is one entry of a YAML file, the same in the catalogue (`spaces/targets/*.yaml`, each a list of entries) and in
a user's own file (one entry):

    name: my_board
    core: Cortex-M4F
    clock: 120 MHz
    flash: 1 MiB                       # or {QSPI flash: 8 MiB at 0x60000000}, several named regions; `external`
                                       # in place of a size where there is none but the board's, which --rom gives
    ram: {SRAM: 256 KiB, CCM: 64 KiB}  # or one size
    activations: SRAM                  # the regions that may hold activations; all of `ram` when left out
    title: ...                         # optional, as are parts, boards, source, runtime, boot, header
    runtime: {conv: 1200 B}            # code bytes per operator kind, the cs_t of EBS Eq. 3
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from spaces.errors import Span, TargetError, did_you_mean
from spaces.language.keys import KEY, Keys, Mistake, placed, validate_keys
from spaces.language.source import Path_, read_yaml
from spaces.language.values import Clock, Name, Text, mapping, quantity, show
from spaces.targets.target import Region, Target, plain_name
from spaces.units import parse_bytes

__all__ = ["TargetKeys", "read_target", "read_targets"]

_PLACED = re.compile(r"(?P<size>.+?) +at +(?P<address>\S+)")
#: In place of the size of a flash: it is the board's, and --rom says how much there is.
_EXTERNAL = "external"
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{1,8}")
_SIZE: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]}


def _places(value: Any, info: ValidationInfo) -> dict[str, Any]:
    """A mapping of names to places, or one place, for a region named after the key."""
    key = str(info.field_name)
    if value == {}:
        raise Mistake("wrong-type", f"`{key}` names no memory", f"for example `{TargetKeys.example(key)}`")
    return value if isinstance(value, dict) else {key: value}


def _size_and_address(value: Any) -> tuple[Any, str | None]:
    """A size alone, or with an address as in `512 KiB at 0x24000000`."""
    match = _PLACED.fullmatch(value) if isinstance(value, str) else None
    return (match["size"], match["address"]) if match else (value, None)


def _flash_size(value: Any) -> int:
    return 0 if value == _EXTERNAL else quantity(parse_bytes, value)


def _address(value: str | None) -> int | None:
    if value is None or _ADDRESS.fullmatch(value):
        return None if value is None else int(value, 16)
    hint = "write at most 8 hexadecimal digits, for example `0x20000000`"
    raise Mistake("wrong-address", f"{show(value)} is not an address", hint)


def _word(value: Any, info: ValidationInfo) -> str:
    if isinstance(value, str) and plain_name(value):
        return value
    example = f"for example `{info.field_name}: [ABC123]`"
    hint = "put it in quotes" if isinstance(value, bool | int | float) else example
    raise Mistake("wrong-type", f"`{KEY}` must be texts, not {show(value)}", hint)


def _header_word(value: Any) -> int:
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return int(value, 16)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        return value
    raise Mistake("wrong-value", f"{show(value)} is no word of 32 bits", "write hexadecimal digits, such as 0x1ff")


def _code_bytes(value: Any) -> int:
    # An operator without code of its own is worth saying, and the only size that may be 0.
    return 0 if value == 0 and value is not False else quantity(parse_bytes, value)


_Size = Annotated[int, BeforeValidator(partial(quantity, parse_bytes))]
_FlashSize = Annotated[int, BeforeValidator(_flash_size)]
_Address = Annotated[int | None, BeforeValidator(_address)]
_SCHEMA = WithJsonSchema(
    {"anyOf": [*_SIZE["anyOf"], {"type": "object", "additionalProperties": _SIZE, "minProperties": 1}]}
)
_Ram = Annotated[
    dict[str, Annotated[tuple[_Size, _Address], BeforeValidator(_size_and_address)]], BeforeValidator(_places), _SCHEMA
]
_Flash = Annotated[
    dict[str, Annotated[tuple[_FlashSize, _Address], BeforeValidator(_size_and_address)]],
    BeforeValidator(_places),
    _SCHEMA,
]
_Words = Annotated[
    tuple[Annotated[str, BeforeValidator(_word)], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else (value,)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
_HeaderWord = Annotated[int, BeforeValidator(_header_word)]
_Header = Annotated[
    tuple[_HeaderWord, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else (value,)),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}}),
]
_Code = Annotated[int, BeforeValidator(_code_bytes), WithJsonSchema(_SIZE)]


class TargetKeys(Keys):
    """A microcontroller, or a board that carries one."""

    what = "a target"
    begins = "name: my_board"

    name: Name = Field(examples=["my_board"], description="by which it is asked for")
    core: Text = Field(examples=["Cortex-M4F"], description="of the processor that runs the network")
    clock: Clock = Field(examples=["100 MHz"], description="the highest")
    flash: _Flash = Field(
        examples=["1 MiB"],
        description="one size, or regions; `at 0x08000000` gives an address; `external` is the size that --rom gives",
    )
    ram: _Ram = Field(examples=["256 KiB"], description="one size, or regions; `at 0x20000000` gives an address")
    title: Text = Field(default_factory=str, description="the name it is shown with")
    activations: _Words = Field(
        default_factory=tuple, description="regions of `ram` that may hold activations; all by default"
    )
    parts: _Words = Field(
        default_factory=tuple, description="part numbers, as prefixes in which `?` is any one character"
    )
    boards: _Words = Field(default_factory=tuple, description="names of boards")
    source: Text = Field(default_factory=str, description="the document behind the figures")
    runtime: Annotated[dict[str, _Code], mapping("map operator kinds to code bytes", "runtime: {conv: 1200 B}")] = (
        Field(default={}, description="code bytes per operator kind, the cs_t of EBS Eq. 3")
    )
    boot: Text = Field(
        default_factory=str,
        examples=["a second stage with a checksum"],
        description="what the boot ROM wants before a program, besides the vector table and `header`",
    )
    header: _Header = Field(
        default_factory=tuple,
        examples=[["0xffffded3", "0x10210142", "0x1ff", "0x0", "0xab123579"]],
        description="words that an image has behind its vector table, where the boot ROM looks for them",
    )

    @classmethod
    def across(cls, data: dict[str, Any]) -> Iterator[Mistake]:
        """Regions for activations that `ram` does not have."""
        ram, chosen = data.get("ram", {}), data.get("activations")
        names = set(ram) if isinstance(ram, dict) else {"ram"}
        for i, name in enumerate(chosen if isinstance(chosen, list) else [chosen]):
            if isinstance(name, str) and name not in names:
                at: Path_ = ("activations", i) if isinstance(chosen, list) else ("activations",)
                message = f"`ram` has no region {show(name)}"
                yield Mistake("unknown-region", message, did_you_mean(name, names), at)
        if chosen == []:
            hint = "leave the key out to allow all of `ram`"
            yield Mistake("wrong-value", "`activations` names no region", hint, ("activations",))

    def target(self) -> Target:
        """What the keys say."""
        usable = self.activations or self.ram
        flash = [
            Region(name, "flash", size, False, source=self.source, address=at, external=not size)
            for name, (size, at) in self.flash.items()
        ]
        ram = [
            Region(name, "ram", size, name in usable, source=self.source, address=at)
            for name, (size, at) in self.ram.items()
        ]
        return Target(
            title=self.title or self.name,
            clock_hz=self.clock,
            regions=(*flash, *ram),
            **self.model_dump(include={"name", "core", "parts", "boards", "source", "runtime", "boot", "header"}),
        )


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
    with placed(TargetError):
        source = read_yaml(text, file)
        if isinstance(source.data, list):
            hint = "write the keys from the first column on, without `- `"
            message = "a target file holds one target, not a list"
            raise TargetError.of("wrong-type", message, hint, source.span())
        return validate_keys(TargetKeys, source).target()


def read_targets(text: str, file: str) -> tuple[tuple[Target, Span], ...]:
    """Read the text of a catalogue file: a list of entries.

    Returns:
        Each with the place of its name.

    Raises:
        TargetError: every mistake found in the first malformed entry, each with its place.
    """
    with placed(TargetError):
        source = read_yaml(text, file)
        places = [(i,) for i in range(len(source.data))]
        return tuple((validate_keys(TargetKeys, source, i).target(), source.span((*i, "name"))) for i in places)
