"""The catalogue of targets, and the way from a name to a target.

The catalogue is the package data `spaces/targets/*.yaml`, one file per vendor or family, each a list of entries in the
form of `spaces.targets.target_file`; one more entry there is one more microcontroller, and nothing else changes.
pydantic is loaded when the first file is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from spaces.errors import Span, TargetError, did_you_mean
from spaces.files import read_text
from spaces.targets.collisions import collisions
from spaces.targets.target import Region, Target, plain_name

__all__ = ["Region", "Target", "catalogue", "load_target", "read_catalogue"]

_FOLDER = Path(__file__).parent

#: Where an entry of a list begins.
_ENTRY = re.compile("(?m)^(?=- )")


def load_target(name_or_path: str | os.PathLike[str]) -> Target:
    """Find a target in the catalogue, or read a user's own file.

    Args:
        name_or_path: a chip (`stm32f412`), a part number (`STM32F412ZGT6`), a board (`NUCLEO-F412ZG`), or the path of
            a file, known by its suffix `.yaml` or `.yml` or by a path separator.

    Raises:
        TargetError: the name is unknown, or the file cannot be read or is malformed; all mistakes at once.

    Example:
        >>> load_target("STM32H743ZIT6").ram_region.name
        'AXI SRAM'
        >>> load_target("stm32f413")
        Traceback (most recent call last):
        spaces.errors.TargetError: unknown MCU `stm32f413` [unknown-mcu]
          did you mean `stm32f412` or ...
    """
    name = os.fspath(name_or_path)
    if name.lower().endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _read_file(Path(name))
    # Reading all the entries costs some 60 ms, one of them a few: first look at those in which the name occurs.
    head = plain_name(name)[:8]
    likely = _targets((file, head) for file in _files(_FOLDER) if head in plain_name(_text(file)))
    result = next((target for target in likely if target.answers_to(name)), None)
    result = result or next((target for target in catalogue() if target.answers_to(name)), None)
    if result is None:
        raise _unknown(name)
    return result


@cache
def catalogue() -> tuple[Target, ...]:
    """All targets that come with the package, by name. The files are read at the first call.

    Example:
        >>> [target.name for target in catalogue() if target.core == "Cortex-M0+"]
        ['rp2040', 'samd21']
    """
    return read_catalogue(_FOLDER)


def read_catalogue(folder: Path) -> tuple[Target, ...]:
    """The targets of all the files of a folder, by name.

    Raises:
        TargetError: an entry is malformed, or two answer to the same name, part or board.
    """
    return tuple(sorted(_targets((file, "") for file in _files(folder)), key=lambda target: target.name))


def _read_file(path: Path) -> Target:
    from spaces.language.keys import placed
    from spaces.targets.target_file import read_target

    with placed(TargetError):
        return read_target(read_text(path), str(path))


def _unknown(name: str) -> TargetError:
    words = (word for target in catalogue() for word in (target.name, *target.boards))
    near = did_you_mean(name[:60], words)
    listing = "`nascompile mcus` lists them; a board of your own goes into a file, `--mcu my_board.yaml`"
    hint = f"{near} {listing}" if near.startswith("did you mean") else listing
    return TargetError.of("unknown-mcu", f"unknown MCU `{name[:60]}`", hint)


def _targets(files: Iterable[tuple[Path, str]]) -> tuple[Target, ...]:
    """The targets of some files, of which no two answer to the same name: of each, those in which a word occurs."""
    entries = [entry for file, word in files for entry in _entries(file, word)]
    if mistakes := collisions(entries):
        raise TargetError(mistakes)
    return tuple(target for target, _ in entries)


@cache
def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*.yaml")))


@cache
def _text(file: Path) -> str:
    return file.read_text("utf-8")


@cache
def _entries(file: Path, word: str) -> tuple[tuple[Target, Span], ...]:
    from spaces.targets.target_file import read_targets

    # What is left out leaves empty lines, so that places stay what they are.
    parts = _ENTRY.split(_text(file))
    kept = [part.startswith("- ") and word in plain_name(part) for part in parts]
    text = "".join(p if there else "\n" * p.count("\n") for p, there in zip(parts, kept, strict=True))
    return read_targets(text, file.name) if any(kept) else ()
