"""MONAS: prune a super-network operator by operator until a single cell is left (Qiao et al. 2023, Algorithm 2, Eq. 3).

Its measurements are differences between super-networks of 30 operators with and without one, and on NAS-Bench-201 they
are smaller than their own noise. `samplers.monas.search` finds better networks; this is the published way. See
`docs/decisions/003-monas-measures-cells.md`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from samplers.monas.cell_sets import Operators, connected, within, without
from samplers.monas.rules import Paper, Progress, Round, ScoreRow
from samplers.training_free import Means, Measured, TrainingFreeSearch
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate
from spaces.program.graph import Chain

if TYPE_CHECKING:
    import torch

    from samplers.monas.indicators import Indicators
    from samplers.proxies.data import Data

__all__ = ["MonasPaper", "Round", "ScoreRow", "found_cell"]


@dataclass(frozen=True)
class MonasPaper(TrainingFreeSearch[Round]):
    """Searches a cell space by pruning, within its feasible set.

    Each round scores every operator of every edge, and prunes on each edge those of lowest score

        score = (1 - w) / 2 * rank(K) + (1 - w) / 2 * rank(R) + w * rank(F or L)          (MONAS Eq. 3)

    The ranks are of super-networks without the operator: first, and so pruned, comes the one whose removal lowers K
    most, costs fewest regions, or saves most FLOPs or latency.

    An operator is not pruned where no feasible cell with a path from input to output would be left, so that the search
    always ends at one: with respect to RAM, ROM and whatever else the feasible set was made for, the paper's stated
    future work.

    Args:
        lam: weight w of FLOPs, from 0 to below 1.
        mu: weight w of latency; at most one of the two is set.
        prune: operators pruned per edge and round.
        repeats: measurements of K and R averaged.
        thin: overrides under which K is measured; by default those of the space. A thin network tells the same at a
            fraction of the cost.
        seed: of weights, windows and draws.
    """

    lam: float = 0.0
    mu: float = 0.0
    prune: int = 1
    repeats: int = 3
    thin: tuple[str, ...] | None = None
    seed: int = 0

    batch = 16
    record = Round
    parallel = False
    accelerated = False

    @property
    def parameters(self) -> dict[str, Any]:
        """All of them."""
        return asdict(self)

    @property
    def weighs_latency(self) -> bool:
        """By mu."""
        return self.mu > 0

    def measure(self, fs: AnySet, data: Data, done: Sequence[Round], means: Means) -> Generator[Round, None, None]:
        """The rounds that follow; see `search`, and `TrainingFreeSearch.measure`."""
        from samplers.scores.scoring import one_thread

        def show(number: int, what: str, k: int, of: int) -> None:
            means.on_progress(f"round {number}, {what}, {k + 1} of {of}", 0.0)

        # Thin networks are fastest on one thread, and there sums are always added up alike.
        with one_thread():
            yield from self.search(fs, data.images, done, show)

    def choose(self, fs: AnySet, n: int, measured: Measured[Round]) -> list[Candidate]:
        """Up to n different cells, each found by a search with a seed of its own: `seed`, `seed + 1`, ...

        Fewer come where n more searches find nothing new.
        """
        result: list[Candidate] = []
        for seed in range(self.seed, self.seed + 2 * n):
            cell = found_cell(fs, measured(replace(self, seed=seed), f"monas-{seed}", f"seed {seed}, "))
            if cell not in result:
                result.append(cell)
            if len(result) == n:
                break
        return result

    def search(
        self, fs: AnySet, images: torch.Tensor, done: Sequence[Round] = (), progress: Progress | None = None
    ) -> Iterator[Round]:
        """The rounds of one search; the last one leaves one operator on each edge, a member of the feasible set.

        Args:
            fs: the feasible set of a cell space.
            images: [32, channels, height, width], the mini-batch of the kernel.
            done: rounds of an earlier search with these settings, which is continued.
            progress: called before each measurement.

        Raises:
            EngineError: another kind of space, an empty set, or a weight that cannot be.
        """
        return self.search_with(fs, self.indicators(fs, images), done, progress)

    def indicators(self, fs: AnySet, images: torch.Tensor) -> Indicators:
        """What measures for this sampler; it remembers, so that searches that differ in weights can share it."""
        from samplers.monas.indicators import Indicators

        thin = fs.program.space.thin if self.thin is None else self.thin
        return Indicators(fs.program, images, self.repeats, self.seed, thin)

    def search_with(
        self, fs: AnySet, indicators: Indicators, done: Sequence[Round] = (), progress: Progress | None = None
    ) -> Iterator[Round]:
        """`search`, with indicators that may already know some measurements."""
        self.check(fs)
        rule = Paper(indicators, self.lam, self.mu)
        remaining = done[-1].after if done else {d.label: d.options for d in _chain(fs).variant.decisions}
        number = len(done)
        while any(len(names) > 1 for names in remaining.values()):
            number += 1
            rows = _pruned(fs, remaining, rule.scored(remaining, number, progress), self.prune)
            found = Round(number, dict(remaining), tuple(rows))
            remaining = found.after
            yield found

    def check(self, fs: AnySet | None = None) -> None:
        """Whether this sampler can search, and search this set.

        Raises:
            EngineError: parameters that cannot be, another kind of space, an empty set, or no latency profile for mu.
        """
        if not (0 <= self.lam < 1 and 0 <= self.mu < 1) or (self.lam and self.mu):
            message = f"the weights lambda = {self.lam:g} and mu = {self.mu:g} cannot be"
            raise EngineError.of("bad-weight", message, "give one of them, from 0 to below 1 (MONAS Eq. 3)")
        if min(self.prune, self.repeats) < 1:
            raise EngineError.of("bad-count", "`prune` and `repeats` are whole numbers from 1 up", "")
        if fs is None:
            return
        _chain(fs)
        if self.mu and fs.program.latency is None:
            hint = "name one (`nascompile latency list`), or weigh FLOPs by lambda"
            raise EngineError.of("no-latency-profile", "the weight mu needs a latency profile", hint)


def _pruned(fs: AnySet, remaining: Operators, rows: list[ScoreRow], most: int) -> list[ScoreRow]:
    """The rows with their fates: lowest score first, at most so many per edge, and never to an empty set."""
    left = dict(remaining)
    fates: dict[tuple[str, str], str] = {}
    pruned = dict.fromkeys(left, 0)
    for row in sorted(rows, key=lambda r: r.score):
        if pruned[row.edge] >= most or len(left[row.edge]) == 1:
            continue
        fewer = without(left, row.edge, row.operator)
        if not connected(fs, fewer):
            fates[row.edge, row.operator] = "needed"
            continue
        left, fates[row.edge, row.operator] = fewer, "pruned"
        pruned[row.edge] += 1
    return [replace(row, fate=fates.get((row.edge, row.operator), "kept")) for row in rows]


def found_cell(fs: AnySet, rounds: Sequence[Round]) -> Candidate:
    """The cell that the last round of a search has left."""
    (member,) = within(fs, rounds[-1].after).sample(1, seed=0)
    return member


def _chain(fs: AnySet) -> Chain:
    """The one chain of a set of cells."""
    space = fs.program.space
    if len(fs.program.variants) != 1 or any(d.choice not in space.cells for d in fs.program.variants[0].decisions):
        message = f"MONAS prunes the edges of cells, and `{space.name}` has other decisions"
        raise EngineError.of("no-cell-space", message, "take a cell space, such as `nasbench201`")
    if space.input.rank != 2:
        raise EngineError.of("no-images", f"MONAS measures networks of images, and `{space.name}` has none", "")
    if not fs:
        message = f"no network of `{space.name}` is feasible"
        raise EngineError.of("empty-set", message, "`nascompile explain` says what is missing")
    (chain,) = fs.program.chains
    if not connected(fs, {d.label: d.options for d in chain.variant.decisions}):
        message = f"no feasible cell of `{space.name}` connects its input with its output"
        hint = "raise the budgets: only networks with a constant output fit them"
        raise EngineError.of("no-connected-cell", message, hint)
    return chain
