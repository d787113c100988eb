"""Of conditions that cannot all hold: which cannot hold together, and the fewest whose removal helps.

Both are defined by which subsets hold, and a subset of conditions that hold together holds too. The literature calls
them minimal unsatisfiable subsets and minimal correction sets; every one of the former has a member in every one of
the latter (Reiter, "A theory of diagnosis from first principles", 1987).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

__all__ = ["Conditions"]

#: Up to this many conditions, every subset is considered; beyond, conditions are taken one by one.
MAX_EXACT = 12


class Conditions:
    """Which subsets of some conditions hold together, asked no more often than needed.

    Args:
        names: the conditions, in the order in which they are named and tried.
        ask: whether all of these can hold together; whatever can must still without one of them, and none of them can.

    Example:
        >>> conditions = Conditions("abcd", lambda some: not {"a", "b"} <= some and not {"b", "c", "d"} <= some)
        >>> conditions.conflicts(), conditions.correction()
        ((('a', 'b'), ('b', 'c', 'd')), ('b',))
    """

    def __init__(self, names: Iterable[str], ask: Callable[[frozenset[str]], bool]) -> None:
        self.names = tuple(names)
        self._ask = ask
        self._known: dict[frozenset[str], bool] = {}

    def holds(self, names: Iterable[str]) -> bool:
        """Whether these hold together."""
        asked = frozenset(names)
        for known, held in self._known.items():
            if asked <= known if held else asked >= known:
                return held
        self.learn(asked, self._ask(asked))
        return self._known[asked]

    def learn(self, names: Iterable[str], held: bool) -> None:
        """Take note of an answer that came from elsewhere."""
        self._known[frozenset(names)] = held

    def without(self, *names: str) -> tuple[str, ...]:
        """All others."""
        return tuple(name for name in self.names if name not in names)

    def conflicts(self) -> tuple[tuple[str, ...], ...]:
        """Each of them conditions that cannot hold together, though any fewer of them can.

        All there are, the smallest first; beyond `MAX_EXACT` conditions some that have none in common, such that the
        conditions in none of them hold together.
        """
        found: list[tuple[str, ...]] = []
        if len(self.names) <= MAX_EXACT:
            # The largest first: either they hold, and so do their subsets, or there is a conflict within.
            for some in self._subsets():
                if not any(set(known) <= set(some) for known in found) and not self.holds(some):
                    found.append(self._shrunk(some))
        else:
            rest = self.names
            while not self.holds(rest):
                found.append(self._shrunk(rest))
                rest = tuple(name for name in rest if name not in found[-1])
        return tuple(sorted(found, key=lambda conflict: (len(conflict), [*map(self.names.index, conflict)])))

    def _shrunk(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """A conflict within conditions that do not hold together."""
        for name in names:
            rest = tuple(other for other in names if other != name)
            names = names if self.holds(rest) else rest
        return names

    def correction(self) -> tuple[str, ...]:
        """Conditions without which the others hold together, though without any fewer of them they do not.

        The fewest there are, up to `MAX_EXACT` conditions.
        """
        if len(self.names) <= MAX_EXACT:
            return self.without(*next(some for some in self._subsets() if self.holds(some)))
        kept: tuple[str, ...] = ()
        for name in self.names:
            kept = (*kept, name) if self.holds((*kept, name)) else kept
        return self.without(*kept)

    def _subsets(self) -> Iterator[tuple[str, ...]]:
        """Every subset, the largest first."""
        return (some for size in range(len(self.names), -1, -1) for some in combinations(self.names, size))
