"""The user's examples, read before anything else is done with them; and those on which a command scores networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascompile.cli.options import SetRequest, is_set_file
from nascompile.cli.output import working
from nascompile.data.columns import Columns
from solvers.sets.relaxed_set import AnySet
from spaces.errors import FileError, NascompileError

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset
    from nascompile.run.settings import DataSettings
    from samplers.proxies.data import Data

__all__ = [
    "DataOptions",
    "absolute_data",
    "check_batch_norm",
    "check_device",
    "data_first",
    "data_record",
    "labelled_examples",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What the columns of a user's tables are."""

    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            help="Of tables: the column that is learnt, or several: a,b. Default: one called label, class, target, ...",
            metavar="COLUMN",
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Of tables: a person, a recording: rows of one are in one part only. file: the file is it.",
            metavar="COLUMN",
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            help="Of tables: when a row was; no window goes over a gap. Default: a column called time, timestamp.",
            metavar="COLUMN",
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Of tables: the inputs, a,b,c. Default: all other columns.", metavar="COLUMNS"),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            min=1,
            help="Of tables whose rows are moments: rows of a window. Default: each row is a window.",
            metavar="ROWS",
        ),
    ] = None
    step: Annotated[
        int | None,
        typer.Option("--step", min=1, help="Rows from window to window. Default: as many as it has.", metavar="ROWS"),
    ] = None

    def given(self) -> dict[str, Any] | None:
        """As a run keeps them; None where there are none."""
        if self.step and not self.window:
            message = "--step says where windows begin, and there are none"
            raise NascompileError.of("bad-option", message, "add --window, or leave --step out")
        values = {
            "label": list(_words(self.label)), "group": self.group, "time": self.time,
            "inputs": list(_words(self.columns)),
            "window": self.window, "step": self.step,
        }  # fmt: skip
        found = {name: value for name, value in values.items() if value}
        return found or None


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where the user's examples are, and how they are read; the same wherever a command takes some."""

    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Your examples: a folder or archive of images, sounds, tables or series; .csv, .parquet, .npz, .npy, "
            ".ts. Where nothing is trained, seeded Gaussian noise by default.",
            metavar="DATA",
        ),
    ] = None
    features: Annotated[
        str | None, typer.Option("--features", help="Of sound: mfcc (default for an image) or log-mel.", metavar="NAME")
    ] = None
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1,
            help="Of sound: samples per second, to which files are resampled; arrays that do not say it have it.",
            metavar="HZ",
        ),
    ] = None
    keywords: Annotated[
        str | None,
        typer.Option(
            "--keywords",
            help="Of sound: the classes, yes,no,up; all others become `unknown`, and pieces of _background_noise_ "
            "`silence`.",
            metavar="CLASSES",
        ),
    ] = None
    tables: TableOptions = TableOptions()
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Use so many examples only.")] = None
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Training, validation and test part of every class. Default: 70/10/20; a test part that the data have "
            "stays what it is.",
            metavar="A/B/C",
        ),
    ] = None

    def settings(self, seed: int, **more: Any) -> DataSettings | None:
        """As a run keeps them; None without data.

        Args:
            seed: of parts and of --limit.
            more: other fields.

        Raises:
            NascompileError: one of the options is given without data.
        """
        from nascompile.run.settings import DataSettings

        columns = self.tables.given()
        how = {
            "features": self.features, "rate": self.rate, "limit": self.limit, "split": self._shares(),
            "keywords": _words(self.keywords) or None, "columns": columns,
        }  # fmt: skip
        if self.data is None:
            idle = [f"--{name}" for name, value in how.items() if value is not None and name != "columns"]
            if idle := [*idle, *([Columns(**columns).option] if columns else [])]:
                message = f"{idle[0]} says how --data is read, and there is none"
                hint = f"give --data, or leave {idle[0]} out (networks are limited by --samples)"
                raise NascompileError.of("bad-option", message, hint)
            return None
        given = {name: value for name, value in how.items() if value is not None}
        return DataSettings(absolute_data(self.data), seed=seed, **given, **more)

    def _shares(self) -> tuple[float, float, float] | None:
        """The shares that --split says, their sum 1."""
        if self.split is None:
            return None
        try:
            train, valid, test = (float(part) for part in self.split.split("/"))
        except ValueError:
            train = valid = test = 0.0
        if not (min(train, valid, test) > 0 and isfinite(total := train + valid + test)):
            message = f"--split cannot be `{self.split}`"
            raise NascompileError.of("wrong-value", message, "give three positive shares, such as 70/15/15")
        return train / total, valid / total, test / total


def _words(text: str | None) -> tuple[str, ...]:
    """Of a list with commas."""
    return tuple(filter(None, (word.strip() for word in (text or "").split(","))))


def absolute_data(path: Path) -> str:
    """The path to data, wherever the next command stands; `archive.tar.gz:NAME` is a set inside of an archive."""
    file, colon, inside = str(path).partition(":")
    return f"{Path(file).absolute()}{colon}{inside}"


def data_first(
    request: SetRequest,
    given: DataSettings | None,
    reduced: Callable[[SetRequest, Dataset | None], AnySet] = lambda request, _: request.feasible_set(),
) -> tuple[AnySet, Dataset | None]:
    """A set and the data for its networks, which are read, and checked against the space, before that is reduced.

    Args:
        request: what set.
        given: what data; None for none.
        reduced: makes the set, for networks that learn the data; of a set file it only opens it.

    Raises:
        NascompileError: any mistake in the data, the space or its limits.
    """
    from nascompile.run.data import example_network, read_data

    made = is_set_file(request.space)
    fs = reduced(request, None) if made else None
    network = (fs.outer[0] if fs else None) if made else given and example_network(request.program())
    dataset = None
    if given and network:
        try:
            with working("reading the data"):
                dataset = read_data(given, network)
        except FileError as error:
            raise _for_set(request.space, error) if made else error from None
    fs = reduced(request, dataset) if fs is None else fs
    if given and fs and dataset is None:
        # None of its networks was found without looking at all of them.
        dataset = read_data(given, fs.outer[0])
        fs = fs if made else reduced(request, dataset)
    return fs, dataset


def _for_set(path: str, error: FileError) -> FileError:
    """The same mistakes where the networks are made already, so that no override helps."""
    again = f"`{path}` is made: {{}}, and `reduce` it anew"
    return FileError(
        replace(d, hint=again.format(d.hint)) if d.code in ("bad-classes", "bad-shape") else d
        for d in error.diagnostics
    )


def labelled_examples(fs: AnySet, dataset: Dataset | None, batch: int, seed: int, *, learns: bool = False) -> Data:
    """Two batches of the training part of the user's data, or of noise; or all, for a search that learns.

    Args:
        fs: whose networks they are for; not empty.
        dataset: None for noise.
        batch: examples per batch; fewer where the data have no more.
        seed: decides which, or what noise.
        learns: whether all of the training and the validation part are wanted.

    Raises:
        NascompileError: the data have no classes.
    """
    from nascompile.run.proxies import proxy_examples, whole_examples
    from samplers.proxies.data import Data
    from spaces.program.breakdown import outputs

    if dataset is None:
        return Data.gaussian(fs.program.space.input.dims, outputs(fs.outer[0]), 2 * batch, seed)
    return whole_examples(dataset) if learns else proxy_examples(dataset, batch, seed)


def data_record(data: Data) -> dict[str, str]:
    """What a run notes of its examples: where they come from, wherever the file lies now, and a digest."""
    return {"data": data.source, "data_sha256": data.digest}


def check_device(device: str) -> None:
    """Whether networks can run there.

    Raises:
        NascompileError: no such device.
    """
    import torch

    if device not in ("cpu", "cuda"):
        raise NascompileError.of("wrong-value", f"--device cannot be `{device}`", "it is cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        message = "this machine has no CUDA device that PyTorch can use"
        raise NascompileError.of("no-gpu", message, "leave out --device")


def check_batch_norm(how: str) -> None:
    """Whether batch norms can be that.

    Raises:
        NascompileError: they cannot.
    """
    if how not in ("kept", "folded"):
        message = f"--batch-norm cannot be `{how}`"
        raise NascompileError.of("wrong-value", message, "it is kept or folded")
