"""Training one network: epoch after epoch, the best by validation kept, and everything on disk to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf, isfinite, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nascompile.data.augment import augment
from nascompile.data.boxes import augment_with_boxes
from nascompile.data.dataset import Dataset
from nascompile.training.balance import check_balance, drawing_weights, loss_weights
from nascompile.training.checkpoint import State, load_state, run_of, save_state
from nascompile.training.errors import TrainingError
from nascompile.training.history import Epoch
from nascompile.training.metrics import evaluate, guess
from nascompile.training.objective import better, check_metric, epoch_metric
from nascompile.training.recipes import Recipe
from nascompile.training.tasks import check_outputs, loss_of, targets

__all__ = ["OwnLoss", "Trained", "train"]

#: From what a network gives [n, ...] and the targets [n, ...] to the loss of a batch.
OwnLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

#: So many times the loss of guessing on both parts, or so many times on one, and a network has learnt nothing but large
#: numbers. On one part alone a batch norm that has not settled may do it, but for a moment and not by that much.
_RUNAWAY, _FAR = 3, 100


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and how it came about.

    Args:
        network: with the weights of the best epoch, in evaluation mode, on the CPU.
        history: an entry per epoch.
        best: the epoch of `history` whose weights these are, from 0.
        seconds: spent in all, in every process that took part.
    """

    network: nn.Module
    history: tuple[Epoch, ...]
    best: int
    seconds: float = field(compare=False)

    @property
    def valid(self) -> dict[str, float]:
        """The validation of the best epoch."""
        return dict(self.history[self.best].valid)


def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    until: int | None = None,
    progress: Callable[[Epoch], object] | None = None,
    loss: OwnLoss | None = None,
) -> Trained:
    """Train a copy of a network.

    On the CPU the same network, data and recipe give the same weights, bit for bit, however often the training was
    stopped on the way.

    Args:
        network: its weights are the first ones; it stays as it is.
        dataset: `classification`, `regression` or `multi-label`, where the network gives a number for each class,
            target or label; `anomaly`, where it reconstructs its input; or `detection`, where it ends in a `yolo_head`.
        recipe: how.
        checkpoint: a file that is written at the end of each epoch; if it is there, training goes on from it, and if
            all epochs are done, nothing is trained.
        until: stop after so many epochs of the recipe's; from the checkpoint training goes on as if it had not stopped.
            A checkpoint that is further is left as it is.
        progress: called at the end of each epoch, when the checkpoint is written.
        loss: from what the network gives [n, ...] and the targets [n, ...] to the loss; by default the task's. Whether
            the training has diverged is then yours to see, unless the loss is no number any more.

    Raises:
        TrainingError: the task cannot be trained, or not by this network or recipe; there is no example; the training
            has diverged: the loss is no number any more, or after the best epoch it is more than three times as large
            as that of the best constant answer, on both parts, or a hundred times on one, and the network tells classes
            no better than chance; the checkpoint is that of another training.
        FileError: the checkpoint is damaged, or cannot be written.

    Example:
        >>> import numpy as np
        >>> from nascompile.data.dataset import Part
        >>> x = np.array([[-1.0], [1.0]], np.float32)
        >>> part = Part(x, np.array([0, 1]))
        >>> data = Dataset("classification", part, part, part, ("below", "above"))
        >>> train(nn.Linear(1, 2), data, Recipe(lr=0.1, epochs=9)).valid["accuracy"]
        1.0
    """
    _check(dataset, recipe)
    check_outputs(network, dataset)
    with _surroundings(recipe):
        run = _Run(deepcopy(network), dataset, recipe, loss)
        about = run_of(network, dataset, recipe) if checkpoint else {}
        if loss and checkpoint:
            about["loss"] = f"{loss.__module__}.{getattr(loss, '__qualname__', type(loss).__qualname__)}"
        if checkpoint and checkpoint.exists():
            run.restore(load_state(checkpoint, about))
        while not run.ended and (until is None or len(run.history) < until):
            epoch = run.epoch()
            if checkpoint:
                save_state(checkpoint, run.state(), about)
            if progress:
                progress(epoch)
        return run.trained()


def _check(dataset: Dataset, recipe: Recipe) -> None:
    check_metric(dataset.task, recipe.metric)
    check_balance(dataset.task, recipe.balance)
    if not len(dataset.train) or not len(dataset.valid):
        raise TrainingError.of("no-examples", "training needs examples to learn from and others to choose by")
    if dataset.task == "anomaly" and np.all(dataset.valid.y):
        message = "the validation part has no normal example, by whose reconstruction an epoch is chosen"
        raise TrainingError.of("no-examples", message, "leave some there")


@contextmanager
def _surroundings(recipe: Recipe) -> Iterator[None]:
    """Threads and generators as the recipe says; afterwards they are as before."""
    threads = torch.get_num_threads()
    device = _device(recipe.device)
    devices = [device] if device.type == "cuda" else []
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    torch.set_num_threads(recipe.threads)
    try:
        with torch.random.fork_rng(devices=devices), exact:
            torch.default_generator.manual_seed(recipe.seed)
            if devices:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(recipe.seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise TrainingError.of("bad-recipe", f"there is no device `{name}`", "it is `cpu` or `cuda`") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError.of("bad-recipe", f"the device `{name}` is not there", "use `cpu`")
    return device


class _Run:
    """A training between two epochs."""

    def __init__(self, network: nn.Module, dataset: Dataset, recipe: Recipe, loss: OwnLoss | None) -> None:
        self.recipe, self.dataset = recipe, dataset
        self.device = torch.device(recipe.device)
        self.layout = _layout(network, dataset.train.x.shape)
        self.network = _laid_out(network.to(self.device), self.layout)
        self.x = torch.from_numpy(dataset.train.x).to(self.device)
        self.y = targets(dataset.train).to(self.device)
        weights = loss_weights(dataset.train, dataset.task).to(self.device) if recipe.balance == "weights" else None
        self.own = loss is not None
        self.loss = loss_of(dataset.task, dataset.anchors, weights)
        if loss is not None:
            self.loss = lambda y, _, target: loss(y, target)
        self.drawn = drawing_weights(dataset.train, dataset.task) if recipe.balance == "batches" else None
        self.metric = epoch_metric(dataset.task, recipe.metric)
        self.optimiser = _optimiser(self.network, recipe)
        self.history: list[Epoch] = []
        self.best = 0
        self.best_weights: dict[str, torch.Tensor] = {}

    @property
    def ended(self) -> bool:
        done, patience = len(self.history), self.recipe.patience
        return done >= self.recipe.epochs or (patience > 0 and done - 1 - self.best >= patience)

    def epoch(self) -> Epoch:
        start = time.perf_counter()
        rate = self.recipe.rate(len(self.history))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._pass()
        valid = evaluate(self.network, self.dataset.valid, self.dataset.task, self.dataset.anchors)
        epoch = Epoch(len(self.history), rate, loss, valid, time.perf_counter() - start)
        if self.metric is not None and self.metric not in valid and isfinite(valid["loss"]):
            message = f"the validation part has no `{self.metric}`: it lacks examples of two kinds"
            raise TrainingError.of("no-examples", message, "give it more, or choose another metric")
        if better(valid, self.history[self.best].valid if self.history else None, self.metric):
            self.best = epoch.number
            self.best_weights = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.history.append(epoch)
        return epoch

    def _pass(self) -> float:
        """One pass over the examples; the mean loss."""
        self.network.train()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for rows in _batches(self._order(), self.recipe.batch):
            there = rows.to(self.device)
            x, y = self._augmented(self.x[there], self.y[there])
            x = x.contiguous(memory_format=self.layout) if x.ndim == 4 else x
            self.optimiser.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.mixed_precision):
                loss = self.loss(self.network(x), x, y)
            loss.backward()
            self.optimiser.step()
            total += loss.detach() * len(rows)
        mean = total.item() / len(self.x)
        if not isfinite(mean):
            message = f"the loss of epoch {len(self.history)} is {mean}: training has diverged"
            raise TrainingError.of("diverged", message, "use a lower `lr`")
        return mean

    def _order(self) -> torch.Tensor:
        """The examples of an epoch; torch's global generator decides."""
        if self.drawn is None:
            return torch.randperm(len(self.x))
        return torch.multinomial(self.drawn, len(self.x), replacement=True)

    def _augmented(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch to learn from; the global generator of its device decides."""
        how = self.recipe.augment
        if not isinstance(how, str):
            return how(x), y
        cuda = x.device.type == "cuda"
        generator = torch.cuda.default_generators[x.device.index or 0] if cuda else torch.default_generator
        if self.dataset.task == "detection":
            return augment_with_boxes(x, y, how, generator)
        return augment(x, how, generator), y

    def state(self) -> State:
        cuda = self.device.type == "cuda"
        generators = {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state(self.device)} if cuda else {})
        return State(
            self.network.state_dict(), self.best_weights, self.optimiser.state_dict()["state"], generators,
            tuple(self.history), best=self.best,
        )  # fmt: skip

    def restore(self, state: State) -> None:
        self.network.load_state_dict(state.network)
        groups: Any = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": dict(state.optimiser), "param_groups": groups})
        for parameter, remembered in self.optimiser.state.items():
            # In memory as the parameter is, as they were before: what is computed element by element rounds alike.
            for name, value in remembered.items():
                if torch.is_tensor(value) and value.shape == parameter.shape:
                    remembered[name] = torch.empty_like(parameter).copy_(value)
        torch.set_rng_state(state.generators["cpu"])
        if "cuda" in state.generators and self.device.type == "cuda":
            torch.cuda.set_rng_state(state.generators["cuda"], self.device)
        self.history, self.best = list(state.history), state.best
        self.best_weights = {k: v.to(self.device) for k, v in state.best_weights.items()}

    def trained(self) -> Trained:
        self._check_learnt()
        self.network.load_state_dict(self.best_weights)
        seconds = sum(epoch.seconds for epoch in self.history)
        plain = _laid_out(self.network.cpu(), torch.contiguous_format)
        return Trained(plain.eval(), tuple(self.history), self.best, seconds)

    def _check_learnt(self) -> None:
        """Raises where the network of the best epoch is worse than any guess: its weights have run away."""
        epoch, data = self.history[self.best], self.dataset
        valid = epoch.valid
        if not isfinite(valid["loss"]):
            message = f"what the network gives after epoch {self.best} is no number: training has diverged"
            raise TrainingError.of("diverged", message, "use a lower `lr`")
        if data.task == "detection" or self.own or not self.ended:
            return
        least, chance = guess(data.train, data.valid, data.task)["loss"], inf
        if data.task in ("classification", "multi-label"):
            # Balanced, a network is right to be worse than the frequencies, but not than all answers alike.
            answers = 2 if data.task == "multi-label" else int(np.asarray(data.train.y).max()) + 1
            least = max(least, log(answers))
            # Loud mistakes make a large loss too: it must also tell classes no better than chance does.
            chance = 0.5 + 1 / sqrt(len(data.valid))
        loud, louder = sorted((valid["loss"], epoch.loss))
        if (loud <= _RUNAWAY * least and louder <= _FAR * least) or valid.get("auc", 0.5) > chance:
            return
        message = f"the loss is {louder:.3g}, that of guessing {least:.3g}: training has diverged"
        raise TrainingError.of("diverged", message, "use a lower `lr`")


def _layout(network: nn.Module, shape: tuple[int, ...]) -> torch.memory_format:
    """How maps lie in memory: channels last where there are depthwise convolutions, whose steps take less time so.

    Measured on one core of an x86: 1.2 to 1.4 of DS-CNN, 3 of ConvMixer, 1.9 of MobileNet's blocks; without depthwise
    convolutions (SqueezeNet) steps take longer, 0.8.

    Args:
        network: its kernels are [out, in of a group, height, width].
        shape: of the examples.
    """
    kernels = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] == 1 < p.shape[2] * p.shape[3]]
    # The first convolution of a map of one channel looks like a depthwise one, and is none.
    first = len(shape) == 4 and shape[1] == 1
    return torch.channels_last if len(kernels) > first else torch.contiguous_format


def _laid_out(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The network, with its kernels so in memory."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return network


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def _batches(order: torch.Tensor, batch: int) -> list[torch.Tensor]:
    """The examples in batches; a single one left over joins the last, as a batch norm needs two."""
    batches = list(order.split(batch))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
