"""What a proxy feeds a network: enough examples, the shape of one input, and logits checked for what they should be."""

from __future__ import annotations

import torch
from torch import nn

from samplers.proxies.base import ProxyError, Subject
from samplers.proxies.data import Data

__all__ = ["examples", "input_shape", "logits", "run"]


def examples(proxy: str, data: Data | None, n: int) -> Data:
    """The first n labelled examples, on behalf of a proxy that needs them.

    Raises:
        ProxyError: there are fewer.

    Example:
        >>> len(examples("ntk", Data.gaussian((3, 8, 8), 10, n=4), 2))
        2
    """
    has = 0 if data is None else len(data)
    if data is None or has < n:
        hint = f"give at least {n} examples, or a smaller batch (`--batch`)"
        raise ProxyError.of("too-few-examples", f"`{proxy}` needs {n} examples, and got {has}", hint)
    return Data(data.images[:n], data.labels[:n], data.source)


def input_shape(proxy: str, subject: Subject, data: Data | None) -> tuple[int, ...]:
    """The shape of one input: that of the data, or without data that of the candidate's space.

    Raises:
        ProxyError: there is neither.

    Example:
        >>> input_shape("zen", Subject(nn.Identity()), Data.gaussian((3, 8, 8), 10, n=1))
        (3, 8, 8)
    """
    if data is not None:
        return tuple(data.images.shape[1:])
    if subject.candidate is None:
        message = f"`{proxy}` needs to know the shape of the network's input"
        raise ProxyError.of("no-shape", message, "give data, of which it reads the shape alone, or the candidate")
    return subject.candidate.program.space.input.dims


def run(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the network yields for these images.

    Raises:
        ProxyError: it cannot run on them, or does not yield a tensor.

    Example:
        >>> run(nn.Linear(2, 3), torch.ones(4, 2)).shape
        torch.Size([4, 3])
    """
    sides = "x".join(map(str, images.shape))
    try:
        output = net(images)
    except (RuntimeError, ValueError) as error:
        hint = "score it with data of its own input, or with a larger `batch`"
        raise ProxyError.of("bad-network", f"the network cannot run on images of {sides}: {error}", hint) from error
    if not isinstance(output, torch.Tensor):
        hint = "a network to score yields logits [images, classes]"
        raise ProxyError.of("bad-network", f"the network yields {type(output).__name__}, not a tensor", hint)
    return output


def logits(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The logits [images, classes] of a network.

    Raises:
        ProxyError: it cannot run on these images, or yields something else.
    """
    output = run(net, images)
    if output.ndim != 2 or len(output) != len(images):
        found = "x".join(map(str, output.shape)) or "one number"
        raise ProxyError.of(
            "bad-network", f"the network yields {found}", "a network to score yields logits [images, classes]"
        )
    return output
