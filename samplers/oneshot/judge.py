"""A super-network trained once, and networks judged by the weights that they share in it."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import cos, pi
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from samplers.oneshot.super_network import SuperNetwork
from samplers.proxies.data import Data
from samplers.proxies.inputs import logits
from samplers.scores.scoring import one_thread
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError, FileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate

__all__ = ["Judge", "Recipe"]

#: Of the examples without a validation part of their own, one in so many judges.
_HELD = 5
#: Examples of which a batch norm takes its mean and deviation anew, and of a batch of them.
_CALIBRATE, _EVALUATE = 512, 256


@dataclass(frozen=True)
class Recipe:
    """How a super-network is trained: Adam, its rate falling to 0 by a cosine, one network drawn for every batch.

    Args:
        epochs: passes over the training part.
        lr: first learning rate.
        batch: examples of a step.
        seed: of weights, networks and the order of examples.
    """

    epochs: int = 100
    lr: float = 0.003
    batch: int = 48
    seed: int = 0


@dataclass
class Judge:
    """Trains a super-network when it is first asked about a network.

    Every batch trains one network, drawn uniformly from the feasible set. A network is judged by its accuracy on the
    validation part, with batch norms that have seen some training examples through this very network.

    Args:
        fs: the feasible set.
        data: what to learn, with a validation part; without, a fifth of it judges.
        recipe: how to train.
        device: where.
        keep: a file for weights and state, from which training goes on; None for none.
        on_progress: called with what has just ended.

    Raises:
        EngineError: the space cannot share weights, or the data do not fit it.
    """

    fs: AnySet
    data: Data
    recipe: Recipe = Recipe()
    device: str = "cpu"
    keep: Path | None = None
    on_progress: Callable[[str], None] = field(default=lambda what: None)

    def __post_init__(self) -> None:
        if self.data.valid is None:
            held = max(1, len(self.data) // _HELD)
            self.data = self.data.parted(len(self.data) - held)
        found, wanted = tuple(self.data.images.shape[1:]), self.fs.program.space.input.dims
        if found != wanted:
            message = f"the examples are {'x'.join(map(str, found))}, and the space takes {'x'.join(map(str, wanted))}"
            raise EngineError.of("bad-shape", message, "give data of the space's input, or change its `input`")
        if min(len(self.data), self.recipe.batch) < 2:
            message = f"a super-network cannot learn from {len(self.data)} examples in batches of {self.recipe.batch}"
            raise EngineError.of("too-few-examples", message, "give two examples at least, and batches of two")

    def accuracy(self, candidate: Candidate) -> float:
        """The share of the validation part that a network classifies rightly with shared weights."""
        shared = self.shared
        with one_thread(), torch.no_grad():
            network = shared.network(candidate)
            self._calibrate(network)
            return self._right(network) / len(self._valid)

    @cached_property
    def shared(self) -> SuperNetwork:
        """The trained super-network."""
        with one_thread():
            network = SuperNetwork(self.fs.program, self.recipe.seed, self.on_progress).to(self.device)
            self._train(network)
        return network.requires_grad_(False)

    # -- training --------------------------------------------------------------------------------------------------

    def _train(self, network: SuperNetwork) -> None:
        data, recipe = self.data, self.recipe
        optimiser = torch.optim.Adam(network.parameters(), lr=recipe.lr)
        images, labels = data.images.to(self.device), data.labels.to(self.device)
        for epoch in range(self._resumed(network, optimiser), recipe.epochs):
            generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
            order = torch.randperm(len(data), generator=generator).to(self.device)
            # An incomplete batch would weigh its examples more; a short set is one batch.
            batches = [b for b in order.split(recipe.batch) if len(b) == min(recipe.batch, len(data))]
            source, losses = random.Random(f"{recipe.seed}/{epoch}"), 0.0
            for step, batch in enumerate(batches):
                done = (epoch + step / len(batches)) / recipe.epochs
                for group in optimiser.param_groups:
                    group["lr"] = recipe.lr * (1 + cos(pi * done)) / 2
                losses += self._step(network, optimiser, images[batch], labels[batch], source)
            self._save(network, optimiser, epoch + 1)
            loss = f"loss {losses / len(batches):.3f}"
            self.on_progress(f"super-network: epoch {epoch + 1} of {recipe.epochs}, {loss}")

    def _step(
        self, network: SuperNetwork, optimiser: torch.optim.Optimizer,
        images: torch.Tensor, labels: torch.Tensor, source: random.Random,
    ) -> float:  # fmt: skip
        (rank,) = self.fs.draws(1, source)
        candidate = self.fs.outer[rank]
        output = logits(_Path(network, candidate), images)
        self._check(output)
        loss = functional.cross_entropy(output, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    def _check(self, output: torch.Tensor) -> None:
        if self._classes > output.shape[1]:
            message = f"the network tells {output.shape[1]} classes apart, and the data have {self._classes}"
            raise EngineError.of("bad-classes", message, "give the space as many units in its last layer")

    @cached_property
    def _classes(self) -> int:
        return int(torch.cat([self.data.labels, self._valid.labels]).max()) + 1

    # -- judging ---------------------------------------------------------------------------------------------------

    @property
    def _valid(self) -> Data:
        assert self.data.valid is not None
        return self.data.valid

    def _calibrate(self, network: nn.Module) -> None:
        """The mean of batches' statistics, in place of those that another network has left."""
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        network.train()
        for batch in self.data.images[:_CALIBRATE].split(_EVALUATE):
            if len(batch) > 1:
                logits(network, batch.to(self.device))

    def _right(self, network: nn.Module) -> int:
        network.eval()
        parts = zip(self._valid.images.split(_EVALUATE), self._valid.labels.split(_EVALUATE), strict=True)
        return sum(int((logits(network, x.to(self.device)).argmax(1).cpu() == y).sum()) for x, y in parts)

    # -- state -----------------------------------------------------------------------------------------------------

    @cached_property
    def _about(self) -> str:
        """Tells trainings apart."""
        about = [self.fs.program.space.text, self.fs.digest, asdict(self.recipe), self.data.digest, torch.__version__]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def _resumed(self, network: SuperNetwork, optimiser: torch.optim.Optimizer) -> int:
        """How many epochs are in the file; those of another training are none."""
        if self.keep is None or not self.keep.exists():
            return 0
        try:
            state: Mapping[str, Any] = torch.load(self.keep, map_location=self.device, weights_only=True)
            if state["about"] != self._about:
                return 0
            network.load_state_dict(state["weights"])
            if state["epochs"] < self.recipe.epochs:
                optimiser.load_state_dict(state["optimiser"])
            return int(state["epochs"])
        except (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError):
            # What torch raises of a file that is none of its own is anything.
            message = "this file holds no super-network, or a damaged one"
            hint = "delete it or move it away: the same command trains anew"
            raise FileError.of("bad-weights", message, hint, self.keep) from None

    def _save(self, network: SuperNetwork, optimiser: torch.optim.Optimizer, epochs: int) -> None:
        if self.keep is None:
            return
        over = epochs == self.recipe.epochs
        state = {
            "about": self._about,
            "epochs": epochs,
            "weights": network.state_dict(),
            "optimiser": None if over else optimiser.state_dict(),
        }
        file = io.BytesIO()
        torch.save(state, file)
        try:
            write_atomically(self.keep, file.getvalue())
        except FileError as error:
            message = f"cannot keep the super-network: {error.diagnostics[0].message}"
            raise FileError.of(
                "unwritable-file", message, "free some space, and give the same command", self.keep
            ) from None


class _Path(nn.Module):
    """One network of a super-network, as a module."""

    def __init__(self, shared: SuperNetwork, candidate: Candidate) -> None:
        super().__init__()
        self.path = lambda x: shared(candidate, x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of [n, ...]."""
        return self.path(x)
