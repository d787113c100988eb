"""The end of a run: which networks are kept, how good all are on the test part, and how well proxies foretold it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from nascompile.data.dataset import Dataset
from nascompile.run.errors import RunError
from nascompile.run.evaluate import METRIC, score
from nascompile.run.folder import RunFolder
from nascompile.run.proxies import proxy_examples
from nascompile.run.timing import without_seconds
from nascompile.run.worker import WEIGHTS
from samplers.subset.hypervolume import HypervolumeSelector
from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate, parse_candidate

__all__ = ["AGREEMENT", "Outcome", "finish"]

#: What is compared with the trained accuracy, beside FLOPs and parameters: the ensemble of PrototypeNAS.
AGREEMENT = ("meco", "zico", "naswot", "snip")
#: Examples per batch of the proxies.
_BATCH = 64
_FEW = 3


@dataclass(frozen=True)
class Outcome:
    """The results of a run.

    Args:
        metric: what was maximised.
        cost: what it was weighed against.
        rows: one per candidate in the order in which the sampler asked: `number`, `candidate`, `chosen`, the costs,
            `valid`, `test`, `valid_int8`, `test_int8`, `valid_ptq` (in int8 before it was trained on); of those that
            were built for the chip `rom_built`, `ram_built`, `instructions`; where it could not be trained `error`.
        agreement: Kendall's tau of each proxy, of FLOPs and of parameters with `test` over the run's networks.
        verdict: how good the choice is.
    """

    metric: str
    cost: str
    rows: tuple[Mapping[str, Any], ...]
    agreement: Mapping[str, float]
    verdict: str

    @classmethod
    def read(cls, folder: RunFolder) -> Outcome | None:
        """The outcome of a run that has ended; None of one that has not.

        Raises:
            FileError: its file is damaged.
        """
        path = folder.path / "results.json"
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(data["metric"], data["cost"], tuple(data["networks"]), data["agreement"], data["verdict"])
        except (ValueError, KeyError, TypeError):
            hint = f"delete it: `nascompile resume {folder.path}` writes it anew"
            raise FileError.of("damaged-file", "these are no results", hint, path) from None

    @property
    def chosen(self) -> list[Mapping[str, Any]]:
        """The rows of the networks that are kept, the cheapest first."""
        return sorted((row for row in self.rows if row["chosen"]), key=lambda row: row[self.cost])

    @property
    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "metric": self.metric, "cost": self.cost, "verdict": self.verdict,
            "agreement": dict(self.agreement), "networks": [dict(row) for row in self.rows],
        }  # fmt: skip

    def write(self, folder: RunFolder) -> None:
        """Write the tables of the run.

        Raises:
            FileError: the folder cannot be written.
        """
        write_atomically(folder.path / "results.csv", self.csv().encode())
        write_atomically(folder.path / "results.json", (json.dumps(self.data, indent=2) + "\n").encode())

    def csv(self) -> str:
        """The rows as a table for `nascompile select` and others; networks that could not be trained are left out."""
        rows = [row for row in self.rows if "error" not in row]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def finish(folder: RunFolder, results: Mapping[int, Mapping[str, Any]], dataset: Dataset) -> Outcome:
    """Choose networks by the validation part, then measure all of them on the test part, and write the tables.

    Args:
        folder: of the run.
        results: of all candidates.
        dataset: the run's.

    Raises:
        FileError: the folder cannot be read or written.
    """
    _fetch(folder, results)
    ending = _Ending(folder, results, dataset)
    chosen, verdict = ending.choice()
    rows = tuple(ending.row(number, number in chosen) for number in sorted(results))
    outcome = Outcome(ending.metric, folder.settings.cost, rows, ending.agreement(rows), verdict)
    outcome.write(folder)
    return outcome


def _fetch(folder: RunFolder, results: Mapping[int, Mapping[str, Any]]) -> None:
    """Bring here the networks that were trained elsewhere.

    Raises:
        RunError: one is nowhere to be found.
    """
    trials = folder.trials()
    for number, result in results.items():
        place = folder.network(number)
        if "error" in result or (place / WEIGHTS[0]).exists():
            continue
        files = trials.attached(number)
        if not files:
            message = f"the weights of candidate {number} are not in `{place}`"
            hint = "put the folder back, or start the run anew under another name"
            raise RunError.of("no-weights", message, hint)
        place.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            write_atomically(place / name, data)


@dataclass(frozen=True)
class _Ending:
    folder: RunFolder
    results: Mapping[int, Mapping[str, Any]]
    dataset: Dataset

    @property
    def metric(self) -> str:
        return METRIC[self.dataset.task]

    @cached_property
    def sound(self) -> list[int]:
        """The numbers of the candidates that were trained."""
        return [number for number in sorted(self.results) if "error" not in self.results[number]]

    def candidate(self, number: int) -> Candidate:
        return parse_candidate(self.folder.fs.program, self.results[number]["candidate"])

    def choice(self) -> tuple[set[int], str]:
        """The numbers of the networks that are kept, and how good the choice is in words."""
        if not self.sound:
            return set(), "no network could be trained"
        settings = self.folder.settings
        values = [(score(self.results[n], self.metric), self.results[n][settings.cost]) for n in self.sound]
        selector = HypervolumeSelector(k=min(settings.select, len(self.sound)))
        subset = selector.select(np.array(values, float), ["max", "min"])
        return {self.sound[k] for k in subset.chosen}, f"hypervolume {subset.hypervolume:.4g}, the largest there is"

    def row(self, number: int, chosen: bool) -> dict[str, Any]:
        """A line of the table."""
        # How long it took depends on the machine, and the table does not.
        result = without_seconds(self.results[number])
        steps = {name: result.pop(name) for name in ("float", "int8", "int8_ptq", "int8_qat") if name in result}
        found = {"number": number, "candidate": result.pop("candidate"), "chosen": int(chosen)}
        if "error" in result:
            return {**found, **result}
        found |= {"valid": steps["float"][self.metric], "test": self._test(number)}
        if "int8" in steps:
            found |= {"valid_int8": steps["int8"][self.metric], "test_int8": self._test_int8(number)}
        if "int8_qat" in steps:
            found["valid_ptq"] = steps["int8_ptq"][self.metric]
        return {**found, **result}

    def _test(self, number: int) -> float:
        from nascompile.run.weights import load_weights
        from nascompile.training.metrics import evaluate

        network = load_weights(self.folder.network(number) / "float.safetensors", self.candidate(number))
        return evaluate(network, self.dataset.test, self.dataset.task, self.dataset.anchors)[self.metric]

    def _test_int8(self, number: int) -> float:
        from nascompile.compression.int8 import evaluate_int8
        from nascompile.compression.quantised import QuantisedNetwork

        network = QuantisedNetwork.load(self.folder.network(number) / "int8.safetensors")
        return evaluate_int8(network, self.dataset.test, self.dataset.task, self.dataset.anchors)[self.metric]

    def agreement(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Kendall's tau with the test metric (PrototypeNAS Table 4); none of fewer than three networks."""
        from scipy.stats import kendalltau

        trained = [row for row in rows if "error" not in row]
        if len(trained) < _FEW:
            return {}
        scores = {name: [float(row[name]) for row in trained] for name in ("flops", "params")} | self._proxies(trained)
        reached = [row["test"] for row in trained]
        taus = {name: _float(kendalltau(values, reached)[0]) for name, values in scores.items()}
        return {name: round(tau, 4) for name, tau in taus.items() if isfinite(tau)}

    def _proxies(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
        """The scores of the networks on examples of the training part; none but for classification."""
        if self.dataset.task != "classification":
            return {}
        from samplers.scores.scoring import batched
        from samplers.scores.scoring import score as scored

        seed = self.folder.settings.seed
        data = proxy_examples(self.dataset, _BATCH, seed)
        candidates = [self.candidate(row["number"]) for row in rows]
        result = [one.scores for one in scored(candidates, batched(AGREEMENT, len(data) // 2), data, seed)]
        return {name: [one[name] for one in result] for name in AGREEMENT}


def _float(value: Any) -> float:
    return float(value)
