"""One step of one network of a run: trained up to an epoch, quantised, or trained on in int8, and measured.

What a step makes is in the network's folder, so that the next step, or the same one after a kill, goes on from there:

training.safetensors    the checkpoint, which goes on from rung to rung as an uninterrupted training would
float.safetensors       the network as it was trained, or pruned, to the end
ptq.safetensors         in int8, quantised after training
qat.safetensors         in int8, trained on; its checkpoint is qat_training.safetensors
train-5.json, ptq.json  what each step found; written last
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.compression.errors import CompressionError
from nascompile.data.dataset import Dataset
from nascompile.run.own import Place, evaluate_own
from nascompile.run.settings import RunSettings
from nascompile.run.steps import Step
from nascompile.training.errors import TrainingError
from nascompile.training.objective import check_metric, gain
from nascompile.training.tensor_file import is_whole
from samplers.scores.scoring import weight_seed
from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from nascompile.training.recipes import Recipe
    from spaces.networks.network import Network

__all__ = [
    "FLOAT", "ProgressCallback", "evaluate_step", "initial_network", "int8_file", "read_step", "score",
    "step_file", "weights_of", "write_step",
]  # fmt: skip

#: The trained network, and the checkpoint of its training.
FLOAT, _TRAINING = "float.safetensors", "training.safetensors"

#: What steps leave to others; all else are checkpoints.
_MADE = (FLOAT, "ptq.safetensors", "qat.safetensors")
#: Of errors: a file is no use, be it cut off, of something else, or, where another machine rounds otherwise, a
#: checkpoint of what this one takes for another training.
_DAMAGED = ("damaged-file", "wrong-file", "other-training")

#: Called with what has just ended, such as "epoch 3 of 20".
ProgressCallback = Callable[[str], None]


def evaluate_step(
    candidate: Candidate, step: Step, dataset: Dataset, settings: RunSettings, folder: Path, device: str = "cpu",
    on_progress: ProgressCallback = lambda what: None,
) -> dict[str, Any]:  # fmt: skip
    """Do a step of a network, and measure what it made on the validation part.

    A result that is there is read; a training that was stopped goes on from its checkpoint. Files that are damaged
    are as if they were not there.

    Args:
        candidate: which network.
        step: what to do; what it needs of earlier steps is in the folder.
        dataset: its test part is not touched.
        settings: how.
        folder: of the network; made if it is not there.
        device: where to train.
        on_progress: called at the end of each epoch.

    Returns:
        Plain data: `candidate`, its costs, `valid` with the metrics of the validation part, `metric`, the name of the
        one that is maximised, and `seconds` since it was last taken up; of training `epochs` and `best_epoch`, and of a
        pruned network `unpruned`, the metrics before. Where it cannot be done `error` in place of the metrics.

    Raises:
        FileError: the folder cannot be written.
    """
    if found := read_step(folder, step):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    if settings.own:
        made = evaluate_own(candidate, settings.own, Place(folder, device, settings.seed))
    else:
        made = _Work(candidate, dataset, settings, folder, device=device, on_progress=on_progress).do(step)
    seconds = round(time.monotonic() - start, 3)
    result = {"candidate": str(candidate), **candidate.costs, **made, "seconds": seconds}
    write_step(folder, step, result)
    return result


def step_file(folder: Path, step: Step) -> Path:
    """What a step found, in the folder of its network."""
    return folder / f"{step}.json"


def write_step(folder: Path, step: Step, result: Mapping[str, Any]) -> None:
    """Keep what a step found.

    Raises:
        FileError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(step_file(folder, step), (json.dumps(dict(result), indent=2) + "\n").encode())


def read_step(folder: Path, step: Step) -> dict[str, Any] | None:
    """What a step found; None where that is not there, or damaged, so that it is done again."""
    try:
        result = json.loads(step_file(folder, step).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "candidate" in result else None


def int8_file(folder: Path, step: Step) -> Path:
    """The int8 network that a step made."""
    return folder / f"{step}.safetensors"


def weights_of(step: Step, epochs: int) -> str:
    """The file that a step leaves to others.

    Args:
        step: which.
        epochs: of the whole training, at whose end there is a network.
    """
    if step.kind == "train":
        return FLOAT if step.epochs == epochs else _TRAINING
    return f"{step}.safetensors"


def score(result: Mapping[str, Any]) -> float | None:
    """What counts of a step: its metric of the validation part, the more, the better; None where it found nothing."""
    if "valid" not in result:
        return None
    if "gain" in result:
        return float(result["gain"])
    return gain(result["valid"], result["metric"]) if result["metric"] in result["valid"] else 0.0


def initial_network(candidate: Candidate, seed: int) -> Network:
    """The untrained network, with its batch norms; its weights depend on seed and candidate, not on who came before.

    Example:
        >>> from samplers.testing import example_set
        >>> a, b = (initial_network(example_set("small")[3], seed=0) for _ in range(2))
        >>> all(p.equal(q) for p, q in zip(a.parameters(), b.parameters()))
        True
    """

    return candidate.build(seed=weight_seed(str(candidate), seed), batch_norm="kept")


@dataclass(frozen=True)
class _Work:
    """The steps of one network."""

    candidate: Candidate
    dataset: Dataset
    settings: RunSettings
    folder: Path
    device: str
    on_progress: ProgressCallback

    @property
    def recipe(self) -> Recipe:
        return replace(self.settings.recipe, seed=self.settings.seed, device=self.device)

    def do(self, step: Step) -> dict[str, Any]:
        """A step, and why it cannot be done."""
        try:
            made = self._mended(step)
            made["metric"] = check_metric(self.dataset.task, self.settings.recipe.metric)
        except (TrainingError, CompressionError) as error:
            made = {"error": error.diagnostics[0].message}
        return made

    def _mended(self, step: Step) -> dict[str, Any]:
        """Do a step, from what earlier ones and earlier attempts have left; what of that is damaged is made anew."""
        do = {"train": self.train, "ptq": self.ptq, "qat": self.qat}[step.kind]
        try:
            return do(step)
        except (FileError, TrainingError) as error:
            if error.diagnostics[0].code not in _DAMAGED:
                raise
            for path in self.folder.rglob("*.safetensors"):
                if path.name not in _MADE or not is_whole(path):
                    path.unlink()
            return do(step)

    def train(self, step: Step) -> dict[str, Any]:
        """Train on to an epoch; at the end of all the network is written."""
        from nascompile.run.weights import save_weights
        from nascompile.training.loop import train
        from nascompile.training.objective import best_epoch, epoch_metric

        if self.settings.sparsity:
            return self._prune(self.settings.sparsity)
        recipe, start = self.recipe, initial_network(self.candidate, self.settings.seed)
        trained = train(
            start, self.dataset, recipe, checkpoint=self.folder / _TRAINING, until=step.epochs,
            progress=lambda epoch: self.on_progress(f"epoch {epoch.number + 1} of {recipe.epochs}"),
        )  # fmt: skip
        if step.epochs == recipe.epochs:
            save_weights(self.folder / FLOAT, trained.network, self.candidate)
        # The checkpoint may be further: whoever did this was killed later, and its result is lost.
        history = trained.history[: step.epochs]
        best = best_epoch(history, epoch_metric(self.dataset.task, recipe.metric))
        return {"valid": dict(history[best].valid), "epochs": len(history), "best_epoch": best + 1}

    def _prune(self, sparsity: str) -> dict[str, Any]:
        """Train as wide as without its sparsity, and remove channels until the network is left."""
        from nascompile.compression.pruning import prune
        from nascompile.run.weights import save_weights

        rounds = self.folder / "pruning"
        rounds.mkdir(exist_ok=True)
        seed = weight_seed(str(self.candidate), self.settings.seed)
        pruned = prune(
            self.candidate, self.dataset, self.recipe, sparsity=sparsity, seed=seed, checkpoints=rounds,
            progress=lambda k, epoch: self.on_progress(f"round {k} of pruning, epoch {epoch.number + 1}"),
        )  # fmt: skip
        save_weights(self.folder / FLOAT, pruned.network, self.candidate)
        return {"valid": pruned.valid, "unpruned": pruned.unpruned, "epochs": self.recipe.epochs}

    def ptq(self, step: Step) -> dict[str, Any]:
        """Quantise the trained network."""
        from nascompile.compression.int8 import quantise_after_training

        quantised = quantise_after_training(self._trained(), self.dataset)
        quantised.network.save(int8_file(self.folder, step))
        return {"valid": quantised.valid}

    def qat(self, step: Step) -> dict[str, Any]:
        """Train the trained network on with the rounding in place."""
        from nascompile.compression.int8 import quantise_in_training

        epochs = self.settings.qat_epochs
        quantised = quantise_in_training(
            self._trained(), self.dataset, self.recipe, epochs=epochs,
            checkpoint=self.folder / "qat_training.safetensors",
            progress=lambda epoch: self.on_progress(f"epoch {epoch.number + 1} of {epochs} in int8"),
        )  # fmt: skip
        quantised.network.save(int8_file(self.folder, step))
        assert quantised.training
        return {"valid": quantised.valid, "epochs": len(quantised.training.history)}

    def _trained(self) -> Network:
        from nascompile.run.weights import load_weights

        if not (self.folder / FLOAT).exists():
            self.train(Step.train(self.settings.recipe.epochs))
        return load_weights(self.folder / FLOAT, self.candidate)
