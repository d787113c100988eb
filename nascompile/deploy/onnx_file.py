"""A network as ONNX, for other tools; by torch's own exporter."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nascompile.deploy.deployable import Deployable
from nascompile.deploy.errors import DeployError
from spaces.files import write_atomically

__all__ = ["write_onnx"]


def write_onnx(subject: Deployable, path: Path) -> None:
    """Write the floating-point network of a subject.

    Raises:
        DeployError: the packages for it are not installed, or the subject's float32 weights are not there.
        FileError: the file cannot be written.
    """
    import torch

    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        message = f"writing ONNX needs the package {' and '.join(f'`{name}`' for name in missing)}"
        raise DeployError.of("no-onnx", message, "pip install 'nascompile[onnx]'")
    network = subject.module()
    example = torch.zeros(1, *network.input_shape)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "network.onnx"
        with _quiet():
            torch.onnx.export(
                network, (example,), str(made), dynamo=True, external_data=False, verbose=False,
                input_names=["input"], output_names=["output"],
            )  # fmt: skip
        write_atomically(path, made.read_bytes())


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of packages that nothing here needs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
