"""The file of a run that says all that it depends on: a run file, so that `nascompile search --file` repeats it.

It has the options of the command, then under `run` what was found where it ran (versions, MCU, budgets, the set), and
under `settings` what all that came to, by which `resume` and `worker` go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nascompile.run.settings import RunSettings
from solvers.sets.relaxed_set import AnySet
from spaces.errors import FileError, NascompileError
from spaces.language.source import is_mapping, read_yaml
from spaces.yaml_text import yaml_lines, yaml_value

__all__ = ["RunConfig", "changes", "record_of", "version_changes"]

_SETTINGS, _RECORD = "settings", "run"
_MARK = "\n# What the run was made with. It has no options.\n"


@dataclass(frozen=True)
class RunConfig:
    """The contents of the file.

    Args:
        settings: what the run depends on.
        options: the options of the command as YAML, with comments; empty where there was none.
        record: where and with what the run was begun, as plain data; see `record_of`.

    Example:
        >>> from nascompile.run.settings import DataSettings
        >>> from nascompile.training.recipes import Recipe
        >>> settings = RunSettings("entropy", {}, 20, 5, 0, DataSettings("digits.npz"), Recipe(epochs=3))
        >>> config = RunConfig(settings, "space: dscnn", {"nascompile": "1.0"})
        >>> RunConfig.from_text(config.to_text(), Path("run/config.yaml")) == config
        True
    """

    settings: RunSettings
    options: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """As YAML."""
        data = {_RECORD: dict(self.record), _SETTINGS: self.settings.to_data()}
        return f"{self.options}\n{_MARK}" + "\n".join(yaml_lines(data)) + "\n"

    def changed(self, settings: RunSettings) -> RunConfig:
        """With other settings, and the options that give them."""
        options = self.options
        for key, value in (("data", settings.data.path), ("samples", settings.samples)):
            line = f"{key}: {yaml_value(value)}"
            options = re.sub(rf"^{key}: .*$", lambda _, line=line: line, options, flags=re.MULTILINE)
        return replace(self, settings=settings, options=options)

    @classmethod
    def from_text(cls, text: str, path: Path) -> RunConfig:
        """From YAML.

        Raises:
            FileError: it is none of a run's.
        """
        options, mark, _ = text.partition(f"\n{_MARK}")
        try:
            data = read_yaml(text, str(path)).data
            if not mark or not is_mapping(data):
                raise ValueError("it is cut off")
            record = dict(data[_RECORD] or {})
            return cls(RunSettings.from_data(data[_SETTINGS]), options, record)
        except (ValueError, KeyError, TypeError, NascompileError) as cause:
            reason = cause.diagnostics[0].message if isinstance(cause, NascompileError) else str(cause)
            message = "this file does not hold the settings of a run"
            hint = f"put back a copy, or start the run anew in another folder ({reason})"
            raise FileError.of("damaged-run", message, hint, path) from None


def record_of(fs: AnySet, command: str = "") -> dict[str, Any]:
    """What a run is made with.

    Args:
        fs: its set.
        command: the command line, without passwords; empty where there is none.
    """
    program, (low, high) = fs.program, fs.between
    return {
        **({"command": command} if command else {}),
        **versions(),
        "mcu": program.target or None,
        "budgets": dict(program.budgets.items()),
        "runtime": program.runtime.name,
        "ram-model": program.ram_model,
        "networks": low if low == high else [low, high],
        "set": fs.digest,
    }


def versions() -> dict[str, str]:
    """Of what decides results."""
    return {name: _version(name) for name in ("nascompile", "torch", "optuna")}


def _version(name: str) -> str:
    """Without loading the package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def version_changes(record: Mapping[str, Any]) -> Iterator[str]:
    """Which versions are others than a run was begun with, for a person."""
    for name, now in versions().items():
        if record.get(name, now) != now:
            yield f"{name} is {now}, and was {record[name]} when the run began: results may differ"


def changes(old: Mapping[str, Any], new: RunConfig) -> Iterator[str]:
    """What is otherwise in a run than in the one that it repeats, for a person.

    Args:
        old: `run` and `settings` of that one's file; empty where it repeats none.
        new: of the run.
    """
    if not old:
        return
    record, settings = old.get(_RECORD, {}), old.get(_SETTINGS, {})
    yield from version_changes(record)
    if record.get("set") != new.record["set"]:
        yield f"the set is another one: {new.record['networks']} networks, and not {record.get('networks')}"
    digest = settings.get("data", {}).get("digest")
    if digest != new.settings.to_data()["data"].get("digest"):
        yield "the data are others"
