"""Assignment of boxes to cells and anchors against a loop over boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nascompile.data.boxes import padded_boxes
from nascompile.training.detection.assignment import Assigned, assign
from tests.training.detection.examples import ANCHORS, random_boxes, slowly_assigned


def places(found: Assigned) -> list[tuple]:
    columns = (found.image, found.anchor, found.row, found.column, found.of_class)
    return list(zip(*(c.tolist() for c in columns), map(tuple, found.box.tolist()), strict=True))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (3, 5), (1, 1)])
def test_against_a_loop(seed: int, rows: int, columns: int) -> None:
    boxes = random_boxes(np.random.default_rng(seed), images=20, classes=3)
    found = places(assign(torch.from_numpy(padded_boxes(boxes)), ANCHORS, rows, columns))
    assert len(set(found)) == len(found)
    slow = sorted(slowly_assigned(boxes, rows, columns))
    assert [row[:5] for row in sorted(found)] == [row[:5] for row in slow]
    np.testing.assert_allclose([row[5] for row in sorted(found)], [row[5] for row in slow], rtol=1e-6, atol=1e-6)


def test_every_relative_box_can_be_predicted() -> None:
    boxes = random_boxes(np.random.default_rng(9), images=200, classes=1)
    found = assign(torch.from_numpy(padded_boxes(boxes)), ANCHORS, 8, 8)
    assert len(found) > 500
    assert found.box[:, :2].min() >= -0.5
    assert found.box[:, :2].max() <= 1.5
    sizes = torch.tensor(ANCHORS)[found.anchor] * 8
    assert (found.box[:, 2:] < 4 * sizes).all()


def test_no_boxes() -> None:
    assert len(assign(torch.zeros(3, 0, 5), ANCHORS, 4, 4)) == 0
    assert len(assign(torch.full((3, 2, 5), -1.0), ANCHORS, 4, 4)) == 0
