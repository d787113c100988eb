"""A network as files that other tools read, beside its C."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.errors import DeployError
from nascompile.deploy.manifest import add_file
from spaces.errors import did_you_mean

__all__ = ["FORMATS", "Format", "chosen_formats", "write_format"]


@dataclass(frozen=True)
class Format:
    """An exchange format.

    Args:
        name: its word.
        packages: that write it, by the names by which they are imported.
        write: `network -> the file`.
        dtypes: what it is written in.
    """

    name: str
    packages: tuple[str, ...]
    write: Callable[[Any], bytes]
    dtypes: tuple[str, ...]


def _tflite(network: QuantisedNetwork) -> bytes:
    from nascompile.deploy.exchange.tflite_file import tflite_bytes

    return tflite_bytes(network)


def _onnx(network: Any) -> bytes:
    from nascompile.deploy.exchange.onnx_file import onnx_bytes

    return onnx_bytes(network)


#: All there are, by their words.
FORMATS = {
    one.name: one
    for one in (
        Format("tflite", ("tflite", "flatbuffers"), _tflite, ("int8",)),
        Format("onnx", ("onnx",), _onnx, ("int8", "float32")),
    )
}


def chosen_formats(words: str, dtype: str) -> list[Format]:
    """The formats that a list names beside `c`, which is written always.

    Args:
        words: such as `c,tflite,onnx`.
        dtype: of the network.

    Raises:
        DeployError: there is no such format, or it is not written in this data type.

    Example:
        >>> [one.name for one in chosen_formats("c,tflite,onnx", "int8")]
        ['tflite', 'onnx']
    """
    found: dict[str, Format] = {}
    for word in (word.strip() for word in words.split(",")):
        if word == "c":
            continue
        if word not in FORMATS:
            raise DeployError.of("no-format", f"there is no format `{word}`", did_you_mean(word, ["c", *FORMATS]))
        one = found[word] = FORMATS[word]
        if dtype not in one.dtypes:
            message = f"a .{word} file is written in {' and '.join(one.dtypes)} alone"
            others = ", ".join(["c", *(other.name for other in FORMATS.values() if dtype in other.dtypes)])
            raise DeployError.of("no-format", message, f"in {dtype} there are: {others}")
    return list(found.values())


def write_format(made: Deployed, one: Format) -> tuple[str, int]:
    """Write a network in a format beside its C.

    Args:
        made: its C.
        one: the format.

    Returns:
        The name of the file and its bytes.

    Raises:
        DeployError: a package is missing, the network has what the format cannot say, or the file that is there was
            not written so.
        FileError: the file cannot be written.
    """
    file = f"{made.naming.name}.{one.name}"
    if missing := [f"`{name}`" for name in one.packages if importlib.util.find_spec(name) is None]:
        are = "is" if len(missing) == 1 else "are"
        message = f"`{file}` is not written, only the C: {' and '.join(missing)} {are} not installed"
        raise DeployError.of("no-package", message, f"pip install 'nascompile[{one.name}]'")
    data = one.write(made.subject.network)
    if not add_file(made.folder, file, data):
        message = f"`{made.folder / file}` is not as it was written, and stays"
        raise DeployError.of("edited", message, "move it, or name a new folder with -o")
    return file, len(data)
