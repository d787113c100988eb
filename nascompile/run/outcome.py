"""The end of a run: which networks are kept, how good all are on the test part, and how well proxies foretold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Dataset
from nascompile.run.errors import RunError
from nascompile.run.evaluate import FLOAT, int8_file
from nascompile.run.folder import RunFolder
from nascompile.run.front import Choice
from nascompile.run.networks import Results, measured, networks
from nascompile.run.proxies import proxy_examples
from nascompile.run.result_files import ResultRows, csv_text, read_results, write_results
from nascompile.run.schedule import Schedule, schedule_of
from nascompile.run.steps import PTQ, QAT, Step
from nascompile.run.timing import without_seconds
from nascompile.run.worker import fetch_steps
from nascompile.training.objective import check_metric, gain
from samplers.subset.dominance import Sense
from spaces.program.candidate import Candidate, parse_candidate

__all__ = ["AGREEMENT", "Outcome", "finish"]

#: What is compared with the trained accuracy, beside FLOPs and parameters: the ensemble of PrototypeNAS.
AGREEMENT = ("meco", "zico", "naswot", "snip")
#: Examples per batch of the proxies.
_BATCH = 64
#: Of fewer networks no tau is told.
_FEW = 10


@dataclass(frozen=True)
class Outcome(ResultRows):
    """The results of a run.

    Args:
        metric: what was maximised.
        costs: what it was weighed against.
        rows: one per network in the order in which the sampler asked: `number`, `candidate`, `chosen`, the costs, and
            the metric of validation and test part: `valid` and `test` as trained, `valid_ptq` and `test_ptq` quantised
            after training, `valid_qat` and `test_qat` trained on in int8, `valid_int8` and `test_int8` of the better of
            these, which ships (`ships` says which). `stopped` is the epoch of the rung at which a network was stopped;
            it has `valid` there, and no more. Of those that were built for the chip `rom_built`, `ram_built`,
            `instructions`; where it could not be trained or quantised `error`. Where the metric is the accuracy,
            `intervals` has that of each at 95 %, by the name of its column.
        agreement: of each proxy, of FLOPs and of parameters Kendall's `tau` with `test` over the `n` networks that were
            trained to the end, and its `p`, the probability of a tau as large where there is no relation; none of fewer
            than ten.
        verdict: how good the choice is.
        examples: of `valid` and `test`, how many.
        guess: by part, the metrics of the best answer that is the same for all examples; none for boxes.
        reports: by the number of a network that is kept, of each of its forms (`float`, `ptq`, `qat`), what there is to
            say of it on the test part: see `nascompile.training.report`.
    """

    metric: str
    costs: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    agreement: Mapping[str, Mapping[str, float]]
    verdict: str
    examples: Mapping[str, int] = field(default_factory=dict)
    guess: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: RunFolder) -> Outcome | None:
        """The outcome of a run that has ended; None of one that has not.

        Raises:
            FileError: its file is damaged.
            RunError: the run trains nothing.
        """
        if folder.settings.own and (folder.path / "results.json").exists():
            message = f"`{folder.path}` has no networks that were trained: it was evaluated by a function"
            hint = f"`nascompile select {folder.path / 'results.csv'} --objectives ...` chooses of its table"
            raise RunError.of("own-run", message, hint)
        return read_results(folder, cls._of)

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Outcome:
        rows, costs = tuple(data["networks"]), tuple(data["costs"])
        more = {name: data[name] for name in ("examples", "guess", "reports")}
        return cls(data["metric"], costs, rows, data["agreement"], data["verdict"], **more)

    @property
    def shipped(self) -> str:
        """The column by which networks are chosen: `valid_int8`, or `valid` where none is quantised."""
        return "valid_int8" if any("valid_int8" in row for row in self.rows) else "valid"

    @property
    def column(self) -> str:
        """See `ResultRows.column`."""
        return self.shipped

    @property
    def best(self) -> Mapping[str, Any]:
        """The row of the network with the best validation, which is always among the chosen.

        Raises:
            ValueError: no network came to the end.
        """
        return max(self.chosen, key=self.gain)

    @property
    def sense(self) -> Sense:
        """`max`, or `min` where less of the metric is better."""
        return "max" if gain({self.metric: 1.0}, self.metric) > 0 else "min"

    def gain(self, row: Mapping[str, Any]) -> float:
        """The validation of what a network ships, as what is to be maximised."""
        return gain({self.metric: row[self.shipped]}, self.metric)

    @property
    def finalists(self) -> list[Mapping[str, Any]]:
        """The rows of the networks that came to the end."""
        return [row for row in self.rows if "error" not in row and "stopped" not in row]

    @property
    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "metric": self.metric, "costs": list(self.costs), "verdict": self.verdict,
            "agreement": {name: dict(one) for name, one in self.agreement.items()}, "examples": dict(self.examples),
            "guess": {name: dict(one) for name, one in self.guess.items()},
            "networks": [dict(row) for row in self.rows],
            "reports": {number: dict(one) for number, one in self.reports.items()},
        }  # fmt: skip

    def write(self, folder: RunFolder) -> None:
        """Write the tables of the run.

        Raises:
            FileError: the folder cannot be written.
        """
        write_results(folder, self.csv(), self.data)

    def csv(self) -> str:
        """The rows as a table for `nascompile select` and others; networks that could not be trained are left out."""
        return csv_text(self.rows, left_out=("intervals",))


def finish(folder: RunFolder, results: Results, dataset: Dataset) -> Outcome:
    """Choose networks by the validation part, then measure all of them on the test part, and write the tables.

    Args:
        folder: of the run.
        results: of all steps.
        dataset: the run's.

    Raises:
        FileError: the folder cannot be read or written.
        RunError: the weights of a network are nowhere to be found.
    """
    ending = _Ending(folder, results, dataset)
    ending.fetch()
    choice = ending.choice
    rows = tuple(ending.row(number, number in choice.numbers) for number in ending.networks)
    outcome = Outcome(
        ending.metric, folder.settings.costs, rows, ending.agreement(rows), choice.verdict,
        examples={name: len(getattr(dataset, name)) for name in ("valid", "test")},
        guess=ending.guess(), reports=ending.reports,
    )  # fmt: skip
    outcome.write(folder)
    return outcome


@dataclass(frozen=True)
class _Ending:
    folder: RunFolder
    results: Results
    dataset: Dataset
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        return check_metric(self.dataset.task, self.folder.settings.recipe.metric)

    @cached_property
    def schedule(self) -> Schedule:
        return schedule_of(self.folder.settings)

    @cached_property
    def networks(self) -> dict[int, dict[str, Any]]:
        """What is known of each network."""
        return networks(self.results, self.schedule)

    @cached_property
    def choice(self) -> Choice:
        """The networks that are kept."""
        return self.schedule.kept(measured(self.results, self.folder.settings.costs))

    def fetch(self) -> None:
        """Bring here the networks that were trained elsewhere."""
        trials = self.folder.trials()
        for number, result in self.networks.items():
            if "error" in result or "stopped" in result:
                continue
            place = self.folder.network(number)
            fetch_steps(self.folder, trials, number)
            if not (place / FLOAT).exists():
                message = f"the weights of candidate {number} are not in `{place}`"
                hint = "put the folder back, or start the run anew under another name"
                raise RunError.of("no-weights", message, hint)

    def candidate(self, number: int) -> Candidate:
        return parse_candidate(self.folder.fs.program, self.networks[number]["candidate"])

    def row(self, number: int, chosen: bool) -> dict[str, Any]:
        """A line of the table."""
        # How long it took depends on the machine, and the table does not.
        result = without_seconds(self.networks[number])
        found = {"number": number, "candidate": result.pop("candidate"), "chosen": int(chosen)}
        result.pop("metric", None)
        steps = {name: result.pop(name) for name in ("float", "int8_ptq", "int8_qat", "int8") if name in result}
        if "error" in result:
            return {**found, **result}
        found["valid"] = steps["float"][self.metric]
        if "stopped" in result:
            return {**found, **result}
        found["test"] = self._tested(number, "float", self._float(number), chosen)
        for step in (PTQ, QAT):
            if f"int8_{step}" in steps:
                found[f"valid_{step}"] = steps[f"int8_{step}"][self.metric]
                found[f"test_{step}"] = self._tested(number, str(step), self._int8(number, step), chosen)
        if "ships" in result:
            ships = result["ships"]
            found |= {"valid_int8": found[f"valid_{ships}"], "test_int8": found[f"test_{ships}"]}
        return {**found, **result, **self._intervals(found)}

    def _tested(self, number: int, form: str, found: NDArray[np.float32], chosen: bool) -> float:
        """The metric of what a network makes of the test part; of one that is kept all else is noted too."""
        from nascompile.training.metrics import metrics
        from nascompile.training.report import report

        data = self.dataset
        if not chosen:
            return metrics(found, data.test, data.task, data.anchors)[self.metric]
        self.reports.setdefault(str(number), {})[form] = one = report(found, data.test, data)
        return one["metrics"][self.metric]

    def _float(self, number: int) -> NDArray[np.float32]:
        from nascompile.run.weights import load_weights
        from nascompile.training.tasks import outputs

        network = load_weights(self.folder.network(number) / FLOAT, self.candidate(number))
        return outputs(network, self.dataset.test.x)

    def _int8(self, number: int, step: Step) -> NDArray[np.float32]:
        from nascompile.compression.quantised import QuantisedNetwork

        network = QuantisedNetwork.load(int8_file(self.folder.network(number), step))
        return network.predict(self.dataset.test.x)

    def _intervals(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Of accuracies."""
        from nascompile.training.report import wilson

        if self.metric != "accuracy":
            return {}
        shares = {name: value for name, value in found.items() if name.startswith(("valid", "test"))}
        sizes = {name: len(getattr(self.dataset, name.partition("_")[0])) for name in shares}
        return {"intervals": {name: list(wilson(share, sizes[name])) for name, share in shares.items()}}

    def guess(self) -> dict[str, dict[str, float]]:
        """What the best constant answer reaches."""
        from nascompile.training.metrics import guess

        data = self.dataset
        if data.task == "detection":
            return {}
        return {name: guess(data.train, getattr(data, name), data.task) for name in ("valid", "test")}

    def agreement(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
        """Kendall's tau with the test metric (PrototypeNAS Table 4); none of fewer than ten networks."""
        from scipy.stats import kendalltau

        trained = [row for row in rows if "test" in row]
        if len(trained) < _FEW:
            return {}
        scores = {name: [float(row[name]) for row in trained] for name in ("flops", "params")} | self._proxies(trained)
        reached = [gain({self.metric: row["test"]}, self.metric) for row in trained]
        found: dict[str, Any] = {name: kendalltau(values, reached) for name, values in scores.items()}
        return {
            name: {"tau": round(float(one.statistic), 4), "n": len(trained), "p": round(float(one.pvalue), 6)}
            for name, one in found.items()
            if isfinite(one.statistic)
        }

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
