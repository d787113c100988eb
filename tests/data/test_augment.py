"""Augmentations against loops over single examples, and what they must leave alone."""

import pytest
import torch

from nascompile.data.augment import AUGMENTATIONS, augment
from spaces.errors import NascompileError

torch.set_num_threads(1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_pure_and_decided_by_the_generator(name):
    x = torch.randn(16, 1, 16, 24, generator=generator(5))
    x = x if 4 in AUGMENTATIONS[name][1] else x[:, 0]
    before = x.clone()
    first, second = augment(x, name, generator(1)), augment(x, name, generator(1))
    assert torch.equal(x, before)
    assert torch.equal(first, second)
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    assert torch.equal(augment(x, name, generator(2)), first) == (name == "none")


def test_several_follow_each_other():
    x = torch.randn(8, 3, 16, 24, generator=generator(5))
    assert torch.equal(augment(x, "crop+flip", generator(1)), augment(x, "crop-flip", generator(1)))


@pytest.mark.parametrize("shape", [(200, 1, 40, 10), (200, 10, 40), (200, 1, 40)])
def test_masks_hide_stretches_of_time_and_of_coefficients(shape):
    hidden = augment(torch.ones(shape), "mask", generator()) == 0
    hidden = hidden[:, 0].movedim(1, 2) if len(shape) == 4 else hidden
    frames, coefficients = hidden.all(1), hidden.all(2)
    assert torch.equal(hidden, frames[:, None] | coefficients[:, :, None])
    for rows, most in ((frames, 8), (coefficients, 0 if shape == (200, 1, 40) else 2)):
        assert set(rows.sum(1).tolist()) == set(range(most + 1))
        assert (rows.int().diff(dim=1).abs().sum(1) <= 2).all()
        assert not most or (rows.any(0)).all()


def test_a_gain_is_in_decibels():
    x = torch.randn(500, 2, 30, generator=generator())
    decibels = 20 * torch.log10((augment(x, "gain", generator(1)) / x).reshape(500, -1))
    assert (decibels.std(1) < 1e-3).all()
    assert -6 <= decibels.min() < -5.5
    assert 5.5 < decibels.max() <= 6


@pytest.mark.parametrize("name", ["rotate", "scale"])
def test_images_are_turned_and_scaled_about_their_centre(name):
    """A spot right of the centre stays as far from it, on an image that is no square; or goes farther or nearer."""
    x = torch.zeros(300, 1, 41, 61)
    x[:, :, 20, 48:53] = 1
    out = augment(x, name, generator())[:, 0]
    weight = out.sum((1, 2))
    down = (out.sum(2) * (torch.arange(41) - 20)).sum(1) / weight
    right = (out.sum(1) * (torch.arange(61) - 30)).sum(1) / weight
    far, angle = torch.hypot(down, right), torch.rad2deg(torch.atan2(down, right))
    wanted = (20.0, 20.0, -15.0, 15.0) if name == "rotate" else (16.0, 24.0, 0.0, 0.0)
    for found, expected in zip((far.min(), far.max(), angle.min(), angle.max()), wanted, strict=True):
        assert abs(found - expected) < 0.6


@pytest.mark.parametrize("name", ["crop", "crop-flip"])
def test_every_image_is_a_window_of_the_padded_one(name):
    x = torch.randn(40, 3, 16, 24, generator=generator())
    out = augment(x, name, generator(3))
    padded = torch.nn.functional.pad(x, (3, 3, 2, 2))
    seen = set()
    for image, around in zip(out, padded, strict=True):
        places = [
            (top, left, flip)
            for top in range(5)
            for left in range(7)
            for flip in (False, True)
            for window in [around[:, top : top + 16, left : left + 24]]
            if torch.equal(image, window.flip(-1) if flip else window)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 15
    assert {flip for *_, flip in seen} == ({False, True} if name == "crop-flip" else {False})


@pytest.mark.parametrize("shape", [(50, 2, 40), (50, 1, 40, 10)])
def test_a_shift_moves_in_time_and_fills_with_zeros(shape):
    x = torch.randn(shape, generator=generator())
    out = augment(x, "shift", generator(4))
    offsets = set()
    for before, after in zip(x, out, strict=True):
        found = []
        for k in range(-4, 5):
            moved = torch.zeros_like(before)
            moved[:, max(0, -k) : 40 - max(0, k)] = before[:, max(0, k) : 40 - max(0, -k)]
            if torch.equal(moved, after):
                found.append(k)
        assert len(found) == 1
        offsets.add(found[0])
    assert offsets == set(range(-4, 5))


def test_jitter_has_its_deviation():
    x = torch.ones(100, 1, 1000)
    noise = augment(x, "jitter", generator()) - x
    # 1e5 draws: the deviation is known to 0.03 / sqrt(2e5) = 7e-5, here five times that.
    assert abs(noise.std().item() - 0.03) < 3.5e-4


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [("flop", (2, 3, 8, 8), "no augmentation `flop`"), ("crop", (2, 1, 30), "`crop` is not for inputs of 1x30")],
)
def test_what_cannot_be(name, shape, text):
    with pytest.raises(NascompileError, match=text):
        augment(torch.zeros(shape), name, generator())
