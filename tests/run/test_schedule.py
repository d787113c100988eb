"""Which steps come next: by random results, in any order, with any number of workers, killed at any moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascompile.run.front import Measured, best, choose, front
from nascompile.run.schedule import Found, Schedule, better, rungs
from nascompile.run.steps import PTQ, QAT, Step, Task

#: What a step would find, were it done.
Truth = Callable[[Task], Measured]


def truth_of(seed: int) -> Truth:
    """Accuracies that grow with training, with many ties; some steps fail."""

    def truth(task: Task) -> Measured:
        network, step = random.Random(f"{seed}/{task.number}"), random.Random(f"{seed}/{task}")
        costs = (float(network.randrange(1, 12)), float(network.randrange(1, 6)))
        value = round(network.random() * 0.5 + step.random() * 0.5, 1)
        return Measured(None if step.random() < 0.05 else value, costs[: 1 + seed % 2])

    return truth


def done(schedule: Schedule, truth: Truth, seed: int, workers: int) -> dict[Task, Measured]:
    """A run by workers that take and end steps at random; now and then all are killed, and what they did is lost."""
    chance = random.Random(seed)
    found: dict[Task, Measured] = {}
    begun: list[Task] = []
    running: list[Task] = []
    asked = 0
    while not schedule.ended(asked, found, over=asked >= schedule.brackets[-1]):
        asked = min(schedule.brackets[-1], asked + chance.choice((0, 1, 4)))
        wanted = schedule.wanted(asked, found, begun)
        begun += [task for task in wanted if task not in begun]
        waiting = [task for task in begun if task not in found and task not in running]
        while waiting and len(running) < workers:
            running.append(waiting.pop(chance.randrange(len(waiting))))
        if chance.random() < 0.1:
            running.clear()
        elif running:
            task = running.pop(chance.randrange(len(running)))
            found[task] = truth(task)
    return found


schedules = st.builds(
    Schedule,
    rungs=st.sampled_from([(20,), (1, 2), (5, 10, 20), (1, 3, 9, 27)]),
    reduction=st.integers(2, 4),
    least=st.integers(1, 6),
    brackets=st.lists(st.integers(1, 14), min_size=1, max_size=2, unique=True).map(lambda ends: tuple(sorted(ends))),
    quantise=st.sampled_from(["none", "ptq", "qat"]),
)


@settings(max_examples=20)
@given(schedules, st.integers(0, 10**6))
def test_whoever_works_and_whoever_is_killed_the_same_steps_are_done(schedule: Schedule, seed: int) -> None:
    truth = truth_of(seed)
    alone = done(schedule, truth, seed, 1)
    for workers in (3, 16):
        assert done(schedule, truth, seed + workers, workers) == alone
    assert set(schedule.wanted(schedule.brackets[-1], alone)) == set(alone)


@settings(max_examples=20)
@given(schedules, st.integers(0, 10**6))
def test_with_more_found_nothing_is_taken_back(schedule: Schedule, seed: int) -> None:
    truth, chance = truth_of(seed), random.Random(seed)
    whole = list(done(schedule, truth, seed, 2).items())
    chance.shuffle(whole)
    parts = [dict(whole[:k]) for k in range(len(whole) + 1)]
    for asked in (1, schedule.brackets[-1]):
        for less, more in pairwise(parts):
            assert set(schedule.wanted(asked, less)) <= set(schedule.wanted(asked, more))


@settings(max_examples=20)
@given(schedules, st.integers(0, 10**6))
def test_each_rung_has_its_share_of_each_bracket_and_all_who_end_are_quantised(schedule: Schedule, seed: int) -> None:
    found = done(schedule, truth_of(seed), seed, 4)
    start = 0
    for end in schedule.brackets:
        there = set(range(start, end))
        for k, epochs in enumerate(schedule.rungs):
            reached = {task.number for task in found if task.step == Step.train(epochs)} & set(range(start, end))
            sound = {n for n in there if k == 0 or found[Task(n, Step.train(schedule.rungs[k - 1]))].value is not None}
            assert reached <= there
            assert len(reached) == min(schedule.size(end - start, k), len(sound))
            there = reached
        start = end
    trained = {t.number for t, point in found.items() if t.step == schedule.last and point.value is not None}
    quantised = {t: point for t, point in found.items() if t.step == PTQ}
    assert {t.number for t in quantised} == (trained if schedule.quantise != "none" else set())
    members = front({t.number: point for t, point in quantised.items()}) if schedule.quantise == "qat" else []
    assert sorted(t.number for t in found if t.step == QAT) == members


@settings(max_examples=20)
@given(schedules, st.integers(0, 10**6))
def test_what_is_kept_is_on_the_front_of_what_ships_with_its_best(schedule: Schedule, seed: int) -> None:
    found = done(schedule, truth_of(seed), seed, 4)
    ships = schedule.shipped(found)
    points = {number: found[Task(number, step)] for number, step in ships.items()}
    last = (PTQ, QAT) if schedule.quantise != "none" else (schedule.last,)
    for number, point in points.items():
        values = (found[Task(number, step)].value for step in last if Task(number, step) in found)
        assert point.value == max(value for value in values if value is not None)
    kept = schedule.kept(found).numbers
    assert len(kept) == min(schedule.least, len(front(points)))
    assert set(kept) <= set(front(points))
    if points:
        assert max(points[n].value or 0 for n in kept) == max(p.value or 0 for p in points.values())


@settings(max_examples=20)
@given(schedules, st.integers(0, 10**6))
def test_asha_ends_with_as_many_at_least_in_any_order(schedule: Schedule, seed: int) -> None:
    waiting, truth = schedule, truth_of(seed)
    schedule = Schedule(**{**vars(waiting), "waits": False})
    found = done(schedule, truth, seed, 3)
    ended = {t.number for t in found if t.step == schedule.last}
    sound = sum(found[t].value is not None for t in found if t.step == schedule.first)
    assert len(ended) >= min(1, sound) * (len(schedule.rungs) == 1 or sound == schedule.brackets[-1])
    assert set(schedule.wanted(schedule.brackets[-1], found, found)) == set(found)


def test_an_extension_changes_nothing_of_what_was_decided() -> None:
    truth = truth_of(3)
    short = Schedule((5, 10, 20), 2, 3, (12,), "qat")
    before = done(short, truth, 0, 2)
    longer = Schedule((5, 10, 20), 2, 3, (12, 30), "qat")
    after = done(longer, truth, 1, 2)
    trained = {task: point for task, point in before.items() if task.step != QAT}
    assert trained.items() <= after.items()
    assert {t.number for t in after} == set(range(30))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), max_size=12), st.integers(1, 6))
def test_the_choice_is_of_the_front_and_the_best_are_whole_fronts(rows: list[tuple[int, int, int]], k: int) -> None:
    for width in (1, 2):
        points = {n: Measured(float(v), (float(a), float(b))[:width]) for n, (v, a, b) in enumerate(rows)}
        chosen, members = choose(points, k).numbers, front(points)
        assert set(chosen) <= set(members)
        assert len(chosen) == min(k, len(members))
        taken = best(points, k)
        assert len(taken) == min(k, len(points))
        assert set(taken) <= set(members) or set(members) <= set(taken)
        for one in members:
            others = [points[n] for n in points if n != one]
            assert not any(o.value > points[one].value and o.costs <= points[one].costs for o in others if width == 1)  # type: ignore[operator]


def test_with_the_best_forced_in_no_other_choice_is_larger() -> None:
    """Of two objectives the choice is exact: compared with all subsets that hold the best network."""
    from itertools import combinations

    from nascompile.run.front import _scaled

    chance = random.Random(0)
    for _ in range(60):
        points = {n: Measured(chance.random() ** 3, (chance.random() ** 2,)) for n in range(40)}
        members = front(points)
        whole = _scaled([[points[n].value or 0, *points[n].costs] for n in members], ["max", "min"])
        top = max(range(len(members)), key=lambda i: points[members[i]].value or 0)
        for k in (1, 2, 3):
            if k <= len(members):
                most = max(whole.value(s) for s in combinations(range(len(members)), k) if top in s)
                assert choose(points, k).hypervolume == pytest.approx(most)


def test_rungs_and_what_ships() -> None:
    assert rungs(1, 3, 2) == (1,)
    assert rungs(100, 3, 3) == (11, 33, 100)
    assert better({PTQ: 0.5, QAT: 0.6}) == QAT
    found: Found = {Task(0, PTQ): Measured(0.7, (1.0,)), Task(0, QAT): Measured(None, ())}
    assert Schedule((9,), 2, 1, (1,), "qat").shipped(found) == {0: PTQ}
