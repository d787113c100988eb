"""Small files of every format, written where a test wants them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

REAL = Path(__file__).parents[3] / "shared" / "data" / "datasets"


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def wav(rate: int, samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, samples)
    return buffer.getvalue()


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    """The files in a folder, or in the archive that the name of `root` asks for."""
    if root.suffix == ".zip":
        with zipfile.ZipFile(root, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif root.suffix in (".tar", ".gz"):
        with tarfile.open(root, "w:gz" if root.suffix == ".gz" else "w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    return root


@pytest.fixture
def write():
    return write_files


@pytest.fixture
def as_png():
    return png


@pytest.fixture
def as_wav():
    return wav


@pytest.fixture
def real():
    """The path of a real data set, or a skipped test."""

    def path(name: str) -> Path:
        if not (REAL / name).exists():
            pytest.skip(f"{REAL / name} is missing")
        return REAL / name

    return path


@pytest.fixture
def error():
    """Code and text of the FileError that a call raises."""
    from spaces.errors import FileError

    def raised(call, *args, **kwargs) -> tuple[str, str]:
        with pytest.raises(FileError) as info:
            call(*args, **kwargs)
        (diagnostic,) = info.value.diagnostics
        assert diagnostic.hint
        return diagnostic.code, str(info.value)

    return raised
