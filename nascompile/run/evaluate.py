"""One candidate of a run: trained, quantised, measured; every step on disk, so that none is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.compression.errors import CompressionError
from nascompile.data.dataset import Dataset
from nascompile.run.settings import RunSettings
from nascompile.training.errors import TrainingError
from nascompile.training.objective import METRICS
from samplers.scores.scoring import weight_seed
from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from nascompile.training.recipes import Recipe
    from spaces.networks.network import Network

__all__ = ["METRIC", "evaluate_candidate", "initial_network", "read_result", "score"]

#: What is maximised, by task.
METRIC = {task: names[0] for task, names in METRICS.items()}


#: Called with what has just ended, such as "epoch 3 of 20".
ProgressCallback = Callable[[str], None]


def evaluate_candidate(
    candidate: Candidate, dataset: Dataset, settings: RunSettings, folder: Path, device: str = "cpu",
    on_progress: ProgressCallback = lambda what: None,
) -> dict[str, Any]:  # fmt: skip
    """Train and quantise a candidate, and measure each step on the validation part.

    A result that is there is read; a training that was stopped goes on from its checkpoint.

    Args:
        candidate: which network.
        dataset: its test part is not touched.
        settings: how.
        folder: of the candidate; made if it is not there.
        device: where to train.
        on_progress: called at the end of each epoch.

    Returns:
        Plain data: `candidate`, its costs; `float`, `int8_ptq`, `int8_qat` and `int8`, the better of these, with the
        metrics of the validation part; `epochs`, `best_epoch`; `seconds` in all and `seconds_training`, `seconds_ptq`,
        `seconds_qat`, since it was last taken up; or `candidate`, its costs, `error` and `seconds`, where the network
        cannot be trained or quantised.

    Raises:
        FileError: the folder cannot be written, or a file in it is damaged.
    """
    if found := read_result(folder):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        steps = _steps(candidate, dataset, settings, folder, device=device, on_progress=on_progress)
    except (TrainingError, CompressionError) as error:
        steps = {"error": error.diagnostics[0].message}
    result = {"candidate": str(candidate), **candidate.costs, **steps, "seconds": _since(start)}
    write_atomically(folder / "result.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result of a candidate, where it is there.

    Raises:
        FileError: the file is damaged.
    """
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(result, dict) and "candidate" in result:
            return result
    except (OSError, ValueError):
        pass
    hint = "delete it, then `nascompile resume`: what else is in its folder is not trained again"
    raise FileError.of("damaged-file", "this is no result of a candidate", hint, path)


def score(result: Mapping[str, Any], metric: str) -> float:
    """What counts of a result: the metric of the validation part, in int8 where there is an int8 network.

    A network that could not be trained has 0.
    """
    found = result.get("int8") or result.get("float") or {}
    return float(found.get(metric, 0.0))


def initial_network(candidate: Candidate, seed: int) -> Network:
    """The untrained network, with its batch norms; its weights depend on seed and candidate, not on who came before.

    Example:
        >>> from samplers.testing import example_set
        >>> a, b = (initial_network(example_set("small")[3], seed=0) for _ in range(2))
        >>> all(p.equal(q) for p, q in zip(a.parameters(), b.parameters()))
        True
    """

    return candidate.build(seed=weight_seed(str(candidate), seed), batch_norm="kept")


def _steps(
    candidate: Candidate,
    dataset: Dataset,
    settings: RunSettings,
    folder: Path,
    device: str,
    on_progress: ProgressCallback,
) -> dict[str, Any]:
    """What each step gives."""
    from nascompile.run.weights import save_weights

    recipe = replace(settings.recipe, seed=settings.seed, device=device)
    start = time.monotonic()
    network, result = _trained(candidate, dataset, recipe, settings, folder=folder, on_progress=on_progress)
    result["seconds_training"] = _since(start)
    save_weights(folder / "float.safetensors", network, candidate)
    if settings.quantise != "none":
        result |= _int8(network, dataset, recipe, settings, folder=folder, on_progress=on_progress)
    return result


def _trained(
    candidate: Candidate,
    dataset: Dataset,
    recipe: Recipe,
    settings: RunSettings,
    folder: Path,
    on_progress: ProgressCallback,
) -> tuple[Network, dict[str, Any]]:
    """The trained network, pruned where that is asked for, and what training gave."""
    from nascompile.compression.pruning import prune
    from nascompile.training.loop import train
    from spaces.networks.network import Network

    if settings.sparsity:
        rounds = folder / "pruning"
        rounds.mkdir(exist_ok=True)
        seed = weight_seed(str(candidate), settings.seed)
        pruned = prune(
            candidate, dataset, recipe, sparsity=settings.sparsity, seed=seed, checkpoints=rounds,
            progress=lambda k, epoch: on_progress(f"round {k} of pruning, epoch {epoch.number + 1}"),
        )  # fmt: skip
        return pruned.network, {"unpruned": pruned.unpruned, "float": pruned.valid, "epochs": recipe.epochs}
    start = initial_network(candidate, settings.seed)
    trained = train(
        start, dataset, recipe, checkpoint=folder / "training.safetensors",
        progress=lambda epoch: on_progress(f"epoch {epoch.number + 1} of {recipe.epochs}"),
    )  # fmt: skip
    assert isinstance(trained.network, Network)  # a copy of what went in
    best = {"epochs": len(trained.history), "best_epoch": trained.best + 1}
    return trained.network, {"float": trained.valid, **best}


def _int8(
    network: Network,
    dataset: Dataset,
    recipe: Recipe,
    settings: RunSettings,
    folder: Path,
    on_progress: ProgressCallback,
) -> dict[str, Any]:
    """What quantisation gives; the int8 network is written.

    Training on is a chance, no promise: if the network was better before, by the validation part, that one is kept.
    """
    from nascompile.compression.int8 import quantise_after_training, quantise_in_training
    from nascompile.training.objective import better, epoch_metric

    start = time.monotonic()
    chosen = quantise_after_training(network, dataset)
    result: dict[str, Any] = {"int8_ptq": chosen.valid, "seconds_ptq": _since(start)}
    if settings.quantise == "qat":
        checkpoint, start = folder / "qat.safetensors", time.monotonic()
        trained = quantise_in_training(
            network, dataset, recipe, epochs=settings.qat_epochs, checkpoint=checkpoint,
            progress=lambda epoch: on_progress(f"epoch {epoch.number + 1} of {settings.qat_epochs} in int8"),
        )  # fmt: skip
        result |= {"int8_qat": trained.valid, "seconds_qat": _since(start)}
        chosen = trained if better(trained.valid, chosen.valid, epoch_metric(dataset.task, recipe.metric)) else chosen
    chosen.network.save(folder / "int8.safetensors")
    return {**result, "int8": chosen.valid}


def _since(start: float) -> float:
    """Seconds, to the millisecond."""
    return round(time.monotonic() - start, 3)
