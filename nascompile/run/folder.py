"""The folder of a run: settings, feasible set, trials, networks and results, each written whole or not at all.

RUN/config.yaml            what the run depends on: a run file, which `nascompile search --file` runs again
RUN/.config                the same, from which it is written anew where it is damaged
RUN/set.nasset             the feasible set
RUN/journal.log            the trials, an Optuna journal; not where a database holds them
RUN/networks/0007/         the network asked as the eighth: checkpoints, weights, int8 networks, what each step found
RUN/results.csv, .json     the table, once all are trained
RUN/data.json              the classes, how inputs were made and normalised, the anchors of boxes
RUN/report.html            all of it as a page, where `nascompile report` wrote it
RUN/timing.json            how long each step of each network took, and all that was none
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nascompile.run.config import RunConfig, record_of
from nascompile.run.errors import RunError
from nascompile.run.settings import RunSettings
from nascompile.run.storage_url import same_place, without_password
from nascompile.run.trials import Trials
from solvers.sets.relaxed_set import AnySet, load_set
from spaces.errors import FileError, NascompileError, Span
from spaces.files import check_folder, write_atomically
from spaces.locks import lock

__all__ = ["RunFolder"]

_JOURNAL = "journal.log"
#: What a run writes, beside its settings.
_OWN = (
    "networks", "deploy", "journal.log*", "set.nasset", "data.json", "timing.json", "results.csv", "results.json",
    "report.html", "*.jsonl", "tensorboard", "logged.json",
)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """A run on disk.

    Args:
        path: the folder.
        storage: the URL of its database with the password, which the folder does not have.
    """

    path: Path
    storage: str | None = field(default=None, repr=False)

    @classmethod
    def create(cls, path: Path, settings: RunSettings, fs: AnySet, options: str = "", command: str = "") -> RunFolder:
        """A new run, or the one that is there if it has the same settings and set.

        A run that has trained no network yet makes room for another.

        Args:
            path: the folder.
            settings: of the run.
            fs: its set.
            options: those of the command, as a run file has them.
            command: the command line.

        Raises:
            RunError: another run is there, or something else.
            FileError: it cannot be written.
        """
        folder = cls(path, settings.storage)
        settings = replace(settings, storage=without_password(settings.storage) if settings.storage else None)
        if folder.is_run:
            try:
                folder._mend_set(fs)
                folder._compare(settings, fs)
                folder.move_data(settings.data.path)
                folder._announce()
                return folder
            except NascompileError:
                if folder.has_trained:
                    raise
                folder._clear()
        else:
            folder.check_own()
        folder._make()
        fs.save(folder.set_file)
        # The settings come last: a folder that has them is a run.
        folder._write(RunConfig(settings, options, record_of(fs, without_password(command))))
        folder._announce()
        return folder

    @classmethod
    def join(cls, storage: str, name: str, path: Path) -> RunFolder:
        """A folder of one's own for a run that a database tells of.

        Args:
            storage: URL of the database.
            name: of the run there.
            path: the folder; made if it is not there.

        Raises:
            RunError: there is no such run.
            FileError: the folder cannot be written.
        """
        notes = Trials(storage, name).notes
        if "config" not in notes:
            raise RunError.of("no-such-run", f"`{without_password(storage)}` has no run `{name}`", "check --run")
        folder = cls(path, storage)
        folder._make()
        if folder.config.exists():
            mine = folder.settings
            theirs = RunConfig.from_text(notes["config"], folder.config).settings
            # The same data may have moved since, and the run may have been extended.
            if not replace(mine, data=replace(mine.data, path=theirs.data.path)).is_part_of(theirs):
                message = f"`{path}` holds another run"
                raise RunError.of("other-run", message, "give a new folder with --out")
        write_atomically(folder.set_file, base64.b64decode(notes["set"]))
        write_atomically(folder.config, notes["config"].encode())
        write_atomically(folder.joined, b"")
        return folder

    @classmethod
    def open(cls, path: Path, storage: str | None = None) -> RunFolder:
        """A run that is there.

        Args:
            path: the folder.
            storage: the URL of its database once more, with the password.

        Raises:
            RunError: none is, or its trials are elsewhere.
        """
        folder = cls(path, storage)
        if not folder.is_run:
            message = f"there is no run in `{path}`"
            raise RunError.of("not-a-run", message, "give the folder that `nascompile search` wrote")
        kept = folder.settings.storage
        if storage and not (kept and same_place(storage, kept)):
            where = f"`{kept}`" if kept else "a file of the folder, not a database"
            raise RunError.of(
                "other-run", f"the trials of `{path}` are in {where}", "leave --storage out, or correct it"
            )
        return folder

    def extended(self, samples: int) -> RunFolder:
        """The run, with more networks to train.

        Args:
            samples: how many in all.

        Raises:
            RunError: there are as many already, or another process is at work on it.
            FileError: the folder cannot be written.
        """
        settings = self.settings
        if samples < settings.samples:
            message = f"`{self.path}` has {settings.samples} networks already, so it cannot be extended to {samples}"
            raise RunError.of("fewer-samples", message, "give a larger --samples; `nascompile select` chooses fewer")
        if samples > settings.samples:
            with self.led():
                # Its tables are of fewer networks.
                for name in ("results.json", "results.csv", "report.html"):
                    (self.path / name).unlink(missing_ok=True)
                self.change(replace(settings, samples=samples, extended=(*settings.extended, settings.samples)))
        return self

    @property
    def config(self) -> Path:
        """What the run depends on."""
        return self.path / "config.yaml"

    @property
    def is_run(self) -> bool:
        """Whether there is a run."""
        return self.config.is_file() or _checked(self._copy) is not None

    @property
    def _copy(self) -> Path:
        """The same once more, behind its digest."""
        return self.path / ".config"

    @property
    def joined(self) -> Path:
        """There where the run's own folder is elsewhere."""
        return self.path / ".joined"

    @property
    def set_file(self) -> Path:
        """The feasible set."""
        return self.path / "set.nasset"

    @cached_property
    def contents(self) -> RunConfig:
        """What its file says; where that is damaged or gone, its copy, which takes its place.

        Raises:
            FileError: it cannot be read, or is otherwise than it was written.
        """
        copy = _checked(self._copy)
        try:
            result = RunConfig.from_text(self.config.read_text(encoding="utf-8"), self.config)
        except (OSError, UnicodeDecodeError, FileError) as cause:
            if copy is not None:
                write_atomically(self.config, copy)
                return RunConfig.from_text(copy.decode(), self.config)
            if isinstance(cause, FileError):
                raise
            place = Span(str(self.config), 1, 1)
            raise FileError.of("unreadable-file", f"cannot read the file: {cause}", span=place) from None
        if copy is not None and RunConfig.from_text(copy.decode(), self._copy).settings != result.settings:
            message = "these settings are not those with which the run was made"
            hint = f"delete it: `nascompile resume {self.path}` writes it anew; for other settings, begin another run"
            raise FileError.of("damaged-run", message, hint, self.config)
        return result

    @property
    def settings(self) -> RunSettings:
        """What the run depends on."""
        return self.contents.settings

    def _write(self, contents: RunConfig) -> None:
        """Keep what the run depends on, from now on."""
        text = contents.to_text().encode()
        write_atomically(self._copy, _digest(text) + text)
        write_atomically(self.config, text)
        self.__dict__.pop("contents", None)

    @cached_property
    def fs(self) -> AnySet:
        """The feasible set.

        Raises:
            FileError: its file is damaged; it says what makes it anew.
        """
        try:
            return load_set(self.set_file)
        except FileError as error:
            hint = f"`nascompile search --file {self.config} --out {self.path}` makes it anew, and goes on"
            raise FileError(replace(d, hint=hint) for d in error.diagnostics) from None

    @property
    def has_trained(self) -> bool:
        """Whether there is a network that was trained, be it to a rung, here or where its storage tells of one."""
        found = self.path.glob("networks/*/train-*.json")
        if any(self.path.glob("networks/*/float.safetensors")) or any('"valid"' in f.read_text() for f in found):
            return True
        with suppress(FileError):
            return bool(self.settings.storage) and any("error" not in one for one in self.trials().results().values())
        return False

    def move_data(self, path: str) -> None:
        """Keep where the data are now; they are the same.

        Raises:
            FileError: the folder cannot be written.
        """
        if self.settings.data.path != path:
            self.change(replace(self.settings, data=replace(self.settings.data, path=path)))

    def change(self, settings: RunSettings) -> None:
        """Keep other settings, here and where its storage tells of them.

        Raises:
            FileError: the folder cannot be written.
        """
        self._write(self.contents.changed(settings))
        if settings.storage:
            self.trials().note("config", self.contents.to_text())

    @property
    def total(self) -> int:
        """How many networks the run will have; of a relaxed set they may be fewer."""
        return min(self.settings.samples, self.fs.between[1])

    def trials(self) -> Trials:
        """The trials; each caller has a connection of its own."""
        settings = self.settings
        return Trials(self.storage or settings.storage or self.path / _JOURNAL, settings.name)

    def network(self, number: int) -> Path:
        """The folder of a candidate."""
        return self.path / "networks" / f"{number:04d}"

    @contextmanager
    def led(self) -> Iterator[int]:
        """The one process that leads the run; the lock goes with the process, however it ends.

        Yields:
            How many damaged records the journal had, which is mended.

        Raises:
            RunError: another process leads it.
        """
        with (self.path / ".lock").open("a+") as file:
            if not lock(file):
                file.seek(0)
                message = f"process {file.read().strip() or 'unknown'} is working on the run `{self.path}`"
                raise RunError.of("run-in-use", message, "wait for it, or stop it")
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            from nascompile.run.journal import mend

            yield mend(self.path / _JOURNAL)

    def check_own(self) -> None:
        """Raises unless the folder is new, empty, a run, or one that was not begun to the end.

        Raises:
            RunError: something else is there.
            FileError: it cannot be made.
        """
        check_folder(self.path)
        entries = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        own = (self.set_file.name, ".lock", self._copy.name)
        strangers = [name for name in entries if name not in own and not name.endswith(".part")]
        if strangers and not self.is_run:
            message = f"`{self.path}` is not empty, and holds no run (`{strangers[0]}` ...)"
            raise RunError.of("not-a-run", message, "give the name of a new folder with --out")

    def _make(self) -> None:
        """Make the folder unless it is there."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            message, place = f"cannot make the folder: {cause.strerror}", Span(str(self.path), 1, 1)
            raise FileError.of("unwritable", message, "give another --out", place) from None

    def _mend_set(self, fs: AnySet) -> None:
        """Write the set once more, where its file is damaged and this one is the same."""
        try:
            load_set(self.set_file)
        except FileError:
            if self.contents.record.get("set") == fs.digest:
                fs.save(self.set_file)

    def _clear(self) -> None:
        """Remove a run that has nothing worth keeping, and only what is a run's.

        Raises:
            RunError: another process works on it.
            FileError: its files cannot be removed.
        """
        with self.led():
            with suppress(FileError):
                if self.settings.storage:
                    self.trials().forget()
            try:
                # The settings come first: a folder that has none is no run.
                for pattern in (self._copy.name, self.config.name, *_OWN):
                    for path in self.path.glob(pattern):
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError as cause:
                message, place = f"cannot remove the run that is there: {cause.strerror}", Span(str(self.path), 1, 1)
                raise FileError.of("unwritable", message, "remove it, or give another --out", place) from None
        for name in ("contents", "fs"):
            self.__dict__.pop(name, None)

    def _announce(self) -> None:
        """Tell the database, where there is one, all that a worker elsewhere needs."""
        if self.settings.storage is None:
            return
        trials, text = self.trials(), self.contents.to_text()
        if (
            "config" in trials.notes
            and RunConfig.from_text(trials.notes["config"], self.config).settings != self.settings
        ):
            message = f"the storage has another run called `{self.settings.name}`"
            raise RunError.of("other-run", message, "give the folder, and so the run, another name")
        if "config" not in trials.notes:
            trials.note("set", base64.b64encode(self.set_file.read_bytes()).decode())
            trials.note("config", text)

    def _compare(self, settings: RunSettings, fs: AnySet) -> None:
        hint = f"`nascompile resume {self.path}` goes on with that run; for another one give another --out"
        if self.fs.digest != fs.digest:
            low, high = self.fs.between
            size = f"{low:,}" if low == high else f"between {low:,} and {high:,}"
            message = f"`{self.path}` holds a run on another set: {size} members of `{self.fs.program.space.name}`"
            raise RunError.of("other-run", message, hint)
        old, new = _flat(self.settings), _flat(settings)
        same = new.get("digest") is not None and old.get("digest") == new["digest"]
        for key in new:
            # The same data may lie elsewhere now; and before there were digests, their place was all that told.
            if (key == "path" and same) or (key == "digest" and old.get("digest") is None):
                continue
            if key == "digest" and not same:
                message = f"`{self.path}` holds a run on other data: what is at `{new['path']}` has changed since"
                raise RunError.of("other-run", message, hint)
            if old.get(key) != new[key]:
                values = f"{_short(old.get(key))}, not {_short(new[key])}"
                message = f"`{self.path}` holds another run: its `{key}` is {values}"
                raise RunError.of("other-run", message, hint)


def _digest(data: bytes) -> bytes:
    """A line that says what follows it."""
    return f"{hashlib.sha256(data).hexdigest()}\n".encode()


def _checked(path: Path) -> bytes | None:
    """What a file holds behind its digest; None where it is damaged, or not there."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, _, rest = data.partition(b"\n")
    return rest if head + b"\n" == _digest(rest) else None


def _flat(settings: RunSettings) -> dict[str, object]:
    """The settings as their file has them, those of data and recipe by their own names."""
    result = settings.to_data()
    own = result.pop("own", {})
    # A module may lie elsewhere now.
    own.pop("place", None)
    return {**result.pop("data", {}), **result.pop("recipe", {}), **result, **own}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
