"""What a command writes: looked at before it begins its work, and never one of its own inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, get_type_hints

from nascompile.start import interruptible
from spaces.errors import FileError
from spaces.files import check_file, check_folder

__all__ = ["CONTINUED", "FILE", "FOLDER", "LOG", "RUN", "TABLE", "Output", "checks_outputs", "inputs"]

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Output:
    """In the annotation of an option: it names what the command writes.

    Args:
        check: raises unless that can be written; is told what else the command names.
    """

    check: Callable[[Path, list[Path]], None]


def _table(path: Path, others: list[Path]) -> None:
    check_file(path, others)
    # Whatever its ending, what is continued is the .csv.
    check_file(path.with_suffix(".csv"), others, continued=True)


def _run(path: Path, others: list[Path]) -> None:
    if path.suffix == ".csv" and not path.is_dir():
        _table(path, others)
    else:
        check_folder(path)


FILE = Output(check_file)
#: A file that the command reads first, and goes on with.
CONTINUED = Output(partial(check_file, continued=True))
LOG = Output(partial(check_file, continued=True, what="log"))
TABLE = Output(_table)
FOLDER = Output(lambda path, _: check_folder(path, f"cannot write `{path}`"))
#: The folder of a run, or the table of a search that trains nothing.
RUN = Output(_run)


def checks_outputs(function: Callable[..., None]) -> Callable[..., None]:
    """A command that, before anything else, checks all its outputs that are named on the command line.

    From here on Ctrl-C is its own to answer.
    """

    @wraps(function)
    def command(**given: Any) -> None:
        interruptible()
        for name, hint in get_type_hints(function, include_extras=True).items():
            for mark in getattr(hint, "__metadata__", ()):
                if isinstance(mark, Output) and given[name] is not None:
                    _check(name, mark, given)
        function(**given)

    return command


def _check(name: str, mark: Output, given: Mapping[str, Any]) -> None:
    path = given[name]
    others = {other: value for other, value in given.items() if other != name}
    # What is not there yet was no input; and a pipe is not to be read before its time.
    found = inputs(others) if path.is_file() else _named(others)
    try:
        mark.check(path, list(found))
    except FileError as error:
        option = "--out" if name == "output" else f"--{name}"
        raise FileError(replace(d, hint=d.hint.replace("--out", option)) for d in error.diagnostics) from None


def inputs(given: Mapping[str, Any]) -> Iterator[Path]:
    """The files that arguments and options name, and those that the space among them extends.

    Raises:
        SpaceError: the space, or one that it extends, cannot be read.
    """
    from spaces.language.document import files_of

    yield from _named(given)
    space = Path(given.get("space") or "")
    if space.suffix in _YAML and space.is_file():
        yield from files_of(space)


def _named(given: Mapping[str, Any]) -> Iterator[Path]:
    """Whatever is a path, and texts that look like one: names of targets and profiles are none."""
    for name, value in given.items():
        if isinstance(value, Path):
            yield value
        elif isinstance(value, str) and (name == "space" or "/" in value or Path(value).suffix in _YAML):
            yield Path(value)
