"""The keys of a user's file by a pydantic model: every mistake at once, each with its place and its remedy.

Space, target and latency files are read this way. pydantic's own complaints get a place; what it cannot say as a person
would, a validator raises as a `Mistake` (see `spaces.language.values`). Editors get a JSON schema from the same model.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeGuard, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from spaces.errors import Diagnostic, NascompileError, SpaceError, did_you_mean
from spaces.language.source import Path_, Source, is_mapping

__all__ = ["KEY", "DType", "Keys", "Mistake", "editor_schema", "placed", "unknown_key", "validate_keys"]

DType = Literal["float32", "float16", "int16", "int8"]
#: Stands for the key of a value in the message of a mistake; no YAML file can hold it.
KEY = "\0"


@dataclass(eq=False)
class Mistake(ValueError):  # noqa: N818 - pydantic takes ValueErrors; what the user gets is an error of the file
    """What is wrong with a value, and the remedy; raised by validators, which do not know its place.

    Args:
        code: of its diagnostic.
        message: `KEY` in it stands for the key of the value.
        hint: the remedy.
        at: its place in the mapping, from `Keys.across`.
        key: whether the key is at fault and not its value.
    """

    code: str
    message: str
    hint: str = ""
    at: Path_ = ()
    key: bool = False


def unknown_key(at: Path_, known: Iterable[str], what: str = "key") -> Mistake:
    """A key that does not belong where it stands."""
    return Mistake("unknown-key", f"unknown {what} `{at[-1]}`", did_you_mean(str(at[-1]), known), at, key=True)


class Keys(BaseModel):
    """A mapping of keys in a user's file; `what` it is, and how it `begins`. Other keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    what: ClassVar[str]
    begins: ClassVar[str]

    @classmethod
    def across(cls, data: dict[str, Any]) -> Iterator[Mistake]:
        """Mistakes that no value shows alone, found in the plain data, whatever else is wrong with it."""
        yield from ()

    @classmethod
    def example(cls, key: str) -> str:
        """A line that gives a key, if the model has an example."""
        return "".join(f"{key}: {example}" for example in cls.model_fields[key].examples or ())

    @classmethod
    def missing(cls, key: str, name: str) -> tuple[str, str]:
        """Message and hint where a key is missing whose full name this is."""
        example = cls.example(key)
        hint = f"add for example `{example}`" if example else f"add `{key}:`"
        return f"the key `{name}` is missing", hint


_Model = TypeVar("_Model", bound=Keys)


def validate_keys(model: type[_Model], source: Source, path: Path_ = ()) -> _Model:
    """Validate the mapping at a path of a file.

    Raises:
        SpaceError: all mistakes at once.

    Example:
        >>> from spaces.language.source import read_yaml
        >>> class Point(Keys):
        ...     x: int
        ...     y: int
        >>> validate_keys(Point, read_yaml("x: 1\\nz: 2\\n", "point.yaml"))
        Traceback (most recent call last):
        spaces.errors.SpaceError: point.yaml:1:1: the key `y` is missing [missing-key]
        ...
        point.yaml:2:1: unknown key `z` [unknown-key]
        ...
    """
    data = source.data
    for part in path:
        data = data[part]
    if not is_mapping(data):
        hint = f"for example `{model.begins}`"
        raise SpaceError.of("wrong-type", f"{model.what} is a mapping of keys", hint, source.span(path))
    across = [_diagnostic(mistake, source, path, mistake.at) for mistake in model.across(data)]
    try:
        keys = model.model_validate(data)
    except ValidationError as error:
        found = [_diagnose(model, source, path, dict(e)) for e in error.errors(include_url=False)]
        raise SpaceError(found + across) from None
    if across:
        raise SpaceError(across)
    return keys


def _diagnose(model: type[Keys], source: Source, path: Path_, error: dict[str, Any]) -> Diagnostic:
    """What pydantic complains of, as a person would say it."""
    loc: Path_ = error["loc"]
    name = ".".join(map(str, (*path, *loc)))
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        *at, last = loc
        loc = tuple(at)
        mistake = Mistake("missing-key", *_model_at(model, loc).missing(str(last), name), key=True)
    elif kind == "extra_forbidden":
        mistake = unknown_key(loc, _model_at(model, loc[:-1]).model_fields)
    elif isinstance(context.get("error"), Mistake):
        mistake = context["error"]
    elif kind == "literal_error":
        mistake = Mistake("wrong-value", f"`{name}` must be {context['expected']}, not {_plain(error['input'])}")
    else:
        expected = error["msg"][:1].lower() + error["msg"][1:]
        mistake = Mistake("wrong-type", f"`{name}`: {expected}, not {_plain(error['input'])}")
    return _diagnostic(mistake, source, path, loc)


def _diagnostic(mistake: Mistake, source: Source, path: Path_, loc: Path_) -> Diagnostic:
    """A mistake at a place of the mapping; a model may see more parts than the file has, which are left off."""
    key = next((part for part in reversed(loc) if isinstance(part, str)), "")
    while loc and ((*path, *loc), "value") not in source.spans:
        loc = loc[:-1]
    span = source.span((*path, *loc), key=mistake.key)
    return Diagnostic(mistake.code, mistake.message.replace(KEY, key), span, mistake.hint)


def _plain(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_class(kind: object) -> bool:
    return isinstance(kind, type)


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_at(model: type[Keys], loc: Path_) -> type[Keys]:
    """The model of the mapping at `loc`, by the annotations on the way to it."""
    kind: Any = model
    for part in loc:
        kind = kind.model_fields[str(part)].annotation if _is_model(kind) else get_args(kind)[-1]
        while not _is_class(kind) and get_origin(kind) is not dict:
            kind = get_args(kind)[0]
    return kind


@contextmanager
def placed(kind: type[NascompileError]) -> Generator[None, None, None]:
    """Raise what is wrong with a file as an error of its kind, in the order of the file.

    Raises:
        NascompileError: of this kind, in place of a SpaceError.
    """
    try:
        yield
    except SpaceError as error:
        raise kind(sorted(error.diagnostics, key=_place)) from None


def _place(found: Diagnostic) -> tuple[int, int, int]:
    line, column = (found.span.line, found.span.column) if found.span else (0, 0)
    return line, column, {"unknown-key": 0, "missing-key": 1}.get(found.code, 2)


def editor_schema(model: type[Keys], title: str) -> dict[str, Any]:
    """The JSON schema (2020-12) by which editors complete and check a file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return model.model_json_schema() | schema
