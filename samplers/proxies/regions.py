"""Linear regions: into how many pieces, each with an affine function of its own, the network parts its inputs."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from samplers.proxies.base import Direction, Proxy, ProxyError, Subject
from samplers.proxies.data import Data
from samplers.proxies.initialisation import kaiming_normal_
from samplers.proxies.inputs import examples, run
from samplers.proxies.network import borrowed, place, reproducible

__all__ = ["REGIONS", "Regions", "crops", "linear_regions"]


def linear_regions(net: nn.Module, inputs: torch.Tensor | Iterable[torch.Tensor], train: bool = True) -> int:
    """Number of distinct patterns of active ReLUs among all inputs together (Chen et al., TE-NAS, Sec. 3.1.2).

    A pattern tells for every unit of every `nn.ReLU` whose input is 4-dimensional whether its output is positive. ReLUs
    of vectors do not count; neither do calls of `functional.relu`, which no hook sees, nor ReLU6. The authors'
    quadratic sum over pairs of inputs is the number of distinct rows, which is counted here in linear time.

    Args:
        net: the network, left as it was.
        inputs: a batch [n, ...], or several; each is one forward pass, so batch norm sees them apart.
        train: whether batch norm uses the statistics of the batch.

    Returns:
        Between 1 and the number of inputs. Images of usual size all lie in regions of their own: inputs must be tiny,
        3x3 pixels in TE-NAS.

    Raises:
        ProxyError: no such ReLU was called, or the network cannot run on such inputs.

    Example:
        >>> net = nn.Sequential(nn.Identity(), nn.ReLU())
        >>> linear_regions(net, torch.tensor([-2.0, -1.0, 1.0, 2.0]).reshape(4, 1, 1, 1))
        2
    """
    batches = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    patterns: set[bytes] = set()
    with borrowed(net), torch.no_grad():
        net.train(train)
        for batch in batches:
            patterns.update(row.tobytes() for row in _patterns(net, batch))
    return len(patterns)


def _patterns(net: nn.Module, batch: torch.Tensor) -> np.ndarray:
    """Which units are active for each input: uint8 [n, bytes], 8 units a byte."""
    active: list[np.ndarray] = []

    def see(_: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        if inputs[0].ndim == 4:
            active.append((output > 0).flatten(1).cpu().numpy())

    handles = [module.register_forward_hook(see) for module in net.modules() if isinstance(module, nn.ReLU)]
    try:
        run(net, batch)
    finally:
        for handle in handles:
            handle.remove()
    if not active:
        hint = "make its activations `nn.ReLU` modules; `functional.relu` and ReLU6 are not counted"
        raise ProxyError.of("no-relu", "the network calls no `nn.ReLU` on feature maps", hint)
    return np.packbits(np.concatenate(active, axis=1), axis=1)


def crops(images: torch.Tensor, n: int, size: int, channels: int | None, generator: torch.Generator) -> torch.Tensor:
    """Small windows of images: of a random image, at a random place, of all channels or of random ones.

    Args:
        images: [m, channels, height, width].
        n: number of windows.
        size: their sides, at most those of the images.
        channels: how many channels a window has, drawn without replacement; None keeps all, in order.
        generator: draws images, places and channels.

    Returns:
        [n, channels, size, size].

    Example:
        >>> images = torch.randn(2, 3, 8, 8)
        >>> crops(images, 5, 3, 1, torch.Generator().manual_seed(0)).shape
        torch.Size([5, 1, 3, 3])
    """
    m, all_channels, height, width = images.shape
    which = torch.randint(m, (n,), generator=generator)
    top, left = (torch.randint(side - size + 1, (n,), generator=generator) for side in (height, width))
    kept = torch.arange(all_channels).expand(n, -1)
    if channels is not None:
        kept = torch.rand(n, all_channels, generator=generator).argsort(1)[:, :channels]
    rows, columns = (start[:, None] + torch.arange(size) for start in (top, left))
    return images[which[:, None, None, None], kept[:, :, None, None], rows[:, None, :, None], columns[:, None, None, :]]


@dataclass(frozen=True, kw_only=True)
class Regions(Proxy):
    """Mean number of linear regions over repeats with fresh Kaiming-normal weights (fan_in) and crops of the data.

    TE-NAS counts them on a network of its own: one cell of one channel, without stem, on 3x3 crops of one channel.
    Networks that cannot run on crops of 3x3 need a larger `size`; the larger, the sooner every crop has its own region.

    Args:
        batch: crops per forward pass.
        batches: forward passes, counted together.
        repeats: weights drawn, averaged.
        size: side of a crop.
        channels: channels of a crop, drawn at random; None for all.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> 1 < Regions(batch=50).score(Subject(net), Data.gaussian((3, 8, 8), 2, n=4)) <= 150
        True
    """

    name: str = "regions"
    better: Direction = "higher"
    cost: str = "9 forwards of 1000 crops of 3x3"
    randomness: str = "weights and crops; of the network no weights are read"
    degenerate: str = "units that are not finite count as inactive, so a constant network has 1 region"
    reference: str = "Chen et al., TE-NAS, ICLR 2021; code VITA-Group/TENAS, lib/procedures/linear_region_counter.py"
    batch: int = 1000
    batches: int = 3
    repeats: int = 3
    size: int = 3
    channels: int | None = None

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        copy = deepcopy(subject.network(self.name))
        images = self._images(examples(self.name, data, 1 if data is None else len(data)).images)
        device, dtype = place(copy)
        generator = torch.Generator().manual_seed(seed)
        result = []
        with reproducible(device, seed):
            for _ in range(self.repeats):
                kaiming_normal_(copy, "fan_in", generator)
                drawn = crops(images, self.batch * self.batches, self.size, self.channels, generator)
                result.append(linear_regions(copy, drawn.to(device, dtype).split(self.batch)))
        return sum(result) / len(result)

    def _images(self, images: torch.Tensor) -> torch.Tensor:
        """The images, if crops can be cut out of them."""
        if images.ndim != 4 or min(images.shape[2:]) < self.size or (self.channels or 0) > images.shape[1]:
            wanted = f"{self.channels or 'any'} channels of {self.size}x{self.size}"
            message = f"`regions` cuts {wanted} pixels out of each image, and the data are {tuple(images.shape[1:])}"
            raise ProxyError.of("bad-data", message, "give images, or a smaller `size` or `channels`")
        return images


REGIONS = Regions()
