"""One-shot sampling for loops of your own: networks in the order of what shared weights reach."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from samplers.base import Run, Sampler
from samplers.oneshot.search import OneShotSearch
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.network_keys import Key, NetworkKeys

if TYPE_CHECKING:
    from samplers.oneshot.judge import Judge
    from samplers.proxies.data import Data

__all__ = ["OneShotSampler"]


@dataclass
class OneShotSampler(Sampler):
    """Single path one-shot (Guo et al. 2020): a super-network is trained once, and ranks networks by shared weights.

    The first ask trains it: every batch trains one network, drawn uniformly from the feasible set, and so the weights
    that it shares with others. Then `trials` networks are drawn and judged by the accuracy on the validation part; they
    are proposed from the best to the worst. After them come as many others. It learns nothing from what it is told.

    Args:
        data: what to learn, of the shape of the space's input, with at most as many classes as its last layer has
            units; without a validation part (`Data.valid`), a fifth of it judges.
        trials: networks judged at once.
        epochs: of the super-network, passes over the training part.
        lr: its first learning rate, which falls to 0 by a cosine.
        batch: examples of a step.
        keep: a file for the weights of the super-network, which another process with the same parameters need not
            train again.
        device: where it is trained, `cpu` or `cuda`.
        seed: of draws, first weights and the order of examples.

    Example:
        >>> from samplers.proxies.data import Data
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> data = Data.gaussian((18,), classes=12, n=60)
        >>> sampler = OneShotSampler(data, trials=8, epochs=2)
        >>> best, *others = sampler.ask(fs, 8)
        >>> judge = sampler.judge_
        >>> all(judge.accuracy(best) >= judge.accuracy(other) for other in others)
        True
    """

    data: Data | None = field(default=None, compare=False)
    trials: int = 200
    epochs: int = 100
    lr: float = 0.003
    batch: int = 48
    keep: Path | None = field(default=None, kw_only=True, compare=False)
    device: str = field(default="cpu", kw_only=True)

    def examples(self, fs: AnySet) -> Data:
        """What to learn.

        Raises:
            EngineError: there is nothing.
        """
        if self.data is None:
            message = "one-shot sampling trains a super-network, and has no data"
            raise EngineError.of("no-data", message, "give `data=`; on the command line `search --data`")
        return self.data

    @property
    def search(self) -> OneShotSearch:
        """The search with these parameters."""
        return OneShotSearch(self.trials, self.epochs, self.lr, self.batch, self.seed)

    def check(self, fs: AnySet) -> None:
        """Whether the parameters can be, and there are data."""
        self.search.check()
        self.examples(fs)

    def begin(self, run: Run) -> None:
        """Nothing is trained before it is needed."""
        from samplers.oneshot.judge import Judge

        self.judge_: Judge = Judge(run.fs, self.examples(run.fs), self.search.recipe, self.device, keep=self.keep)
        self.drawn_: Iterator[int] = Run(run.fs, self.seed).draws(random.Random(f"{self.seed}/drawn"))
        self.orders_: list[list[int]] = []

    def propose(self, run: Run) -> int | None:
        """The best network that is left of those judged.

        Networks come in one order, in parts of `trials`, each of which is sorted: which is next follows from how many
        are gone.
        """
        part, place = divmod(len(run.gone), self.trials)
        while len(self.orders_) <= part:
            drawn = list(islice(self.drawn_, self.trials))
            # Those before the part at hand are gone.
            self.orders_.append(self._sorted(run, drawn) if len(self.orders_) == part else drawn)
        order = self.orders_[part]
        return order[place] if place < len(order) else None

    def _sorted(self, run: Run, ranks: list[int]) -> list[int]:
        """Ranks of members, the best first; what is the same network is judged once."""
        keys, judged = NetworkKeys(run.fs.program), dict[Key, float]()
        values = {}
        for rank, member in zip(ranks, run.fs.outer.at(ranks), strict=True):
            key = keys.of(member)
            if key not in judged:
                judged[key] = self.judge_.accuracy(member)
            values[rank] = judged[key]
        return sorted(ranks, key=lambda rank: -values[rank])
