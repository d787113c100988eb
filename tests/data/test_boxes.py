"""Boxes follow their images: against the pixels of the images themselves, and of typical sizes."""

import numpy as np
import pytest
import torch

from nascompile.data.anchors import fit_anchors
from nascompile.data.augment import augment
from nascompile.data.boxes import NO_BOX, augment_with_boxes, padded_boxes
from spaces.errors import NascompileError

torch.set_num_threads(1)
SIDE = 32


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def one_box_images(n):
    """Images that are 1 within one box, 0 outside; their boxes."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, 1, SIDE, SIDE), np.float32)
    boxes = []
    for image in x:
        w, h = rng.integers(3, 16, 2)
        left, top = rng.integers(SIDE - w + 1), rng.integers(SIDE - h + 1)
        image[0, top : top + h, left : left + w] = 1
        boxes.append(np.array([[2, (left + w / 2) / SIDE, (top + h / 2) / SIDE, w / SIDE, h / SIDE]], np.float32))
    return torch.from_numpy(x), torch.from_numpy(padded_boxes(boxes))


def box_of_pixels(image):
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return np.array([left + right, top + bottom, 2 * (right - left), 2 * (bottom - top)]) / 2 / SIDE


@pytest.mark.parametrize("name", ["flip", "crop", "crop-flip", "flip+crop"])
def test_boxes_are_where_the_pixels_are(name):
    x, boxes = one_box_images(200)
    before = x.clone(), boxes.clone()
    changed, found = augment_with_boxes(x, boxes, name, generator(1))
    assert torch.equal(x, before[0])
    assert torch.equal(boxes, before[1])
    assert torch.equal(changed, augment(x, name, generator(1)))
    assert not torch.equal(found, boxes)
    dropped = 0
    for image, row in zip(changed.numpy(), found[:, 0].numpy(), strict=True):
        if row[0] == NO_BOX:
            dropped += 1
            assert image.sum() == 0
            assert (row == NO_BOX).all()
        else:
            assert row[0] == 2
            np.testing.assert_allclose(row[1:], box_of_pixels(image[0]), atol=1e-6)
    assert (dropped > 0) == ("crop" in name)


def test_rows_without_a_box_stay_so():
    x = torch.zeros(50, 1, SIDE, SIDE)
    boxes = torch.full((50, 2, 5), float(NO_BOX))
    for name in ("none", "flip", "crop", "crop-flip", "jitter"):
        assert torch.equal(augment_with_boxes(x, boxes, name, generator())[1], boxes)


def test_augmentations_that_are_not_for_boxes():
    x, boxes = one_box_images(3)
    with pytest.raises(NascompileError, match="boxes cannot follow `shift`"):
        augment_with_boxes(x, boxes, "shift", generator())
    with pytest.raises(NascompileError, match="boxes cannot follow `rotate`"):
        augment_with_boxes(x, boxes, "crop+rotate", generator())
    with pytest.raises(NascompileError, match="did you mean `flip`"):
        augment_with_boxes(x, boxes, "flipp", generator())


def test_boxes_of_images_as_one_array():
    boxes = [np.ones((2, 5), np.float32), np.zeros((0, 5), np.float32), np.zeros((1, 5), np.float32)]
    found = padded_boxes(boxes)
    assert found.shape == (3, 2, 5)
    assert (found[..., 0] >= 0).sum(1).tolist() == [2, 0, 1]
    assert padded_boxes([np.zeros((0, 5), np.float32)]).shape == (1, 0, 5)


def test_anchors_are_typical_sizes():
    rng = np.random.default_rng(0)
    typical = [(0.05, 0.1), (0.3, 0.2), (0.8, 0.6)]
    boxes = [
        np.concatenate([np.full(3, 0.5), np.array(typical[k % 3]) * np.exp(rng.normal(0, 0.05, 2))])[None]
        for k in range(300)
    ]
    found = fit_anchors([b.astype(np.float32) for b in boxes], 3)
    # The mean of 100 logarithms of deviation 0.05 is known to 0.005; here four times that.
    np.testing.assert_allclose(np.log(found), np.log(typical), atol=0.02)
    assert fit_anchors([b.astype(np.float32) for b in boxes], 3) == found


def test_fewer_sizes_than_anchors():
    box = np.array([[0, 0.5, 0.5, 0.25, 0.5]], np.float32)
    none = np.zeros((0, 5), np.float32)
    assert fit_anchors([box, none, box], 3) == ((0.25, 0.5),) * 3
