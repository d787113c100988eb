"""Forward and backward passes that several proxies share: each proxy observes the passes it needs.

A `SharedProxy` names its passes and makes an observer. `observe` runs every distinct pass once, however many observers
it has, so what an ensemble yields equals what each proxy yields alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isnan

import torch
from torch import nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from samplers.proxies.base import Proxy, ProxyError, Subject
from samplers.proxies.data import Data
from samplers.proxies.inputs import examples, logits
from samplers.proxies.network import borrowed, place, reproducible, weighted_layers

__all__ = ["Observer", "Pass", "SharedProxy", "observe"]

Gradients = list[tuple[torch.Tensor, torch.Tensor]]
"""Weight and its gradient dL/dw for each of `weighted_layers`, in order; 0 where the loss does not depend on it."""


@dataclass(frozen=True, order=True)
class Pass:
    """A forward pass in training mode over a slice of the data, and perhaps backward passes.

    Args:
        start: first example.
        stop: one past the last.
        backward: whether the gradients of the mean cross-entropy by the weights are wanted, too.
        inputs: whether the gradients of the summed logits by the images are wanted, too.
    """

    start: int
    stop: int
    backward: bool = False
    inputs: bool = False

    @property
    def part(self) -> tuple[int, int]:
        """The examples it runs on."""
        return self.start, self.stop


class Observer(ABC):
    """What one proxy sees of its passes. Called for those passes only, in their order."""

    def hook(self, net: nn.Module) -> Iterable[RemovableHandle]:
        """Hooks the network before a pass; the hooks are removed after it. By default, none."""
        return ()

    def gradients(self, gradients: Gradients) -> None:  # noqa: B027 - optional, as `hook` is
        """Takes the gradients of a backward pass; the tensors are nobody else's to change, and are not reused."""

    def jacobian(self, rows: torch.Tensor) -> None:  # noqa: B027 - optional, as `hook` is
        """Takes the gradients of the summed logits by the images, [images, ...]; 0 where they do not depend on them."""

    @abstractmethod
    def value(self) -> float:
        """The score, once every pass is over."""


@dataclass(frozen=True, kw_only=True)
class SharedProxy(Proxy):
    """A proxy whose passes can be shared with others.

    Raises:
        ProxyError: an option that counts something is less than 1, or `batches` less than 2.
    """

    def __post_init__(self) -> None:
        for option, value in self.options.items():
            least = 2 if option == "batches" else 1
            if isinstance(value, int) and not isinstance(value, bool) and value < least:
                message = f"`{self.name}` cannot have {option} = {value}"
                raise ProxyError.of("bad-option", message, f"give at least {least}")

    @property
    @abstractmethod
    def passes(self) -> tuple[Pass, ...]:
        """The passes it observes, in order."""

    @abstractmethod
    def observer(self, seed: int) -> Observer:
        """A fresh observer."""

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        return observe(subject, [self], data, seed)[0]


def observe(subject: Subject, proxies: Sequence[SharedProxy], data: Data | None, seed: int) -> list[float]:
    """The scores of one network by several proxies, in as few passes as they need together.

    A proxy one of whose passes yields logits that are not finite, or whose score is NaN, gets its worst score.

    Args:
        subject: holds the network, which is left as it was.
        proxies: whose scores are wanted.
        data: labelled examples, enough for every pass.
        seed: seeds each pass and each observer alike, whoever else is there.

    Returns:
        A score per proxy.

    Raises:
        ProxyError: no network, no or too few examples, or a network that these examples do not fit.
    """
    if not proxies:
        return []
    net = subject.network(proxies[0].name)
    enough = _enough(data, proxies)
    observers = [proxy.observer(seed) for proxy in proxies]
    sound: dict[tuple[int, int], bool] = {}
    with borrowed(net):
        for step in merged(proxy.passes for proxy in proxies):
            here = [o for proxy, o in zip(proxies, observers, strict=True) if step.part in _parts(proxy)]
            sound[step.part] = _run(net, step, here, enough, seed)
    scores = []
    for proxy, observer in zip(proxies, observers, strict=True):
        score = observer.value() if all(sound[part] for part in _parts(proxy)) else proxy.worst
        scores.append(proxy.worst if isnan(score) else score)
    return scores


def merged(wanted: Iterable[Iterable[Pass]]) -> list[Pass]:
    """The distinct passes among those wanted; one over the same examples goes backward if any of them does.

    Example:
        >>> for step in merged([[Pass(0, 1)], [Pass(0, 8, inputs=True)], [Pass(0, 8, True), Pass(8, 16, True)]]):
        ...     print(step.part, step.backward, step.inputs)
        (0, 1) False False
        (0, 8) True True
        (8, 16) True False
    """
    by_part: dict[tuple[int, int], list[Pass]] = {}
    for passes in wanted:
        for step in passes:
            by_part.setdefault(step.part, []).append(step)
    return [
        Pass(*part, backward=any(s.backward for s in steps), inputs=any(s.inputs for s in steps))
        for part, steps in sorted(by_part.items())
    ]


def _parts(proxy: SharedProxy) -> list[tuple[int, int]]:
    return [step.part for step in proxy.passes]


def _run(net: nn.Module, step: Pass, observers: Sequence[Observer], data: Data, seed: int) -> bool:
    """Runs one pass; whether its logits are finite."""
    device, dtype = place(net)
    images = data.images[step.start : step.stop].to(device, dtype).detach().requires_grad_(step.inputs)
    labels = data.labels[step.start : step.stop].to(device)
    weights = [layer.weight.requires_grad_() for layer in weighted_layers(net)] if step.backward else []
    differentiable = torch.set_grad_enabled(step.backward or step.inputs)
    with reproducible(device, seed + step.start), differentiable, ExitStack() as hooks:
        for observer in observers:
            for handle in observer.hook(net):
                hooks.callback(handle.remove)
        output = logits(net, images)
        _check_labels(labels, output.shape[1])
        if step.inputs:
            rows = _by_images(output, images, keep=step.backward)
            for observer in observers:
                observer.jacobian(rows)
        if step.backward:
            gradients = _gradients(functional.cross_entropy(output, labels), weights)
            for observer in observers:
                observer.gradients(gradients)
    return bool(output.isfinite().all())


def _by_images(output: torch.Tensor, images: torch.Tensor, keep: bool) -> torch.Tensor:
    """The gradients of the summed logits by the images; with `keep` another backward pass is to follow."""
    if not output.requires_grad:
        return torch.zeros_like(images)
    (rows,) = torch.autograd.grad(output.sum(), images, retain_graph=keep, allow_unused=True, materialize_grads=True)
    return rows


def _gradients(loss: torch.Tensor, weights: Sequence[torch.Tensor]) -> Gradients:
    """dL/dw of each weight; no parameter's `grad` is touched."""
    if not weights:
        return []
    if not loss.requires_grad:
        return [(weight.detach(), torch.zeros_like(weight)) for weight in weights]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return [(weight.detach(), gradient) for weight, gradient in zip(weights, gradients, strict=True)]


def _check_labels(labels: torch.Tensor, classes: int) -> None:
    if labels.max() >= classes:
        message = f"the label {labels.max()} is none of the network's {classes} classes"
        hint = "give data of as many classes as the network tells apart, numbered from 0"
        raise ProxyError.of("bad-data", message, hint)


def _enough(data: Data | None, proxies: Sequence[SharedProxy]) -> Data:
    """The data, if every pass finds its examples there."""
    needs = {proxy.name: max(step.stop for step in proxy.passes) for proxy in proxies}
    hungriest = max(needs, key=lambda name: needs[name])
    return examples(hungriest, data, needs[hungriest])
