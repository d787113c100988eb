"""Parts are disjoint, complete, stratified, and decided by the seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascompile.data.split import check_shares, split_anomalies, split_parts, subset

SHARES = (0.7, 0.1, 0.2)
seeds = st.integers(0, 2**32)


@st.composite
def labelled(draw, least=3):
    """Class of each example, at least so many of each, in random order."""
    sizes = draw(st.lists(st.integers(least, 60), min_size=1, max_size=6))
    classes = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(classes)


@st.composite
def shares(draw):
    weights = [draw(st.integers(1, 10)) for _ in range(3)]
    return tuple(w / sum(weights) for w in weights)


@given(labelled(), shares(), seeds)
def test_a_drawn_split_is_complete_and_stratified(classes, parts_shares, seed):
    parts = split_parts(classes, [""] * len(classes), parts_shares, seed)
    assert parts.shape == classes.shape
    assert set(parts) == {0, 1, 2}
    for number in np.unique(classes):
        counts = np.bincount(parts[classes == number], minlength=3)
        n = counts.sum()
        assert counts.min() >= 1
        # Rounding moves a part by half an example, the least of one example by at most one more.
        assert abs(counts - n * np.array(parts_shares)).max() <= 2
        if n * min(parts_shares) >= 1.5:
            assert abs(counts[1:] - n * np.array(parts_shares[1:])).max() <= 0.5 + 1e-9


@given(labelled(least=8), seeds)
def test_the_seed_decides(classes, seed):
    nothing = [""] * len(classes)
    parts = split_parts(classes, nothing, SHARES, seed)
    assert (parts == split_parts(classes, nothing, SHARES, seed)).all()
    others = [split_parts(classes, nothing, SHARES, seed + k) for k in range(1, 9)]
    assert any((parts != other).any() for other in others)


@given(labelled(), st.data(), seeds)
def test_official_parts_stay(classes, data, seed):
    official = data.draw(st.lists(st.sampled_from(["test", "valid"]), min_size=5, max_size=20))
    given_parts = ["train"] * len(classes) + official
    joined = np.concatenate([classes, np.zeros(len(official), int)])
    parts = split_parts(joined, given_parts, SHARES, seed)
    names = np.array(["train", "valid", "test"])
    assert (names[parts[len(classes) :]] == official).all()
    drawn = set(names[parts[: len(classes)]])
    assert drawn == {"train", "valid", "test"} - set(official)


def test_shares_of_what_is_drawn_are_in_proportion():
    """With an official test part, validation takes 0.1 / 0.8 of the rest."""
    parts = split_parts(np.zeros(900, int), ["train"] * 800 + ["test"] * 100, SHARES, 0)
    assert np.bincount(parts).tolist() == [700, 100, 100]
    parts = split_parts(np.zeros(1000, int), ["train"] * 900 + ["valid"] * 100, SHARES, 0)
    assert np.bincount(parts).tolist() == [700, 100, 200]


def test_a_class_that_is_too_small(error):
    code, text = error(split_parts, np.array([0] * 9 + [1] * 2), [""] * 11, SHARES, 0, ("cat", "dog"))
    assert code == "few-examples"
    assert "class `dog` has 2 examples, too few for valid and test and train" in text


@given(labelled(least=1), seeds, st.data())
def test_a_subset_has_every_class_in_its_share(classes, seed, data):
    names = ["train" if k % 4 else "test" for k in range(len(classes))]
    strata = classes * 2 + (np.array(names) == "test")
    counts = np.bincount(strata)
    limit = data.draw(st.integers(np.count_nonzero(counts), len(classes)))
    chosen = subset(classes, names, limit, seed)
    assert len(set(chosen.tolist())) == limit
    assert (np.diff(chosen) > 0).all()
    taken = np.bincount(strata[chosen], minlength=len(counts))
    assert (taken[counts > 0] >= 1).all()
    exact = counts * limit / len(classes)
    if exact[counts > 0].min() >= 1:
        assert abs(taken - exact).max() < 1 + 1e-9
    assert (chosen == subset(classes, names, limit, seed)).all()


def test_a_limit_below_one_example_for_each_class(error):
    code, text = error(subset, np.arange(10), [""] * 10, 9, 0)
    assert code == "bad-option"
    assert "--limit 10" in text


@given(labelled(least=3), seeds, st.sampled_from(["", "train"]))
def test_nothing_but_normal_examples_is_learnt(classes, seed, word):
    parts = split_anomalies(classes, 0, [word] * len(classes), SHARES, seed)
    assert (classes[parts == 0] == 0).all()
    for number in np.unique(classes[classes > 0]):
        valid, test = (np.count_nonzero(parts[classes == number] == p) for p in (1, 2))
        assert abs(valid - (valid + test) / 3) <= 0.5 + 1e-9


def test_anomalies_with_an_official_test_part():
    """Those of the training part go to validation, those of the test part stay."""
    classes = np.array([0] * 20 + [1] * 4 + [0] * 5 + [1] * 5)
    parts = split_anomalies(classes, 0, ["train"] * 24 + ["test"] * 10, SHARES, 0)
    assert (parts[20:24] == 1).all()
    assert (parts[24:] == 2).all()
    assert np.bincount(parts[:20]).tolist() == [17, 3]


@pytest.mark.parametrize("wrong", [(0.5, 0.5, 0.0), (0.7, 0.2, 0.2), (0.5, 0.5), (1.2, -0.1, -0.1)])
def test_shares_that_cannot_be(wrong, error):
    assert error(check_shares, wrong)[0] == "bad-option"
