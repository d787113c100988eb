"""The data of a run: read as its settings say, fit for the networks of its space, and the same to the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from nascompile.data.dataset import Dataset, Part
from nascompile.run.errors import RunError
from nascompile.run.settings import DataSettings
from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.language.output_keys import outputs_overrides
from spaces.program.breakdown import outputs
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.graph import Program
from spaces.tensors import Infeasible

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder

__all__ = ["data_record", "example_network", "load_data", "no_data", "read_data", "read_record", "write_record"]

_RECORD = "data.json"

#: Variants, and options of each, that are tried to find a network that can exist.
_TRIED = 16


def read_data(given: DataSettings, network: Candidate) -> Dataset:
    """A data set as the settings say, for networks such as one of their space.

    Args:
        given: where the data are, and how they are read.
        network: all of its space take the same input and tell as many classes apart.

    Raises:
        FileError: the data cannot be read, or do not fit the networks; it says what to type.
        RunError: networks cannot be trained on them.
    """
    from nascompile.data.load import load_dataset
    from spaces.networks.detection_head import detection_head

    space, head = network.program.space, detection_head(network)
    classes = None if given.task == "anomaly" else head.classes if head else outputs(network)
    anchors = {"anchors": head.anchors} if head else {}
    data = load_dataset(
        given.path, space.input.dims, classes=classes, remedy=lambda count: _remedy(network, count), **anchors,
        **given.how(),
    )  # fmt: skip
    if (data.task == "detection") != (head is not None):
        ends = "ends" if head else "does not end"
        message = f"the task is `{data.task}`, and `{space.name}` {ends} in a `yolo_head`, which finds boxes"
        hint = "give images with a .json of COCO annotations" if head else "take a space such as prototype_detection"
        raise RunError.of("wrong-head", message, hint)
    return data


def no_data() -> Dataset:
    """Of a run that trains nothing: what it evaluates by has data of its own."""
    empty = Part(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    return Dataset("classification", empty, empty, empty, ())


def load_data(folder: RunFolder, path: str | None = None) -> Dataset:
    """The data set of a run, the same as when it began.

    Args:
        folder: of the run.
        path: where the data are now; by default where the run says.

    Raises:
        FileError: the data cannot be read.
        RunError: they are not those of the run any more; it says what has changed.
    """
    if folder.settings.own:
        return no_data()
    given = folder.settings.data
    given = replace(given, path=path) if path else given
    try:
        data = read_data(given, folder.fs.outer[0])
    except FileError as error:
        if given.digest is None:
            raise
        raise FileError(replace(d, hint=_back(folder)) for d in error.diagnostics) from None
    if given.digest is not None and data.digests != given.digest:
        message = f"`{given.path}` does not hold the data of this run any more: {_changed(folder, data)}"
        raise RunError.of("other-data", message, _back(folder))
    return data


def example_network(program: Program) -> Candidate | None:
    """A network of a space, be it one that no budget allows; None where none was found at once.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> str(example_network(compile_space(load_space("mlp2"), tables=False)))
        'mlp2: 16-16'
    """
    draw = Random(0)
    for position, variant in enumerate(program.variants[:_TRIED]):
        counts = [len(decision.options) for decision in variant.decisions]
        rows = [
            [0] * len(counts),
            [n - 1 for n in counts],
            *([draw.randrange(n) for n in counts] for _ in range(_TRIED)),
        ]
        for row in rows:
            network = candidate_of(program, position, row)
            with suppress(Infeasible):
                if network.steps:
                    return network
    return None


def data_record(data: Dataset) -> dict[str, Any]:
    """How data were read, and what a device needs to know: the classes, how an input is made, the anchors of boxes."""
    return {"task": data.task, "classes": list(data.classes), **data.prepared}


def read_record(folder: RunFolder) -> dict[str, Any] | None:
    """What `data.json` says of a run's data; None where it does not, which the next `resume` amends."""
    try:
        result = json.loads((folder.path / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and isinstance(result.get("sizes"), dict) else None


def write_record(folder: RunFolder, data: Dataset) -> None:
    """Write `data.json`, unless it is there.

    Raises:
        FileError: it cannot be written.
    """
    record = json.loads(json.dumps(data_record(data)))
    if read_record(folder) != record:
        write_atomically(folder.path / _RECORD, (json.dumps(record, indent=2) + "\n").encode())


def _remedy(network: Candidate, count: int) -> str:
    """What to type so that networks tell so many classes apart."""
    keys = " ".join(outputs_overrides(network.program.space, count))
    return f"add to the command: {keys}" if keys else "change the units of the network's last layer, or the data"


def _back(folder: RunFolder) -> str:
    return (
        f"put the data back as they were; if they are elsewhere now: `nascompile resume {folder.path} --data PATH`; "
        "for other data, begin another run with `search` and another --out"
    )


def _changed(folder: RunFolder, data: Dataset) -> str:
    """What tells the data at hand from those of the run."""
    was, now = read_record(folder) or {}, data_record(data)
    if was and was.get("classes") != now["classes"]:
        return f"its classes were {_listed(was.get('classes'))}, and are {_listed(now['classes'])}"
    sizes: Mapping[str, int] = was.get("sizes", {})
    numbers = [
        f"its {name} part had {sizes[name]:,} examples, and has {count:,}"
        for name, count in now["sizes"].items()
        if sizes.get(name, count) != count
    ]
    digests = folder.settings.data.digest or {}
    others = [name for name in now["sizes"] if digests.get(name) != data.digests.get(name)]
    return ", ".join(numbers) or f"its {' and its '.join(others)} part has other examples, or other labels"


def _listed(names: Any) -> str:
    names = [str(name) for name in names or ()]
    return ", ".join(names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")
