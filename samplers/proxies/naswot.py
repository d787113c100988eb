"""NASWOT: how differently the rectifiers switch for different images, as a log-determinant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from samplers.proxies.base import Direction
from samplers.proxies.passes import Observer, Pass, SharedProxy

__all__ = ["NASWOT", "Naswot", "agreements", "log_determinant"]

# Columns of a code taken at once: bounds the memory, and keeps sums of ones far below 2^24, so exact in float32.
_UNITS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Naswot(SharedProxy):
    """NASWOT = ln|det K|, K_ij = number of rectifier units in which images i and j are both on or both off.

    The authors run a backward pass and a second forward pass of the same images, which yields the same codes.

    Args:
        batch: number of images; the authors take 128.
        quirk: hook every module whose class name contains "ReLU", as the authors' code does. On NAS-Bench-201 that
            counts the units of each `ReLUConvBN` twice. By default `nn.ReLU` and `nn.ReLU6` count, and beyond the
            paper `nn.Hardswish`, on where its input is positive: without it, networks that have it would not compare
            with those that rectify.

    Example:
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> data = Data.gaussian((3, 2, 2), 10, n=2)
        >>> NASWOT.better, Naswot(batch=2).score(Subject(nn.Sequential(nn.Flatten(), nn.Linear(12, 10))), data)
        ('higher', -inf)
    """

    name: str = "naswot"
    better: Direction = "higher"
    cost: str = "1 forward of 128 images, and a matrix product per rectifier"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = "-inf if two images switch all units alike, if no module is a rectifier, or on logits not finite"
    reference: str = (
        "Mellor et al., Neural Architecture Search without Training, ICML 2021; BayesWatch/nas-without-training"
    )
    batch: int = 128
    quirk: bool = False

    @property
    def passes(self) -> tuple[Pass, ...]:
        """One forward pass."""
        return (Pass(0, self.batch),)

    def observer(self, seed: int) -> Observer:
        """Hooks on the inputs of rectifiers."""
        return _Codes(self.quirk)


class _Codes(Observer):
    """Adds up the agreements of each rectifier while the pass runs: no code is kept."""

    def __init__(self, quirk: bool) -> None:
        self._quirk = quirk
        self._kernel: torch.Tensor | None = None

    def hook(self, net: nn.Module) -> Iterator[RemovableHandle]:
        for module in net.modules():
            if self._is_rectifier(module):
                # Before the module runs: an in-place rectifier overwrites its input.
                yield module.register_forward_pre_hook(self._see)

    def value(self) -> float:
        return float("-inf") if self._kernel is None else log_determinant(self._kernel)

    def _is_rectifier(self, module: nn.Module) -> bool:
        return "ReLU" in type(module).__name__ if self._quirk else isinstance(module, nn.ReLU | nn.ReLU6 | nn.Hardswish)

    def _see(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kernel = agreements(inputs[0])
        self._kernel = kernel if self._kernel is None else self._kernel + kernel


@torch.no_grad()
def agreements(activations: torch.Tensor) -> torch.Tensor:
    """In how many units each two images agree on being positive: K = units - d_i - d_j + 2 (B B^T), d = diag(B B^T).

    B are the codes, 1 where positive and 0 elsewhere; one matrix product, exact in float32.

    Args:
        activations: [images, ...].

    Returns:
        float64 [images, images] of whole numbers.

    Example:
        >>> agreements(torch.tensor([[1.0, -1.0, 2.0], [3.0, 0.0, -4.0]])).tolist()
        [[3.0, 2.0], [2.0, 3.0]]
    """
    flat = activations.flatten(1)
    both = flat.new_zeros(len(flat), len(flat), dtype=torch.float64)
    for part in flat.split(_UNITS, dim=1):
        code = (part > 0).float()
        both += code @ code.T
    on = both.diagonal()
    return flat.shape[1] + 2 * both - on[:, None] - on[None, :]


def log_determinant(kernel: torch.Tensor) -> float:
    """ln|det K|; exactly -inf if two images agree in all units, which rounding could hide.

    Args:
        kernel: float64 [images, images], units on the diagonal.

    Example:
        >>> log_determinant(torch.tensor([[3.0, 2.0], [2.0, 3.0]], dtype=torch.float64))
        1.609...
        >>> log_determinant(torch.full((2, 2), 3.0, dtype=torch.float64))
        -inf
    """
    if (kernel == kernel.diagonal()).sum() > len(kernel):
        return float("-inf")
    return float(torch.linalg.slogdet(kernel).logabsdet)


NASWOT = Naswot()
