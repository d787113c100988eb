"""A run file: the options of `nascompile search` as YAML, one a line, each with its help.

It is made of the options themselves, so that it has every one of them, and is read as if they stood on the command
line, before those that do.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperOption

from nascompile.cli.options import SetRequest
from nascompile.run.storage_url import without_password
from spaces.errors import Diagnostic, FileError, Span, did_you_mean
from spaces.language.source import Source, is_list, is_mapping, read_yaml
from spaces.yaml_text import yaml_value

__all__ = ["RECORD", "RunFile", "options_text", "recorded", "with_overrides"]

#: What a run writes into such a file beside the options.
RECORD = ("run", "settings")
#: Of one call, and not of what it runs.
_OUTSIDE = ("file", "init", "as_json", "help")
_WIDTH = 118
Parameter = TyperArgument | TyperOption


def options_text(
    context: typer.Context,
    applies: Callable[[str], bool],
    values: Mapping[str, Any] = MappingProxyType({}),
    outside: Sequence[str] = (),
) -> str:
    """The options of a command as YAML, those without a value, and those that do nothing, as comments; no passwords.

    Args:
        context: of the command; knows what is given.
        applies: whether an option, by the name of its parameter, does something.
        values: in the place of those that the command has, by the name of the parameter.
        outside: names of parameters that are left out.
    """
    lines: list[str] = []
    for parameter in _parameters(context):
        if parameter.name in outside:
            continue
        value = values.get(parameter.name, context.params.get(parameter.name))
        given = _given_here(context, parameter.name)
        empty = value is None or value == "" or (isinstance(value, list | tuple) and not value)
        active = given or parameter.required or (applies(parameter.name) and not empty)
        lines += textwrap.wrap(parameter.help or "", _WIDTH, initial_indent="# ", subsequent_indent="# ")
        text = without_password(value) if isinstance(value, str) else value
        shown = f" {yaml_value(text)}" if not empty else ""
        lines += [f"{'' if active else '# '}{_key(parameter)}:{shown}", ""]
    return "\n".join(lines)


def _parameters(context: typer.Context) -> Iterator[Parameter]:
    for parameter in context.command.params:
        if isinstance(parameter, Parameter) and parameter.name not in _OUTSIDE:
            yield parameter


def _key(parameter: Parameter) -> str:
    """What an option is called in the file: its long name; an argument by its own."""
    if isinstance(parameter, TyperArgument):
        return parameter.name
    return next(word for word in parameter.opts if word.startswith("--")).removeprefix("--")


def _given_here(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of a file as those that the command line does not give.

    Raises:
        FileError: the file cannot be read, or has options that there are not, or values that they cannot have.
    """
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "it is no text"
        hint = "`nascompile search --init > run.yaml` writes one"
        raise FileError.of(
            "unreadable-file", f"cannot read the run file: {reason}", hint, Span(str(path), 1, 1)
        ) from None
    source = read_yaml(text, str(path))
    if not is_mapping(source.data):
        message = "a run file is a list of options, `name: value` each"
        raise FileError.of("bad-run-file", message, "`nascompile search --init > run.yaml` writes one", source.span())
    context.default_map = {**(context.default_map or {}), **_values(context, source, source.data)}
    return path


def _values(context: typer.Context, source: Source, data: dict[str, Any]) -> dict[str, Any]:
    """The values by the names of the parameters."""
    known = {_key(parameter): parameter for parameter in _parameters(context)}
    result: dict[str, Any] = {}
    mistakes: list[Diagnostic] = []
    for key, value in data.items():
        if key in RECORD:
            continue
        place = source.span((key,), key=True)
        if key not in known:
            hint = did_you_mean(key, known) or "`nascompile search --init` writes all that there are"
            mistakes.append(Diagnostic("unknown-key", f"there is no option `{key}`", place, hint))
        elif value is None:
            hint = "write one behind the colon, or put a # before the line"
            mistakes.append(Diagnostic("no-value", f"`{key}` has no value", place, hint))
        else:
            parameter = known[key]
            try:
                given = _given(source, key, value, parameter)
                parameter.get_runtime_param().coerce(given, param=parameter, ctx=context)
                result[parameter.name] = given
            except (typer.BadParameter, ValueError) as cause:
                said = getattr(cause, "message", str(cause))
                mistakes.append(
                    Diagnostic("wrong-value", f"`{key}`: {said}", source.span((key,)), parameter.help or "")
                )
    if mistakes:
        raise FileError(mistakes)
    return result


def _given(source: Source, key: str, value: Any, parameter: Parameter) -> Any:
    """A value as the command line has it.

    Raises:
        ValueError: no value of the file can be that.
    """
    if parameter.type_descriptor.annotation is bool:
        if not isinstance(value, bool):
            raise ValueError("it is true or false")
        return value
    if parameter.multiple or parameter.nargs == -1:
        items = value if is_list(value) else [value]
        places = [(key, i) for i in range(len(items))] if is_list(value) else [(key,)]
        return [_word(source, place, item) for place, item in zip(places, items, strict=True)]
    return _word(source, (key,), value)


def _word(source: Source, place: tuple[str | int, ...], value: Any) -> str:
    """A scalar as it is written."""
    if isinstance(value, bool) or is_list(value) or is_mapping(value):
        raise ValueError(
            "it is one value, a word or a number" if is_list(value) or is_mapping(value) else "put it in quotes"
        )
    if isinstance(value, str):
        return value
    span = source.span(place)
    return span.text[span.column - 1 : span.column - 1 + span.length]


def recorded(path: Path | None) -> dict[str, Any]:
    """What a run has written beside the options of a file; nothing where no run wrote it."""
    if path is None:
        return {}
    data = read_yaml(path.read_text(encoding="utf-8"), str(path)).data
    return {key: data[key] for key in RECORD if is_mapping(data.get(key))}


def with_overrides(request: SetRequest, context: typer.Context) -> SetRequest:
    """The request where the file gives the space, and the command line overrides of it."""
    space = (context.default_map or {}).get("space")
    if not space or "=" not in request.space or request.space == space:
        return request
    given = [request.space, *(request.overrides or ())] if _given_here(context, "overrides") else [request.space]
    return replace(request, space=space, overrides=given)


def _no_space_yet(context: typer.Context, wanted: bool) -> bool:
    """A file can be written without a space."""
    if wanted:
        context.default_map = {"space": "", **(context.default_map or {})}
    return wanted


@dataclass(frozen=True)
class RunFile:
    """Options from a file, and a file of options."""

    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Run file: the options of this command as YAML, which --init writes; those given here go before them. "
            "RUN/config.yaml is one: it repeats the run.",
            metavar="FILE",
            is_eager=True, callback=_read,
        ),
    ] = None  # fmt: skip
    init: Annotated[
        bool,
        typer.Option(
            "--init",
            help="Print a run file with every option, its help and its value, and do nothing else.",
            is_eager=True, callback=_no_space_yet,
        ),
    ] = False  # fmt: skip
