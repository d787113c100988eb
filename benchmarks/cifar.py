"""Real CIFAR-10 images for proxies: decoded once from an archive of JPEG files, and kept in the user's cache folder."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from samplers.proxies.data import Data

__all__ = ["cifar10", "decoded"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_KEPT = 4000


def cifar10(archive: Path, n: int, seed: int) -> Data:
    """n training images with their labels, standardised per channel.

    Args:
        archive: a `.tar.gz` with `train/CLASS/NAME.jpg`, 32 x 32 pixels.
        n: number of images, at most 4,000.
        seed: decides which.
    """
    with np.load(decoded(archive)) as arrays:
        chosen = torch.randperm(_KEPT, generator=torch.Generator().manual_seed(seed))[:n].numpy()
        images, labels = torch.from_numpy(arrays["x"][chosen].astype(np.float32) / 255), arrays["y"][chosen]
    deviation, mean = torch.std_mean(images, dim=(0, 2, 3), correction=0, keepdim=True)
    source = f"{n} of {_KEPT} images of CIFAR-10, seed {seed}"
    return Data((images - mean) / deviation, torch.from_numpy(labels.astype(np.int64)), source)


def decoded(archive: Path) -> Path:
    """A file with 4,000 training images, `x` uint8 [n, 3, 32, 32], and their labels `y`."""
    cache = _cache_folder() / f"cifar10-{_KEPT}.npz"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        x, y = _decoded(archive)
        part = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, x=x, y=y)
        part.replace(cache)
    return cache


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nascompile"


def _decoded(archive: Path) -> tuple[np.ndarray, np.ndarray]:
    """A fixed random choice of the training images: uint8 [n, 3, 32, 32], and their labels."""
    with tarfile.open(archive, "r:gz") as tar:
        # One pass: a compressed archive has no random access.
        files = {m.name: tar.extractfile(m) for m in tar if m.isfile() and m.name.startswith("train/")}
        names = sorted(name for name in files if name.endswith(".jpg"))
        chosen = [names[k] for k in np.random.default_rng(0).permutation(len(names))[:_KEPT]]
        wanted = {name: file.read() for name in sorted(chosen) if (file := files[name]) is not None}
    images = [np.asarray(Image.open(io.BytesIO(wanted[name])).convert("RGB")) for name in chosen]
    labels = [CLASSES.index(name.split("/")[1]) for name in chosen]
    return np.moveaxis(np.stack(images), -1, 1).copy(), np.array(labels, np.int64)
