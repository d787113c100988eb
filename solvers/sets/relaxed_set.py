"""The RelaxedSet: a feasible set too large for a tree, between two that are not, with exactly uniform draws.

Costs rounded down to multiples of a quantum, and the bounds too, admit every network that fits, and some that do not:
the *outer* set. Rounded up they admit networks that fit only: the *inner* set. Both have trees. So the count lies
between two exact counts; a draw from the outer set that is kept where its true costs fit is exactly uniform; and
whether one network is a member is exact. What needs an order of all members there is not.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from solvers.sets import set_file
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.membership import fitting
from solvers.sets.ranking import shuffled
from solvers.sets.tree import Root, Tree, join
from spaces.errors import CandidateError, EngineError
from spaces.notebook import html_table
from spaces.program.candidate import Candidate
from spaces.program.graph import Program

__all__ = ["MISSES", "AnySet", "Estimate", "RelaxedSet", "exactly", "load_set"]

#: Draws in a row that do not fit, after which it is said that there are too few members to find.
MISSES = 200_000

_BLOCK = 16_384


@dataclass(frozen=True)
class Estimate:
    """How many members a relaxed set has, by draws from its outer set (Clopper and Pearson, 1934).

    Args:
        value: the estimate.
        low: lower end of the confidence interval.
        high: upper end.
        level: of confidence.
        draws: how many were made; 0 where the count is known exactly.
        kept: how many of them fit.
        seed: of the draws.
    """

    value: int
    low: int
    high: int
    level: float
    draws: int
    kept: int
    seed: int


class RelaxedSet:
    """A feasible set known by an outer and an inner one; see the module.

    Args:
        program: what was solved.
        tree: of the outer set, and the nodes of the inner one.
        inner: roots of the inner set in that tree, one per variant.
        quanta: name of a limit -> to multiples of what its costs were rounded; None where it was left out altogether.
            Limits that are not named were kept exactly.
        seconds: how long it took; None where it was opened from a file.
        origin: what the set is, where it is not simply the program's feasible set.
        tables: the digest of the costs when the set was made, where it was opened from a file.

    Example:
        >>> from solvers.relaxed import relax
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> fs = relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": 2048})
        >>> fs.between, "mlp2: 48-32" in fs, "mlp2: 64-64" in fs
        ((13, 18), True, False)
        >>> sorted(map(str, fs.sample(14, seed=0))) == sorted(set(map(str, fs.sample(14, seed=1))))
        True
        >>> len(fs)
        Traceback (most recent call last):
        spaces.errors.EngineError: the set is relaxed: `len` needs all members in order, ... [relaxed-set]
          ask for `between` or `estimate()`...
    """

    exact: Literal[False] = False
    engine = "relaxed"

    def __init__(
        self,
        program: Program,
        tree: Tree,
        inner: Sequence[Root],
        quanta: Mapping[str, int | None],
        seconds: float | None = None,
        origin: str = "",
        *,
        tables: str = "",
    ) -> None:
        self.program = program
        self.tree = tree
        self.inner = tuple(inner)
        self.quanta = dict(quanta)
        self.seconds = seconds
        self.origin = origin
        self.tables = tables

    # -- how many --------------------------------------------------------------------------------------------------

    @cached_property
    def counts_between(self) -> dict[str, tuple[int, int]]:
        """Per variant label, how many members it has at least and at most, exactly."""
        counts = self.outer.tree.counts
        least = [int(counts[height][node]) for height, node in self.inner]
        return {label: (low, high) for low, (label, high) in zip(least, self.outer.counts.items(), strict=True)}

    @cached_property
    def between(self) -> tuple[int, int]:
        """How many members there are at least and at most, exactly."""
        lows, highs = zip(*self.counts_between.values(), strict=True)
        return sum(lows), sum(highs)

    def estimate(self, draws: int = 10_000, seed: int = 0, level: float = 0.95) -> Estimate:
        """About how many members there are, by independent draws from the outer set.

        Args:
            draws: how many.
            seed: of the draws.
            level: of the confidence interval, between 0 and 1.
        """
        low, high = self.between
        if low == high:
            return Estimate(low, low, high, level, draws=0, kept=0, seed=seed)
        source = random.Random(seed)
        ranks = [source.randrange(high) for _ in range(draws)]
        kept = int(self.holds(ranks).sum())
        ends = _clopper_pearson(kept, draws, level)
        value, least, most = (min(max(int(Fraction(p) * high), low), high) for p in (kept / draws, *ends))
        return Estimate(value, least, most, level, draws=draws, kept=kept, seed=seed)

    def __bool__(self) -> bool:
        """Whether there is a member; looked for by draws where the two counts do not tell.

        Raises:
            EngineError: the counts do not tell, and none of `MISSES` draws fits.
        """
        low, high = self.between
        return low > 0 or (high > 0 and bool(self.draws(1, random.Random(0))))

    # -- the outer set, and who of it is a member ------------------------------------------------------------------

    @cached_property
    def outer(self) -> FeasibleSet:
        """The larger set, by whose ranks members go: all members and some networks that do not fit."""
        return FeasibleSet(self.program, self.tree, self.engine, self.seconds, f"a superset of {self.description}")

    def holds(self, ranks: Sequence[int]) -> NDArray[np.bool_]:
        """Which networks of the outer set are members; bool [n]."""
        parts = [np.zeros(0, np.bool_)]
        for positions, rows in self.outer.rows(ranks):
            fits = np.zeros(len(rows), np.bool_)
            for v in map(int, np.unique(positions)):
                here = np.flatnonzero(positions == v)
                own = rows[here, : len(self.program.variants[v].decisions)]
                fits[here] = fitting(self.program, v, own)
            parts.append(fits)
        return np.concatenate(parts)

    def members(self, ranks: Iterable[int]) -> Iterator[int]:
        """Of these ranks of the outer set those of members, in their order; looked at in growing blocks.

        Raises:
            EngineError: of `MISSES` in a row none is.
        """
        ranks, block, missed = iter(ranks), 1, 0
        while some := list(islice(ranks, block)):
            for rank, fits in zip(some, self.holds(some).tolist(), strict=True):
                missed = 0 if fits else missed + 1
                if fits:
                    yield rank
            if missed >= MISSES:
                raise _too_few(self)
            block = min(2 * block, _BLOCK)

    def draws(self, n: int, source: random.Random) -> list[int]:
        """Up to n different members, uniformly and in random order, as ranks of the outer set.

        Fewer come only where there are no more.

        Raises:
            EngineError: too few networks of the outer set are members to find them.
        """
        return list(islice(self.members(shuffled(self.between[1], source)), n))

    def sample(self, n: int, seed: int | None = None) -> list[Candidate]:
        """n different members, uniformly at random, in random order.

        Draws from the outer set are kept where they fit, which makes them exactly uniform over the members.

        Raises:
            ValueError: the set has fewer than n members.
            EngineError: too few networks of the outer set are members to find them.
        """
        ranks = self.draws(n, random.Random(seed)) if n > 0 else []
        if len(ranks) != n:
            raise ValueError(f"cannot draw {n:,} different members from a set of {len(ranks):,}")
        return list(self.outer.at(ranks))

    def __contains__(self, value: object) -> bool:
        """Whether a Candidate, or a candidate's line, is a member: exact, by its own costs."""
        try:
            return bool(self.holds([self.outer.index(value)])[0])
        except (CandidateError, ValueError):
            return False

    def count(self, value: Any) -> int:
        """1 for a member, 0 for any other candidate."""
        return int(value in self)

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def left_out(self) -> list[str]:
        """The limits that neither tree knows, so that nothing is known of the least count."""
        residual = [str(relation.expression) for chain in self.program.chains for relation in chain.residual]
        return list(dict.fromkeys([name for name, quantum in self.quanta.items() if quantum is None] + residual))

    @property
    def description(self) -> str:
        """What the set holds, in words: its origin, or the budgets."""
        return self.origin or FeasibleSet(self.program, self.tree, self.engine, self.seconds).description

    @property
    def rounding(self) -> str:
        """To what costs were rounded, in words."""
        coarse = {name: quantum for name, quantum in self.quanta.items() if quantum}
        parts = [f"{name} rounded to multiples of {quantum:,}" for name, quantum in coarse.items()]
        parts += [f"`{name}` left out" for name in self.left_out]
        return ", ".join(parts) or "nothing rounded"

    @property
    def node_count(self) -> int:
        """Number of distinct sub-trees of the outer and the inner set."""
        return self.tree.node_count

    @property
    def nbytes(self) -> int:
        """Bytes of the tree."""
        return self.tree.nbytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is known of the set: the two trees and the quanta."""
        own = repr(("relaxed", self.inner, sorted(self.quanta.items()), self.tree.digest))
        return hashlib.sha256(own.encode()).hexdigest()

    def __repr__(self) -> str:
        low, high = self.between
        what = f"between {low:,} and {high:,} of {self.program.size:,}"
        return f"<RelaxedSet {self.program.space.name}: {what} ({self.description}; {self.rounding})>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: between what the members of each variant lie."""
        between = ((label, f"{low:,}", f"{high:,}") for label, (low, high) in self.counts_between.items())
        rows = [(label or "-", *ends) for label, *ends in between]
        return html_table(["<variant", "at least", "at most"], rows, repr(self)[1:-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RelaxedSet):
            return NotImplemented
        return self.program.space.text == other.program.space.text and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.program.space.text, self.digest))

    # -- sets from it ----------------------------------------------------------------------------------------------

    def where(self, variant: str | int | None = None, **choices: Any) -> RelaxedSet:
        """The members with given options; see `FeasibleSet.where`.

        Raises:
            CandidateError: an unknown variant, choice, use or option.
        """
        part, inner = (each.where(variant, **choices) for each in (self.outer, self.inner_set))
        chains = [each.tree.chain(v) for each in (part, inner) for v in range(len(self.program.variants))]
        tree = join(chains)
        what = f"{self.description}{part.origin.removeprefix(self.outer.origin)}"
        return RelaxedSet(self.program, *_split(tree), self.quanta, self.seconds, what, tables=self.tables)

    @property
    def inner_set(self) -> FeasibleSet:
        """The smaller set: members only, but not all."""
        both = Tree(self.tree.levels, self.inner)
        # Numbered anew, for in the tree of both its nodes stand among those of the larger.
        tree = join([both.chain(v) for v in range(len(self.inner))])
        return FeasibleSet(self.program, tree, self.engine, self.seconds, f"a subset of {self.description}")

    def save(self, path: str | Path) -> Path:
        """Write the set to a checksummed file, which keeps both trees and the quanta; see `solvers.sets.set_file`."""
        both = Tree(self.tree.levels, (*self.tree.roots, *self.inner))
        stored = set_file.StoredSet(self.program, both, self.origin, self.tables, self.quanta)
        return set_file.save(stored, Path(path))

    # -- what there is not -----------------------------------------------------------------------------------------

    def refuse(self, what: str, hint: str = "") -> NoReturn:
        """Say that something cannot be had of a relaxed set.

        Args:
            what: it, in words.
            hint: what can be had instead.

        Raises:
            EngineError: always.
        """
        message = f"the set is relaxed: {what} needs all members in order, which a relaxed set does not hold"
        raise EngineError.of("relaxed-set", message, f"{hint}; {_SMALLER}" if hint else _SMALLER.removeprefix("or "))

    def __len__(self) -> int:
        self.refuse("`len`", _COUNT)

    @property
    def size(self) -> int:
        """Refused: the exact count is not known."""
        self.refuse("`size`", _COUNT)

    @property
    def counts(self) -> dict[str, int]:
        """Refused: the exact counts are not known."""
        self.refuse("`counts`", _COUNT)

    def __iter__(self) -> Iterator[Candidate]:
        self.refuse("going through it", _DRAW)

    def __getitem__(self, index: Any) -> Candidate:
        self.refuse("a member by its rank", _DRAW)

    def at(self, ranks: Sequence[int]) -> Iterator[Candidate]:
        """Refused: members have no ranks."""
        self.refuse("members by their ranks", _DRAW)

    def rows(self, ranks: Sequence[int]) -> NoReturn:
        """Refused: members have no ranks."""
        self.refuse("members by their ranks", _DRAW)

    def to_numpy(self, ranks: Sequence[int] | None = None) -> NDArray[Any]:
        """Refused: the members cannot be listed."""
        self.refuse("a list of the members", _DRAW)

    def ranges(self, variant: str) -> dict[str, tuple[Any, Any]]:
        """Refused: what members have at most, `outer.ranges` says."""
        self.refuse("a reduced range", "ask `outer` for the most that it can be")

    def used(self, variant: str) -> dict[str, list[Any]]:
        """Refused: what members take at most, `outer.used` says."""
        self.refuse("the options in use", "ask `outer` for the most that it can be")

    def histograms(self, variant: str) -> dict[str, dict[Any, int]]:
        """Refused: the exact counts are not known."""
        self.refuse("a histogram", "ask `where(...)` for `between`")

    @property
    def metrics(self) -> NoReturn:
        """Refused, as `best`."""
        self.refuse("an optimum", "search for it: `nascompile search`, or draw with `sample`")

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Refused: members have no ranks."""
        self.refuse("a rank", "ask whether it is `in` the set")

    def best(self, metric: str, sense: str = "max") -> Candidate:
        """Refused: the best member cannot be told from better networks that do not fit."""
        self.refuse("the best member", "search for it: `nascompile search`, or draw with `sample`")

    def top(self, metric: str, k: int, sense: str = "max") -> list[Candidate]:
        """Refused, as `best`."""
        self.refuse("the best members", "search for them: `nascompile search`, or draw with `sample`")

    def __and__(self, other: object) -> NoReturn:
        self.refuse("`&`", _ALGEBRA)

    def __or__(self, other: object) -> NoReturn:
        self.refuse("`|`", _ALGEBRA)

    def __sub__(self, other: object) -> NoReturn:
        self.refuse("`-`", _ALGEBRA)

    __rand__, __ror__, __rsub__ = __and__, __or__, __sub__


#: A set whatever is known of it.
AnySet = FeasibleSet | RelaxedSet


def load_set(path: str | Path) -> AnySet:
    """The set in a file; see `solvers.sets.set_file`.

    Raises:
        SetFileError: it cannot be read, is no set file, is of another version, or is truncated or altered.
    """
    stored = set_file.load(Path(path))
    if stored.quanta is None:
        return FeasibleSet(stored.program, stored.tree, origin=stored.origin, tables=stored.tables)
    outer, inner = _split(stored.tree)
    return RelaxedSet(stored.program, outer, inner, stored.quanta, origin=stored.origin, tables=stored.tables)


def exactly(fs: AnySet, what: str, hint: str = "") -> FeasibleSet:
    """The set, if it is known exactly.

    Args:
        fs: the set.
        what: is wanted of it, in words.
        hint: what can be had of a relaxed set instead.

    Raises:
        EngineError: it is relaxed.
    """
    return fs if isinstance(fs, FeasibleSet) else fs.refuse(what, hint)


_SMALLER = "or hold it exactly: larger steps, fewer budgets, more memory (--max-memory)"
_COUNT = "ask for `between` or `estimate()`"
_DRAW = "draw members with `sample`"
_ALGEBRA = "compile one space with all the limits"


def _split(tree: Tree) -> tuple[Tree, tuple[Root, ...]]:
    """The outer and the inner set's part of a tree that has the roots of both."""
    half = len(tree.roots) // 2
    return Tree(tree.levels, tree.roots[:half]), tree.roots[half:]


def _too_few(fs: RelaxedSet) -> EngineError:
    message = f"none of {MISSES:,} draws in a row fits: few of at most {fs.between[1]:,} networks are members, if any"
    hint = f"round less, with more memory (--max-memory), or loosen the limits ({fs.rounding})"
    return EngineError.of("too-few", message, hint)


def _clopper_pearson(kept: int, draws: int, level: float) -> tuple[float, float]:
    """The confidence interval of a share, whatever the share: never less than its level."""
    from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs]

    tail = (1 - level) / 2
    low = float(betaincinv(kept, draws - kept + 1, tail)) if kept else 0.0
    high = float(betaincinv(kept + 1, draws - kept, 1 - tail)) if kept < draws else 1.0
    return low, high
