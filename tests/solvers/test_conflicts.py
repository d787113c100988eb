"""Conflicts and corrections of random conditions against every subset of them."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers.conflicts import Conditions

NAMES = "abcdefg"
#: What some networks keep: the sets that hold are these and their subsets.
kept = st.lists(st.frozensets(st.sampled_from(NAMES)), min_size=1, max_size=6)


class Asked:
    """Answers, and remembers what was asked."""

    def __init__(self, kept: list[frozenset[str]]) -> None:
        self.kept = kept
        self.questions: list[frozenset[str]] = []

    def __call__(self, names: frozenset[str]) -> bool:
        self.questions.append(names)
        return self.holds(names)

    def holds(self, names: frozenset[str] | set[str]) -> bool:
        return any(names <= some for some in self.kept)

    def conflicts(self) -> set[frozenset[str]]:
        subsets = [frozenset(some) for n in range(len(NAMES) + 1) for some in combinations(NAMES, n)]
        return {s for s in subsets if not self.holds(s) and all(self.holds(s - {name}) for name in s)}


@given(kept)
def test_up_to_a_dozen_all_conflicts_and_the_smallest_correction(kept: list[frozenset[str]]) -> None:
    asked = Asked(kept)
    conditions = Conditions(NAMES, asked)
    found = conditions.conflicts()
    assert {frozenset(conflict) for conflict in found} == asked.conflicts()
    assert sorted(map(len, found)) == [*map(len, found)]
    correction = conditions.correction()
    assert asked.holds(set(NAMES) - {*correction})
    assert len(correction) == len(NAMES) - max(map(len, kept))
    assert len(asked.questions) == len(set(asked.questions))


@given(kept)
def test_beyond_conflicts_are_disjoint_and_minimal_and_corrections_minimal(kept: list[frozenset[str]]) -> None:
    asked = Asked(kept)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("solvers.conflicts.MAX_EXACT", 6)
        conditions = Conditions(NAMES, asked)
        found = [frozenset(conflict) for conflict in conditions.conflicts()]
        correction = frozenset(conditions.correction())
    assert set(found) <= asked.conflicts()
    assert len(frozenset().union(*found)) == sum(map(len, found))
    assert asked.holds(set(NAMES) - frozenset().union(*found))
    assert asked.holds(set(NAMES) - correction)
    assert not any(asked.holds(set(NAMES) - (correction - {name})) for name in correction)


@given(kept, st.data())
def test_what_follows_from_an_answer_is_not_asked(kept: list[frozenset[str]], data: st.DataObject) -> None:
    asked = Asked(kept)
    conditions = Conditions(NAMES, asked)
    names = data.draw(st.frozensets(st.sampled_from(NAMES)))
    held = asked.holds(names)
    conditions.learn(names, held)
    other = data.draw(st.frozensets(st.sampled_from(NAMES)))
    assert conditions.holds(other) == asked.holds(other)
    assert bool(asked.questions) == (not (other <= names if held else other >= names))
