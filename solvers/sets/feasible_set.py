"""The FeasibleSet: an exact set X^f as a compact tree that behaves like a sorted sequence of candidates.

Nothing here lists the set unless asked to: counts, ranks, membership, draws, ranges, histograms, restrictions and set
algebra all work on the tree, so a set of 10^13 members is as handy as one of fourteen.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from solvers.sets import set_file
from solvers.sets.metrics import Metrics
from solvers.sets.ranking import distinct_draws, list_rows, rank_row, unrank_rows
from solvers.sets.restriction import condition_text, histogram, option_masks, options_used, restrict
from solvers.sets.tree import Level, Root, Tree, join, merge_pairs
from spaces.errors import CandidateError, EngineError, SetFileError
from spaces.language.differences import differences
from spaces.language.layer import option_label
from spaces.notebook import frame, html_table
from spaces.program.candidate import Candidate, parse_candidate
from spaces.program.graph import Program
from spaces.units import FORMATS

__all__ = ["FeasibleSet"]

_BLOCK = 4096


class FeasibleSet(Sequence[Candidate]):
    """The exact feasible set of a program, in lexicographic order, variant by variant.

    Args:
        program: what was solved.
        tree: the members.
        engine: which solver made it; empty where it was opened from a file.
        seconds: how long that took; None where it was opened from a file.
        origin: what the set is, where it is not simply the program's feasible set (`a & b`).
        tables: the digest of the costs when the set was made, where it was opened from a file.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> len(fs), str(fs[0]), str(fs[-1]), "mlp2: 48-32" in fs
        (14, 'mlp2: 16-16', 'mlp2: 80-16', True)
        >>> fs.index("mlp2: 48-32")
        11
        >>> fs.ranges("")
        {'M[1]': (16, 80), 'M[2]': (16, 96)}
        >>> fs.where(M={1: 32}).to_numpy().tolist()
        [[32, 16], [32, 32], [32, 48], [32, 64]]
    """

    #: Whether the set is known member by member, as it is here, or relaxed (`solvers.sets.relaxed_set`).
    exact: Literal[True] = True

    def __init__(
        self,
        program: Program,
        tree: Tree,
        engine: str = "",
        seconds: float | None = None,
        origin: str = "",
        *,
        tables: str = "",
    ) -> None:
        self.program = program
        self.tree = tree
        self.engine = engine
        self.seconds = seconds
        self.origin = origin
        self.tables = tables

    # -- size ------------------------------------------------------------------------------------------------------

    @cached_property
    def size(self) -> int:
        """The exact number of members, |X^f|, however large (`len` works below 2^63)."""
        return sum(self.counts.values())

    @cached_property
    def counts(self) -> dict[str, int]:
        """The exact number of members per variant label."""
        return {variant.label: self.tree.count(v) for v, variant in enumerate(self.program.variants)}

    @property
    def node_count(self) -> int:
        """Number of distinct sub-trees."""
        return self.tree.node_count

    @property
    def nbytes(self) -> int:
        """Bytes of the tree."""
        return self.tree.nbytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the members; equal for equal sets of one space, whatever engine made them."""
        return self.tree.digest

    @property
    def description(self) -> str:
        """What the set holds, in words: its origin, or the budgets."""
        limits = [
            f"{name} <= {FORMATS[name](value) if name in FORMATS else f'{value:,}'}"
            for name, value in self.program.budgets.items()
        ]
        return self.origin or ", ".join(limits) or "no budgets"

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return self.size > 0

    def __repr__(self) -> str:
        return f"<FeasibleSet {self.program.space.name}: {self.size:,} of {self.program.size:,} ({self.description})>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: how many members each variant has, and what is left of its decisions."""
        rows = [
            (label or "-", f"{self.program.variants[position].size:,}", f"{count:,}", _ranges_text(self, label))
            for position, (label, count) in enumerate(self.counts.items())
        ]
        return html_table(["<variant", "networks", "feasible", "<reduced ranges"], rows, repr(self)[1:-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeasibleSet):
            return NotImplemented
        return self.program.space.text == other.program.space.text and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.program.space.text, self.digest))

    # -- members ---------------------------------------------------------------------------------------------------

    @cached_property
    def _starts(self) -> list[int]:
        """Rank of the first member of each variant, then the total."""
        starts = [0]
        for size in self.counts.values():
            starts.append(starts[-1] + size)
        return starts

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> NDArray[Any]: ...  # pyright: ignore[reportIncompatibleMethodOverride]
    def __getitem__(self, index: int | slice) -> Candidate | NDArray[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A member by its rank, or a slice as an array (see `to_numpy`)."""
        if isinstance(index, slice):
            return self.to_numpy(range(*index.indices(self.size)))
        rank = index + self.size if index < 0 else index
        if not 0 <= rank < self.size:
            raise IndexError(f"rank {index} in a set of {self.size} members")
        return next(self.at([rank]))

    def at(self, ranks: Sequence[int]) -> Iterator[Candidate]:
        """The members with these ranks, in the order given."""
        name, program = self.program.space.name, self.program
        lengths = [len(variant.decisions) for variant in program.variants]
        for positions, rows in self.rows(ranks):
            for position, row in zip(positions.tolist(), rows.tolist(), strict=True):
                yield Candidate(name, position, tuple(row[: lengths[position]]), program)

    def __iter__(self) -> Iterator[Candidate]:
        for start in range(0, self.size, _BLOCK):
            yield from self.at(range(start, min(self.size, start + _BLOCK)))

    def __contains__(self, value: object) -> bool:
        """Whether a Candidate, or a candidate's line, is a member."""
        try:
            return self._rank(self._candidate(value)) is not None
        except CandidateError:
            return False

    def count(self, value: Any) -> int:
        """1 for a member, 0 for any other candidate."""
        return int(value in self)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The rank of a member.

        Raises:
            ValueError: it is not a member (between `start` and `stop`).
            CandidateError: it is no candidate of this space.
        """
        rank = self._rank(self._candidate(value))
        if rank is None or not start <= rank < (self.size if stop is None else stop):
            raise ValueError(f"`{value}` is not in the set")
        return rank

    def _candidate(self, value: object) -> Candidate:
        if isinstance(value, str):
            return parse_candidate(self.program, value)
        if not isinstance(value, Candidate):
            raise CandidateError.of("bad-candidate", f"{value!r} is no candidate of `{self.program.space.name}`")
        if value.program.space.text != self.program.space.text:
            told = differences(value.program.space, self.program.space)
            message = f"`{value}` is of `{value.space}`, and the set of another space `{self.program.space.name}`{told}"
            raise CandidateError.of("bad-candidate", message, "its line, `str(candidate)`, is that of a candidate here")
        return value

    def _rank(self, candidate: Candidate) -> int | None:
        levels, root = self.tree.chain(candidate.position)
        rank = rank_row(levels, root, self.tree.counts, candidate.row)
        return None if rank is None else rank + self._starts[candidate.position]

    def rows(self, ranks: Sequence[int]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64]]]:
        """Members as option indices, in blocks, never more than a block in memory.

        Yields:
            (variant position [n], option indices [n, longest variant], -1 beyond a variant's last decision).
        """
        longest = self._longest
        dtype = object if self.size >= 2**62 else np.int64
        starts = np.array(self._starts, dtype)
        for start in range(0, len(ranks), 65536):
            block = np.array(ranks[start : start + 65536], dtype)
            positions = np.searchsorted(starts, block, "right") - 1
            rows = np.full((len(block), longest), -1, np.int64)
            for v in np.unique(positions):
                here = np.flatnonzero(positions == v)
                found = unrank_rows(*self.tree.chain(int(v)), self.tree.counts, block[here] - starts[v])
                rows[here, : found.shape[1]] = found
            yield positions, rows

    @property
    def _longest(self) -> int:
        return max((len(v.decisions) for v in self.program.variants), default=0)

    def to_numpy(self, ranks: Sequence[int] | None = None) -> NDArray[Any]:
        """Members as an array of option values.

        Args:
            ranks: which members; all of them by default.

        Returns:
            [n, longest variant]: a row per member, a column per decision, -1 beyond a variant's last decision. Whole
            numbers where all options are, else floats, else Python objects.
        """
        dtype = self._dtype()
        if ranks is not None:
            blocks = [self._block(positions, rows, dtype) for positions, rows in self.rows(ranks)]
            return np.concatenate(blocks) if blocks else np.zeros((0, self._longest), dtype)
        out = np.full((self.size, self._longest), -1, dtype, order="F")
        for v, (start, stop) in enumerate(pairwise(self._starts)):
            list_rows(*self.tree.chain(v), self.tree.counts, self._options(v, dtype), out[start:stop])
        return out

    def _block(self, positions: NDArray[np.intp], rows: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
        out = np.full(rows.shape, -1, dtype)
        for v in np.unique(positions):
            here = np.flatnonzero(positions == v)
            for t, options in enumerate(self._options(int(v), dtype)):
                out[here, t] = options[rows[here, t]]
        return out

    def _options(self, position: int, dtype: np.dtype[Any]) -> list[NDArray[Any]]:
        """The option values of each decision of a variant."""
        result: list[NDArray[Any]] = []
        for decision in self.program.variants[position].decisions:
            values = np.empty(len(decision.options), dtype)
            values[:] = [float(o) if dtype.kind == "f" else o for o in decision.options]
            result.append(values)
        return result

    def _dtype(self) -> np.dtype[Any]:
        options = {o for v in self.program.variants for d in v.decisions for o in d.options}
        if any(isinstance(o, str | tuple | bool) for o in options):
            return np.dtype(object)
        if all(isinstance(o, int) for o in options):
            return np.promote_types(np.int8, np.min_scalar_type(-max(options, default=0) - 1))
        return np.dtype(np.float64)

    def to_frame(self, ranks: Sequence[int] | None = None) -> Any:
        """Members as a pandas DataFrame.

        Args:
            ranks: which members; all of them by default.

        Returns:
            A row per member: `candidate`, its line, every decision under its label, and every cost.

        Raises:
            NascompileError: pandas is not installed.

        Example:
            >>> from solvers.base import solve
            >>> from spaces.program.compile import compile_space
            >>> from spaces.program.graph import Budgets
            >>> from spaces.language.reader import load_space
            >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=10_000)))
            >>> fs.to_frame(range(2))[["candidate", "M[1]", "M[2]", "rom"]].values.tolist()
            [['mlp2: 16-16', 16, 16, 2944], ['mlp2: 16-32', 16, 32, 4736]]
        """
        members = self if ranks is None else self.at(ranks)
        return frame({"candidate": str(one), **one.values, **one.costs} for one in members)

    def sample(self, n: int, seed: int | None = None) -> list[Candidate]:
        """n different members, uniformly at random, in random order.

        Raises:
            ValueError: the set has fewer than n members.
        """
        return list(self.at(distinct_draws(self.size, n, random.Random(seed))))

    # -- as a relaxed set has it, too --------------------------------------------------------------------------------

    @property
    def between(self) -> tuple[int, int]:
        """How many members there are at least and at most: exactly so many."""
        return self.size, self.size

    @property
    def outer(self) -> FeasibleSet:
        """The set by whose ranks members go: this one."""
        return self

    def holds(self, ranks: Sequence[int]) -> NDArray[np.bool_]:
        """Which of these ranks are those of members; bool [n], all true."""
        return np.ones(len(ranks), np.bool_)

    def members(self, ranks: Iterable[int]) -> Iterator[int]:
        """Of these ranks those of members: all."""
        return iter(ranks)

    def draws(self, n: int, source: random.Random) -> list[int]:
        """The ranks of n different members, uniformly and in random order; of all, where there are fewer."""
        return distinct_draws(self.size, min(n, self.size), source)

    # -- views of the whole set ------------------------------------------------------------------------------------

    def ranges(self, variant: str) -> dict[str, tuple[Any, Any]]:
        """The least and the largest option that members of a variant have, per decision (EBS Eq. 2 and its twin).

        Where options are not numbers, the first and the last of those in use, in the order of the file. Empty for an
        empty variant.
        """
        result: dict[str, tuple[Any, Any]] = {}
        for label, used in self.used(variant).items():
            if used:
                numeric = not any(isinstance(o, str | tuple | bool) for o in used)
                result[label] = (min(used), max(used)) if numeric else (used[0], used[-1])
        return result

    def used(self, variant: str) -> dict[str, list[Any]]:
        """The options that members of a variant take, per decision, in the order of the file.

        Example:
            >>> from solvers.base import solve
            >>> from spaces.program.compile import compile_space
            >>> from spaces.program.graph import Budgets
            >>> from spaces.language.reader import load_space
            >>> solve(compile_space(load_space("mlp2"), Budgets(rom=10_000))).used("")
            {'M[1]': [16, 32, 48, 64], 'M[2]': [16, 32, 48, 64]}
        """
        position = self.program.by_label[variant]
        per_level = options_used(*self.tree.chain(position))
        return {
            # A level may be wider than this variant's options where variants share it.
            d.label: [option for option, there in zip(d.options, level.tolist(), strict=False) if there]
            for d, level in zip(self.program.variants[position].decisions, per_level, strict=True)
        }

    def histograms(self, variant: str) -> dict[str, dict[Any, int]]:
        """How many members of a variant take each option, per decision; options of no member are left out."""
        position = self.program.by_label[variant]
        per_level = histogram(*self.tree.chain(position), self.tree.counts)
        decisions = self.program.variants[position].decisions
        return {
            d.label: {o: int(n) for o, n in zip(d.options, level, strict=False) if n}
            for d, level in zip(decisions, per_level, strict=True)
        }

    @cached_property
    def metrics(self) -> Metrics:
        """Exact optima, extremes and the k best members by any metric."""
        return Metrics(self.program, self.tree)

    def best(self, metric: str, sense: str = "max") -> Candidate:
        """The member with the largest (or, with `sense="min"`, least) value of a metric, exactly.

        Args:
            metric: rom, ram, params, macs, flops, entropy, or a decision's label.
            sense: `max` or `min`.

        Raises:
            EngineError: the set is empty, the metric unknown, or the sense another word.
        """
        return self.metrics.best(metric, sense)

    def top(self, metric: str, k: int, sense: str = "max") -> list[Candidate]:
        """The k best members by an additive metric or the entropy, best first, exactly."""
        return self.metrics.top(metric, k, sense)

    # -- sets from sets --------------------------------------------------------------------------------------------

    def where(self, variant: str | int | Collection[str | int] | None = None, **choices: Any) -> FeasibleSet:
        """The members with given options.

        Args:
            variant: only this variant, or one of these (`7`, `"7"`, `[6, 7]`).
            choices: a value, a list of allowed values, or `{use: value(s)}` with uses counted from 1; a bare value
                holds for every use of the choice. A cell goes by its name, its uses are its edges, in the order of its
                word; however often it stands in the network, it has the same edges everywhere.

        Raises:
            CandidateError: an unknown variant, choice, use or option.

        Example:
            `fs.where(M={1: 84, 2: [84, 112]})`, `fs.where(variant=7, W=0.5)`, `fs.where(cell={4: "skip_connect"})`
        """
        wanted = [variant] if isinstance(variant, str | int) else variant
        labels = None if wanted is None else list(map(str, wanted))
        for label in labels or ():
            if label not in self.program.by_label:
                message = f"there is no variant `{label}`"
                raise CandidateError.of("bad-candidate", message, self.program.variants_hint)
        masks = option_masks(self.program.variants, choices, self.program.space.cells)
        chains: list[tuple[list[Level], int]] = []
        for v, own in enumerate(self.program.variants):
            levels, root = self.tree.chain(v)
            keep = masks[v] is not None and (labels is None or own.label in labels)
            chains.append(restrict(levels, root if keep else 0, masks[v] or {}))
        what = [f"variant {' or '.join(labels)}"] if labels is not None else []
        what += [f"{n} = {condition_text(v)}" for n, v in choices.items()]
        return self._derived(join(chains), f"{self.description} where {', '.join(what)}" if what else self.origin)

    def _derived(self, tree: Tree, origin: str) -> FeasibleSet:
        return FeasibleSet(self.program, tree, self.engine, self.seconds, origin, tables=self.tables)

    def _combined(self, other: FeasibleSet, sign: str) -> FeasibleSet:
        if not isinstance(other, FeasibleSet):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        if self.program.space.text != other.program.space.text:
            one, two = self.program.space, other.program.space
            message = f"`{one.name}` and `{two.name}` are different spaces{differences(one, two)}"
            raise EngineError.of(
                "different-spaces", message, "combine sets of one space file, under the same overrides"
            )
        chains = [merge_pairs(self.tree.chain(v), other.tree.chain(v), sign) for v in range(len(self.program.variants))]
        return self._derived(join(chains), f"({self.description}) {sign} ({other.description})")

    def __and__(self, other: FeasibleSet) -> FeasibleSet:
        """Members of both sets of one space."""
        return self._combined(other, "&")

    def __or__(self, other: FeasibleSet) -> FeasibleSet:
        """Members of either set."""
        return self._combined(other, "|")

    def __sub__(self, other: FeasibleSet) -> FeasibleSet:
        """Members of this set that the other does not have."""
        return self._combined(other, "-")

    def __le__(self, other: object) -> bool:
        """Whether every member is one of the other set of the same space."""
        return not self - other if isinstance(other, FeasibleSet) else NotImplemented

    def __lt__(self, other: object) -> bool:
        """Whether every member is one of the other set, which has more."""
        return self <= other and self.size < other.size if isinstance(other, FeasibleSet) else NotImplemented

    # -- on disk, and in other processes -------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the set to a checksummed file; see `solvers.sets.set_file`."""
        stored = set_file.StoredSet(self.program, self.tree, self.origin, self.tables)
        return set_file.save(stored, Path(path))

    @staticmethod
    def load(path: str | Path) -> FeasibleSet:
        """Open a set file; see `solvers.sets.set_file`.

        Raises:
            SetFileError: it is none, or damaged, or holds a relaxed set.
        """
        stored = set_file.load(Path(path))
        if stored.quanta is not None:
            message = "this file holds a relaxed set, not an exact one"
            raise SetFileError.of("relaxed-set", message, "open it with `nascompile.load_set`", Path(path))
        return FeasibleSet(stored.program, stored.tree, origin=stored.origin, tables=stored.tables)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what was found out about the set since it was made."""
        own = (self.engine, self.seconds, self.origin, self.tables)
        return _unpickled, (self.program, self.tree.levels, self.tree.roots, *own)


def _unpickled(program: Program, levels: tuple[Level, ...], roots: tuple[Root, ...], *own: Any) -> FeasibleSet:
    engine, seconds, origin, tables = own
    return FeasibleSet(program, Tree(levels, roots), engine, seconds, origin, tables=tables)


def _ranges_text(fs: FeasibleSet, variant: str) -> str:
    ends = ((label, dict.fromkeys(map(option_label, pair))) for label, pair in fs.ranges(variant).items())
    return ", ".join(f"{label} {'..'.join(pair)}" for label, pair in ends)
