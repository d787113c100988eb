"""From a YAML file to a validated document: extension, overrides, the top-level keys and their types.

The document is plain data whose every part still knows its place in a file; `spaces.language.space` gives it meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from spaces.errors import SpaceError, Span, did_you_mean
from spaces.files import read_text
from spaces.language.keys import DType, Keys, validate_keys
from spaces.language.source import Source, is_list, is_mapping, read_yaml

__all__ = ["Document", "Header", "InputKeys", "files_of", "read_document"]

#: What may stand in YAML only as an escape: `\u2028`.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


class InputKeys(Keys):
    """The `input` key: an image (channels, height, width), a series (channels, length) or a vector (channels)."""

    channels: int = Field(ge=1, le=1_000_000)
    height: int | None = Field(default=None, ge=1, le=100_000)
    width: int | None = Field(default=None, ge=1, le=100_000)
    length: int | None = Field(default=None, ge=1, le=10_000_000)
    dtype: DType | None = None


class Header(Keys):
    """The top-level keys of a space file."""

    what = "a space file"
    begins = "space: dscnn"

    space: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="name of the space")
    doc: str = Field(default="", description="what the space is and where it comes from")
    extends: str | None = Field(default=None, description="another space (a name or a relative path) to build on")
    input: InputKeys
    dtype: DType = Field(default="float32", description="weights and activations; a layer may override it")
    bias: bool = Field(default=False, description="count a bias per output channel of convolutions and linear layers")
    batch_norm: Literal["folded", "kept"] = Field(
        default="folded", description="`kept` stores a scale and a shift per channel of every convolution"
    )
    count_activations: bool = Field(default=False, description="FLOPs include one operation per activated output")
    ram_model: Literal["pingpong", "liveness"] = Field(default="pingpong", description="which RAM the budget limits")
    choices: dict[str, Any] = Field(default_factory=dict)
    cells: dict[str, Any] = Field(default_factory=dict)
    network: list[Any] = Field(min_length=1)
    constraints: list[str] = Field(
        default_factory=list,
        description="conditions: `M[i] >= M[i+1]`, `M[1] in [8, 16]`, `sum(M[1:3]) <= 128`, `rom <= 200 KiB`",
    )
    thin: list[str] = Field(
        default_factory=list,
        description="overrides that make the networks small, for indicators that thin networks tell as well",
    )


@dataclass(frozen=True)
class Document:
    """A validated space file, with `extends` and overrides applied.

    Args:
        header: the typed top-level keys.
        source: the data with the place of every part.
    """

    header: Header
    source: Source

    @property
    def text(self) -> str:
        """Canonical JSON of the resolved document; equal text means equal space."""
        data = {k: v for k, v in self.source.data.items() if k != "extends"}
        text = json.dumps(data, sort_keys=False, ensure_ascii=False, separators=(",", ":"))
        return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    def dump(self) -> str:
        """The resolved document as readable YAML, which loads back to the same space."""
        yaml: Any = YAML(pure=True)  # which has no types
        yaml.width = 110
        out = StringIO()
        yaml.dump({k: _literal(v) for k, v in self.source.data.items() if k != "extends"}, out)
        return out.getvalue()


def _literal(value: Any) -> Any:
    """Text of several lines as a literal block, the way a person would write it; in quotes what must be escaped."""
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        return DoubleQuotedScalarString(value)
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


def read_document(text: str, file: str, overrides: Iterable[str] = (), folder: Path | None = None) -> Document:
    """Read a space file's text.

    Args:
        text: YAML.
        file: its name in error messages.
        overrides: `key.path=value` strings, applied last; list positions count from 0.
        folder: where relative `extends` paths start; the working folder by default.

    Raises:
        SpaceError: every mistake found, each with its place.
    """
    source = _extended(read_yaml(text, file), folder)
    for override in overrides:
        _apply(source, override)
    return Document(validate_keys(Header, source), source)


def files_of(path: Path) -> list[Path]:
    """A space file and those that it extends, one after another.

    Raises:
        SpaceError: one cannot be read, or they extend each other.

    Example:
        >>> from spaces.language.library import library
        >>> [file.stem for file in files_of(library()["nasbench201_cifar100"])]
        ['nasbench201_cifar100', 'nasbench201']
    """
    return [Path(source.file) for source in _chain(read_yaml(read_text(path), str(path)), path.parent)]


def _extended(source: Source, folder: Path | None) -> Source:
    """The document merged over those it extends: mappings key by key, everything else replaced."""
    *over, base = _chain(source, folder)
    for one in reversed(over):
        base = Source(one.file, _merge(base.data, one.data), {**base.spans, **one.spans})
    return base


def _chain(source: Source, folder: Path | None) -> list[Source]:
    """A document, the one that it extends, and so on."""
    from spaces.language.library import find_space

    result = [source]
    while is_mapping(result[-1].data) and isinstance(base_name := result[-1].data.get("extends"), str):
        span = result[-1].span(("extends",))
        path = find_space(base_name, folder=folder, span=span)
        if path.resolve() in [Path(one.file).resolve() for one in result]:
            message, circle = f"`{base_name}` extends itself", " -> ".join(one.file for one in result)
            raise SpaceError.of("circular-extends", message, f"break the circle: {circle}", span)
        result.append(read_yaml(read_text(path), str(path)))
        folder = path.parent
    return result


def _merge(base: Any, over: Any) -> Any:
    if not (is_mapping(base) and is_mapping(over)):
        return over
    merged = {**base, **{k: _merge(base.get(k), v) for k, v in over.items()}}
    return {k: v for k, v in merged.items() if v is not None or k not in over}


def _apply(source: Source, override: str) -> None:
    """Set one key of the document from `key.path=value`."""
    span = Span("override", 1, 1, len(override), override)
    key, equals, value = override.partition("=")
    if not equals or not key:
        message = f"`{override}` is not an override"
        raise SpaceError.of("bad-override", message, "write `key.path=value`: `choices.M.step=56`", span)
    if key == "extends":
        hint = "name the other space, or write a file that extends it"
        raise SpaceError.of("bad-override", "`extends` cannot be overridden", hint, span)
    parts: list[str | int] = [int(p) if p.isdecimal() else p for p in key.split(".")]
    data = source.data
    if is_mapping(data) and parts[0] == "choices":
        # A switch and a `repeat` make choices that nobody has to write down.
        data.setdefault("choices", {})
    for i, part in enumerate(parts[:-1]):
        data = _descend(data, part, ".".join(key.split(".")[: i + 1]), span)
    last = parts[-1]
    plain = read_yaml(value, "override").data
    if is_list(data):
        _descend(data, last, key, span)
        data[int(last)] = plain
    elif is_mapping(data):
        data[str(last)] = plain
    else:
        message = f"`{key}` cannot be set: `{'.'.join(key.split('.')[:-1])}` is a single value"
        raise SpaceError.of("bad-override", message, "override the value itself", span)
    path = tuple(parts)
    source.spans = {k: v for k, v in source.spans.items() if k[0][: len(path)] != path}
    source.spans[path, "value"] = source.spans[path, "key"] = span


def _descend(data: Any, part: str | int, name: str, span: Span) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        known = list(data) if is_mapping(data) else [str(k) for k in range(len(data))] if is_list(data) else []
        hint = did_you_mean(str(part), known) if known else "override the value itself"
        raise SpaceError.of("bad-override", f"there is no `{name}` to override", hint, span) from None
