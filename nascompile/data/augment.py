"""Augmentation: a batch of training inputs, changed at random, under a name.

| name | of | what |
|---|---|---|
| `none` | all | nothing |
| `crop` | images | a random crop of the size of the image, after padding each side by 1/8 of it (He et al., 2016) |
| `flip` | images | left and right swapped for half of the images |
| `crop-flip` | images | `crop`, then `flip` |
| `shift` | sound, series | moved in time by up to 1/10 of the length, either way; what leaves is lost |
| `jitter` | sound, series | Gaussian noise of deviation 0.03 is added (Um et al., 2017) |
| `gain` | samples, series | louder or quieter by up to 6 dB |
| `mask` | sound, series | SpecAugment (Park et al., 2019): up to 1/5 of the frames, and of the coefficients, are 0 |
| `rotate` | images | turned by up to 15 degrees, either way |
| `scale` | images | larger or smaller by up to 1/5, about the centre |

Several follow each other, `crop+rotate`; `crop-flip` is `crop+flip`.

Inputs are normalised, so the padding, 0, is the mean of the training part. Whether a mirrored image is still of its
class cannot be told from the images (digits, letters, road signs): `crop` is the default, `crop-flip` a choice.
Boxes follow their image: `nascompile.data.boxes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spaces.errors import NascompileError, did_you_mean

if TYPE_CHECKING:
    import torch

__all__ = ["AUGMENTATIONS", "augment", "crop", "flip"]

_PADDING = 8
_SHIFT = 10
_NOISE = 0.03
_GAIN, _MASK = 6, 5
_ANGLE, _SCALE = 15, 0.2


def augment(x: torch.Tensor, name: str, generator: torch.Generator) -> torch.Tensor:
    """A batch changed at random; the batch itself stays what it is.

    Args:
        x: [n, channels, height, width] of images, [n, 1, frames, width] of sound features, [n, channels, length] of
            series or samples; on any device.
        name: one of `AUGMENTATIONS`, or several, joined by `+`.
        generator: on the same device; the only source of randomness.

    Raises:
        NascompileError: there is no such augmentation, or it is not for inputs of this shape.

    Example:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> augment(torch.ones(2, 3, 32, 32), "crop", generator).shape
        torch.Size([2, 3, 32, 32])
    """
    if "+" in name:
        for one in name.split("+"):
            x = augment(x, one, generator)
        return x
    if name not in AUGMENTATIONS:
        raise NascompileError.of(
            "bad-augmentation", f"there is no augmentation `{name}`", did_you_mean(name, AUGMENTATIONS)
        )
    change, ranks = AUGMENTATIONS[name]
    if x.ndim not in ranks:
        shape = "x".join(map(str, x.shape[1:]))
        fitting = [known for known, (_, others) in AUGMENTATIONS.items() if x.ndim in others]
        raise NascompileError.of(
            "bad-augmentation", f"`{name}` is not for inputs of {shape}", f"take {' or '.join(fitting)}"
        )
    return change(x, generator)


def crop(x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops of the size of the images, after padding each side by 1/8.

    Args:
        x: [n, channels, height, width].
        generator: draws the places.

    Returns:
        The crops, and [n, 2]: how far the images have moved to the right and down, as shares of the image.
    """
    import torch

    n, _, height, width = x.shape
    down, right = height // _PADDING, width // _PADDING
    padded = torch.nn.functional.pad(x, (right, right, down, down))
    top, left = _offsets(n, 2 * down, x, generator), _offsets(n, 2 * right, x, generator)
    tops = top[:, None] + torch.arange(height, device=x.device)
    lefts = left[:, None] + torch.arange(width, device=x.device)
    images = torch.arange(n, device=x.device)[:, None, None]
    # Indices apart put the channels last.
    cropped = padded[images, :, tops[:, :, None], lefts[:, None, :]].movedim(-1, 1).contiguous()
    return cropped, torch.stack([(right - left) / width, (down - top) / height], dim=1)


def flip(x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Half of the images with left and right swapped, and [n], which ones.

    Args:
        x: [n, channels, height, width].
        generator: draws which ones.
    """
    import torch

    flipped = _offsets(len(x), 1, x, generator).bool()
    return torch.where(flipped[:, None, None, None], x.flip(-1), x), flipped


def _shift(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    length = x.shape[2]
    most = length // _SHIFT
    positions = torch.arange(length, device=x.device) + _offsets(len(x), 2 * most, x, generator)[:, None] - most
    inside = (positions >= 0) & (positions < length)
    moved = x[torch.arange(len(x), device=x.device)[:, None], :, positions.clamp(0, length - 1)].movedim(1, 2)
    return moved * inside.reshape(len(x), 1, length, *(1,) * (x.ndim - 3)).to(x.dtype)


def _jitter(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    return x + _NOISE * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def _gain(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    decibels = _GAIN * (2 * _uniform(x, generator) - 1)
    return x * (10 ** (decibels / 20)).to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _mask(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One stretch of time, and, where inputs are features, one of coefficients."""
    # Features of sound are [1, frames, width]; of a series with channels, [channels, frames].
    axes = (2, 3) if x.ndim == 4 else (2, 1) if x.shape[1] > 1 else (2,)
    for axis in axes:
        size = x.shape[axis]
        widths = _offsets(len(x), size // _MASK, x, generator)
        starts = (_uniform(x, generator) * (size - widths + 1)).long()
        places = _places(size, x)
        hidden = (places >= starts[:, None]) & (places < (starts + widths)[:, None])
        shape = [len(x), *(size if k == axis else 1 for k in range(1, x.ndim))]
        x = x.masked_fill(hidden.reshape(shape), 0)
    return x


def _rotate(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    angles = torch.deg2rad(_ANGLE * (2 * _uniform(x, generator) - 1))
    # `affine_grid` has both sides from -1 to 1, whatever the image's.
    ratio = x.shape[2] / x.shape[3]
    cos, sin, none = angles.cos(), angles.sin(), torch.zeros_like(angles)
    return _seen(x, torch.stack([cos, -sin * ratio, none, sin / ratio, cos, none], dim=1).reshape(-1, 2, 3))


def _scale(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    factors = 1 + _SCALE * (2 * _uniform(x, generator) - 1)
    none = torch.zeros_like(factors)
    return _seen(x, torch.stack([1 / factors, none, none, none, 1 / factors, none], dim=1).reshape(-1, 2, 3))


def _seen(x: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Images sampled bilinearly where [n, 2, 3] matrices send their places; 0 outside."""
    import torch

    grid = torch.nn.functional.affine_grid(matrices.to(x.dtype), list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, align_corners=False)


def _uniform(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """[n] numbers from 0 to 1."""
    import torch

    return torch.rand(len(x), generator=generator, device=x.device)


def _places(size: int, x: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.arange(size, device=x.device)


def _offsets(n: int, most: int, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """[n] whole numbers from 0 to `most`."""
    import torch

    return torch.randint(0, most + 1, (n,), generator=generator, device=x.device)


#: Name -> the function, and the dimensions of the batches it takes.
AUGMENTATIONS: dict[str, tuple[Callable[[torch.Tensor, torch.Generator], torch.Tensor], tuple[int, ...]]] = {
    "none": (lambda x, _: x, (2, 3, 4)),
    "crop": (lambda x, generator: crop(x, generator)[0], (4,)),
    "flip": (lambda x, generator: flip(x, generator)[0], (4,)),
    "crop-flip": (lambda x, generator: flip(crop(x, generator)[0], generator)[0], (4,)),
    "shift": (_shift, (3, 4)),
    "jitter": (_jitter, (2, 3, 4)),
    "gain": (_gain, (3,)),
    "mask": (_mask, (3, 4)),
    "rotate": (_rotate, (4,)),
    "scale": (_scale, (4,)),
}
