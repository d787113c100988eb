"""Iterative structured pruning: train the unpruned network, and remove channels in rounds until the candidate is left.

Real channels are removed, never masked: after the last round the weights are those of `candidate.build()`, and what the
candidate was predicted to cost is what the network costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.channels import Channels, Family, channels_of
from nascompile.compression.errors import CompressionError
from nascompile.compression.operator_graph import OperatorGraph
from nascompile.compression.slicing import importance, kept_weights
from nascompile.compression.unpruned import thin_graph, unpruned_graph
from nascompile.data.dataset import Dataset
from nascompile.training.history import Epoch
from nascompile.training.loop import Trained, train
from nascompile.training.metrics import evaluate
from nascompile.training.recipes import Recipe
from spaces.networks.network import Network
from spaces.operators import OPERATORS
from spaces.program.candidate import Candidate

__all__ = ["Pruned", "PruningRound", "check_prunable", "check_steps", "prune", "remove_channels"]

#: Rounds of pruning (PrototypeNAS, Sec. 3.3).
STEPS = 4


@dataclass(frozen=True)
class PruningRound:
    """One round; the first, number 0, removes nothing.

    Args:
        number: from 0.
        channels: that are left in all layers that pruning narrows; channels that are tied count once.
        parameters: of the network.
        before: metrics of the validation part when the channels were removed.
        after: the same, trained on.
        seconds: of training.
    """

    number: int
    channels: int
    parameters: int
    before: dict[str, float]
    after: dict[str, float]
    seconds: float


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned network.

    Args:
        network: `candidate.build()` with the weights that are left, in evaluation mode.
        rounds: the unpruned network first.
    """

    network: Network
    rounds: tuple[PruningRound, ...]

    @property
    def unpruned(self) -> dict[str, float]:
        """Metrics of the unpruned network on the validation part."""
        return self.rounds[0].after

    @property
    def valid(self) -> dict[str, float]:
        """Metrics of the pruned network on the validation part."""
        return self.rounds[-1].after


def prune(
    candidate: Candidate,
    dataset: Dataset,
    recipe: Recipe,
    *,
    sparsity: str = "S",
    steps: int = STEPS,
    seed: int = 0,
    batch_norm: str | None = "kept",
    checkpoints: Path | None = None,
    progress: Callable[[int, Epoch], None] | None = None,
) -> Pruned:
    """Train and prune a candidate (PrototypeNAS, Sec. 3.3).

    The recipe's epochs are shared out evenly: the unpruned network is trained for one part of them, and again after
    each of `steps` rounds; what does not divide goes to the last, the thin network. Of the channels that the same
    operators make, each round removes the same number, those of least importance (`nascompile.compression.slicing`).

    Args:
        candidate: the thin network.
        dataset: to train on.
        recipe: as for training a network that is not pruned.
        sparsity: name of the choice that prunes.
        steps: rounds.
        seed: of the first weights.
        batch_norm: see `spaces.networks.network.build`.
        checkpoints: a folder for a checkpoint of each part; a run that was stopped goes on.
        progress: called with the number of the round, at the end of each epoch.

    Raises:
        CompressionError: the space has no such choice, or pruning does not lead to the candidate.
        TrainingError: see `nascompile.training.train`.
        FileError: see `nascompile.training.train`.
    """
    check_steps(recipe.epochs, steps)
    graph = unpruned_graph(candidate, sparsity, batch_norm=batch_norm)
    ends = _targets(graph, thin_graph(candidate, batch_norm=batch_norm))
    starts = {family: len(numbers) for family, numbers in channels_of(graph).families.items()}
    network, rounds = graph.build(seed), list[PruningRound]()
    for k in range(steps + 1):
        left = {f: starts[f] - (starts[f] - end) * k // steps for f, end in ends.items()}
        graph, network = remove_channels(graph, network, left) if k else (graph, network)
        before = evaluate(network, dataset.valid, dataset.task, dataset.anchors)
        trained = _train_round(k, steps, network, dataset, recipe, checkpoints=checkpoints, progress=progress)
        assert isinstance(trained.network, Network)  # a copy of what went in
        network = trained.network
        parameters = sum(p.numel() for p in network.parameters())
        rounds.append(PruningRound(k, sum(left.values()), parameters, before, trained.valid, seconds=trained.seconds))
    result = candidate.build(batch_norm=batch_norm)
    result.load_state_dict(network.state_dict())
    return Pruned(result.eval(), tuple(rounds))


def check_steps(epochs: int, steps: int = STEPS) -> None:
    """Whether the epochs are enough for pruning in steps.

    Raises:
        CompressionError: they are not.
    """
    if steps < 1 or epochs <= steps:
        message = f"{steps} steps of pruning in {epochs} epoch{'s' * (epochs != 1)}"
        hint = f"train for {steps + 1} epochs or more: one at least before the first step and after each"
        raise CompressionError.of("bad-steps", message, hint if steps > 0 else "there must be 1 step or more")


def check_prunable(candidate: Candidate, sparsity: str, *, batch_norm: str | None = "kept") -> None:
    """Whether pruning leads to a candidate.

    Raises:
        CompressionError: it does not: see `prune`.
    """
    graph = unpruned_graph(candidate, sparsity, batch_norm=batch_norm)
    _targets(graph, thin_graph(candidate, batch_norm=batch_norm))


def remove_channels(graph: OperatorGraph, network: Network, left: dict[Family, int]) -> tuple[OperatorGraph, Network]:
    """The network without its least important channels.

    Args:
        graph: the operators of the network.
        network: with weights; it stays as it is.
        left: how many channels of each family stay; all of those that are not named.

    Returns:
        The operators that are left, and their network.
    """
    channels = channels_of(graph)
    scores = importance(graph, channels, network)
    kept = np.zeros(len(scores), np.bool_)
    for family, numbers in channels.families.items():
        best = np.argsort(-scores[numbers], kind="stable")[: left.get(family, len(numbers))]
        kept[numbers[best]] = True
    smaller = graph.resized(_widths(graph, channels, kept))
    result = smaller.build()
    result.load_state_dict(kept_weights(graph, channels, network.state_dict(), kept))
    return smaller, result


def _widths(graph: OperatorGraph, channels: Channels, kept: NDArray[np.bool_]) -> list[int]:
    return [int(kept[channels.numbers[k + 1]].sum()) for k in range(len(graph.places))]


def _targets(wide: OperatorGraph, thin: OperatorGraph) -> dict[Family, int]:
    """How many channels of each family the thin network has; families that nothing can remove are left out.

    Raises:
        CompressionError: removing channels cannot lead from one to the other.
    """
    ends = channels_of(thin).families
    starts = channels_of(wide).families
    result: dict[Family, int] = {}
    for family, numbers in starts.items():
        end = len(ends.get(family, ()))
        if not 0 < end <= len(numbers):
            message = f"pruning {len(numbers)} channels does not lead to the {end} of the candidate"
            raise CompressionError.of("not-pruned-to", message, "a sparsity must only ever narrow a network")
        if min(family) >= 0 and end < len(numbers):
            result[family] = end
    _check_groups(wide, thin)
    return result


def _check_groups(wide: OperatorGraph, thin: OperatorGraph) -> None:
    for place, narrow in zip(wide.places, thin.places, strict=True):
        op = place.op
        if OPERATORS[op.kind].produces and op.groups > 1 and op.weights != narrow.op.weights:
            message = f"a convolution of {op.groups} groups cannot be pruned"
            raise CompressionError.of("grouped-convolution", message, "let its widths not depend on the sparsity")


def _train_round(
    number: int,
    steps: int,
    network: Network,
    dataset: Dataset,
    recipe: Recipe,
    checkpoints: Path | None,
    progress: Callable[[int, Epoch], None] | None,
) -> Trained:
    epochs = recipe.epochs // (steps + 1) + (recipe.epochs % (steps + 1) if number == steps else 0)
    part = replace(recipe, epochs=epochs, seed=recipe.seed + number)
    file = checkpoints / f"pruning-{number}.safetensors" if checkpoints else None
    return train(
        network, dataset, part, checkpoint=file, progress=(lambda e: progress(number, e)) if progress else None
    )
