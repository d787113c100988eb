"""Borrowing a network: whatever a proxy does to it is undone, and nothing random leaks out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

__all__ = ["borrowed", "place", "reproducible", "weighted_layers"]


def weighted_layers(net: nn.Module) -> list[nn.Conv2d | nn.Conv1d | nn.Linear]:
    """The convolutions and linear layers, in module order: their weights are what gradient proxies sum over.

    The published codes know `Conv2d` and `Linear`; `Conv1d` is the same layer for time series.

    Example:
        >>> weighted_layers(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3)))
        [Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1)), Linear(in_features=2, out_features=3, bias=True)]
    """
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Conv1d | nn.Linear)]


def place(net: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where the network lives and how precise it is: device and type of its first floating-point parameter or buffer.

    A network without any is on the CPU, in float32.

    Example:
        >>> place(nn.Linear(2, 3).double())
        (device(type='cpu'), torch.float64)
    """
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


@contextmanager
def borrowed(net: nn.Module) -> Iterator[nn.Module]:
    """The network in training mode, given back as it was, also after an error.

    Restored are gradients and `requires_grad` of the parameters, the buffers (batch-norm statistics), and each
    module's mode. Values of parameters are not: a proxy that changes weights works on a copy of the network.

    A batch norm that meets a single value per channel (one image, a map of one pixel) subtracts it from itself, and
    yields its bias; PyTorch alone would refuse.

    Example:
        >>> norm = nn.BatchNorm1d(2).eval()
        >>> with borrowed(norm) as net:
        ...     _ = net(torch.ones(4, 2))
        >>> norm.running_mean, norm.training
        (tensor([0., 0.]), False)
        >>> with borrowed(norm) as net:
        ...     net(torch.ones(1, 2)).tolist()
        [[0.0, 0.0]]
    """
    modes = [(module, module.training) for module in net.modules()]
    parameters = [(p, p.grad, p.requires_grad) for p in net.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    hooks = [handle for norm in norms for handle in _allow_single_values(norm)]
    net.train()
    try:
        yield net
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
        for parameter, gradient, required in parameters:
            parameter.requires_grad_(required).grad = gradient
        with torch.no_grad():
            for buffer, saved in buffers:
                buffer.copy_(saved)


def _allow_single_values(norm: nn.Module) -> Iterator[RemovableHandle]:
    """Two copies of a single value have its mean, and no deviation: so it is normalised as two, and one is given on."""
    doubled = False

    def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        nonlocal doubled
        (x,) = inputs
        doubled = module.training and x.numel() == x.shape[1]
        return (torch.cat([x, x]),) if doubled else None

    def after(_: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor | None:
        return output[:1] if doubled else None

    yield norm.register_forward_pre_hook(before)
    yield norm.register_forward_hook(after)


@contextmanager
def reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Seeds torch's global generators for layers such as dropout, and puts their states back.

    On a GPU, cuDNN keeps to deterministic kernels and to float32: TF32 would cost three digits.

    Example:
        >>> with reproducible(torch.device("cpu"), seed=1):
        ...     first = torch.rand(3)
        >>> with reproducible(torch.device("cpu"), seed=1):
        ...     torch.equal(first, torch.rand(3))
        True
    """
    devices = [device] if device.type == "cuda" else []
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.random.fork_rng(devices=devices), exact:
        # Not `torch.manual_seed`, which would also seed GPUs that nobody asked for.
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
