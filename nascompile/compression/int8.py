"""From trained weights to integers: after training (PTQ), or by training on with the rounding in place (QAT)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nascompile.compression.errors import CompressionError
from nascompile.compression.fake_quant import FakeQuantised
from nascompile.compression.integers import integers
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.data.anchors import Anchors
from nascompile.data.dataset import Dataset, Part, Task
from nascompile.training.history import Epoch
from nascompile.training.loop import Trained, train
from nascompile.training.metrics import metrics
from nascompile.training.recipes import Recipe
from spaces.networks.network import Network

__all__ = ["QAT_EPOCHS", "Quantised", "evaluate_int8", "quantise_after_training", "quantise_in_training"]

#: Epochs of quantisation-aware training (PrototypeNAS, Sec. 3.3).
QAT_EPOCHS = 15

_CALIBRATION_BATCH = 128


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network in int8.

    Args:
        network: in integers.
        simulated: the same in floating point.
        valid: metrics of the validation part, computed in integers.
        training: how it was trained on; None after post-training quantisation.
    """

    network: QuantisedNetwork
    simulated: FakeQuantised
    valid: dict[str, float]
    training: Trained | None = None


def quantise_after_training(network: Network, dataset: Dataset, *, examples: int = 512) -> Quantised:
    """Post-training static quantisation: the ranges of all tensors are those that some examples make.

    Args:
        network: trained, on the CPU.
        dataset: ranges come from its `train`, metrics from its `valid`.
        examples: how many are looked at, evenly spread over `train`.

    Raises:
        CompressionError: an operator that has no int8 kernel, no example, or sums that 32 bits may not hold.
    """
    simulated = _calibrated(network, dataset, examples)
    return _quantised(simulated, dataset, None)


def quantise_in_training(
    network: Network,
    dataset: Dataset,
    recipe: Recipe,
    *,
    epochs: int = QAT_EPOCHS,
    examples: int = 512,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Quantised:
    """Quantisation-aware training: calibrated as after training, then trained on with the rounding in place.

    Batch norms are folded before. The epoch is chosen by validation, as in all training.

    Args:
        network: trained, on the CPU.
        dataset: to train on.
        recipe: as the network was trained, or another; without its `epochs`.
        epochs: of further training.
        examples: see `quantise_after_training`.
        checkpoint: see `nascompile.training.train`.
        progress: see `nascompile.training.train`.

    Raises:
        CompressionError: see `quantise_after_training`.
        TrainingError: see `nascompile.training.train`.
        FileError: see `nascompile.training.train`.
    """
    simulated = _calibrated(network, dataset, examples)
    further = replace(recipe, epochs=epochs)
    trained = train(simulated, dataset, further, checkpoint=checkpoint, progress=progress)
    assert isinstance(trained.network, FakeQuantised)  # a copy of what went in
    return _quantised(trained.network, dataset, trained)


def evaluate_int8(network: QuantisedNetwork, part: Part, task: Task, anchors: Anchors = ()) -> dict[str, float]:
    """How well an integer network does on some examples; see `nascompile.training.metrics.metrics`.

    Raises:
        TrainingError: the task cannot be evaluated.
    """
    return metrics(network.predict(part.x), part, task, anchors)


def _calibrated(network: Network, dataset: Dataset, examples: int) -> FakeQuantised:
    if examples < 1 or not len(dataset.train):
        raise CompressionError.of("no-examples", "there is no example to calibrate with", "use 1 or more `examples`")
    simulated = FakeQuantised(network).eval()
    x: NDArray[np.float32] = dataset.train.x
    rows = np.unique(np.linspace(0, len(x) - 1, min(examples, len(x))).round().astype(np.int64))
    simulated.calibrate(list(torch.from_numpy(x[rows]).split(_CALIBRATION_BATCH)))
    return simulated


def _quantised(simulated: FakeQuantised, dataset: Dataset, trained: Trained | None) -> Quantised:
    network = integers(simulated)
    valid = evaluate_int8(network, dataset.valid, dataset.task, dataset.anchors)
    return Quantised(network, simulated, valid, trained)
