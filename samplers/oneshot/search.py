"""One-shot search that trains no candidate: networks drawn uniformly, in the order of what shared weights reach."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from samplers.base import Sampler, check_counts
from samplers.proxies.base import Proxy
from samplers.proxy_search import ProxySearch, Scorer, Trial
from samplers.training_free import Means, Measured
from samplers.uniform import UniformSampler
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate, parse_candidate

if TYPE_CHECKING:
    from samplers.oneshot.judge import Recipe
    from samplers.proxies.data import Data

__all__ = ["SHARED", "OneShotSearch"]

#: The accuracy with shared weights, as a score.
SHARED = "shared"


@dataclass(frozen=True)
class OneShotSearch(ProxySearch):
    """Trains a super-network once, and judges networks by the weights that they share in it.

    Networks are drawn uniformly, each network once. Their scores are `shared`, the accuracy on the validation part.

    Args:
        trials: networks judged.
        epochs: of the super-network, passes over the training part.
        lr: its first learning rate, which falls to 0 by a cosine.
        batch: examples of a step; each trains one network, drawn uniformly from the set.
        seed: of draws, first weights and the order of examples.
    """

    trials: int = 200
    epochs: int = 100
    lr: float = 0.003
    batch: int = 48
    seed: int = 0

    objectives: ClassVar[Mapping[str, str]] = {SHARED: "max"}  # pyright: ignore[reportIncompatibleVariableOverride]
    population: ClassVar[int] = 1  # pyright: ignore[reportIncompatibleVariableOverride]
    by = "shared weights"
    parallel = False
    learns = True

    @property
    def proxies(self) -> list[Proxy]:
        """None."""
        return []

    @property
    def examples(self) -> int:
        """Those of a step."""
        return self.batch

    @property
    def parameters(self) -> dict[str, Any]:
        """All but how many networks are judged."""
        return {name: getattr(self, name) for name in ("epochs", "lr", "batch", "seed")}

    def limited(self, batch: int) -> Self:
        """Itself: of fewer examples all are a step."""
        return self

    def sampler(self, fs: AnySet) -> Sampler:
        """Uniform draws."""
        return UniformSampler(seed=self.seed)

    def check(self, fs: AnySet | None = None) -> None:
        """Whether the parameters can be, and the set has members."""
        check_counts(trials=self.trials, epochs=self.epochs)
        if self.batch < 2:
            raise EngineError.of("wrong-value", f"`batch` = {self.batch}", "it is 2 or more: batch norms need two")
        if not 0 < self.lr < 1:
            raise EngineError.of("wrong-value", f"`lr` = {self.lr:g}", "it is above 0, and below 1")
        super().check(fs)

    @property
    def recipe(self) -> Recipe:
        """Of the super-network."""
        from samplers.oneshot.judge import Recipe

        return Recipe(self.epochs, self.lr, self.batch, self.seed)

    def scorer(self, fs: AnySet, data: Data, means: Means) -> Scorer:
        """Judges by a super-network, which is trained for the first candidate."""
        from samplers.oneshot.judge import Judge

        judge = Judge(
            fs, data, self.recipe, means.device, keep=means.keep, on_progress=lambda what: means.on_progress(what, 0.0)
        )

        def scores(candidates: Sequence[Candidate]) -> Generator[Mapping[str, float], None, None]:
            yield from ({SHARED: judge.accuracy(one)} for one in candidates)

        return scores

    def order(self, fs: AnySet, trials: Sequence[Trial]) -> Iterator[tuple[Candidate, float]]:
        """The networks of trials and their accuracies, the best first; of equals the first."""
        for trial in sorted(trials, key=lambda one: -one.scores[SHARED]):
            yield parse_candidate(fs.program, trial.candidate), trial.scores[SHARED]

    def choose(self, fs: AnySet, n: int, measured: Measured[Trial]) -> list[Candidate]:
        """The best n; of at least as many that are judged."""
        search = replace(self, trials=max(self.trials, n))
        return [one for one, _ in self.order(fs, measured(search, "trials", "")[: search.trials])][:n]
