"""The loss against loops, its gradient, and what going down it leads to."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch

from nascompile.data.boxes import padded_boxes
from nascompile.training import TrainingError
from nascompile.training.detection.average_precision import average_precision
from nascompile.training.detection.decode import detections
from nascompile.training.detection.yolo_loss import complete_iou, yolo_loss
from tests.training.detection.examples import ANCHORS, random_boxes, slow_complete_iou, slowly_assigned

ROWS, COLUMNS = 4, 5
PIXELS = 32 * 40


def sigmoid(t: float) -> float:
    return 1 / (1 + exp(-t))


def entropy(logit: float, wanted: float) -> float:
    return -wanted * log(sigmoid(logit)) - (1 - wanted) * log(1 - sigmoid(logit))


def slow_loss(found: np.ndarray, boxes: tuple[np.ndarray, ...], classes: int) -> float:
    raw = found.reshape(len(found), len(ANCHORS), 5 + classes, ROWS, COLUMNS).astype(np.float64)
    wanted = np.zeros((len(found), len(ANCHORS), ROWS, COLUMNS))
    places = slowly_assigned(boxes, ROWS, COLUMNS)
    of_box, of_class = [], []
    for image, anchor, row, column, c, box in places:
        t = raw[image, anchor, :, row, column]
        w, h = ANCHORS[anchor]
        predicted = (
            2 * sigmoid(t[0]) - 0.5, 2 * sigmoid(t[1]) - 0.5,
            (2 * sigmoid(t[2])) ** 2 * w * COLUMNS, (2 * sigmoid(t[3])) ** 2 * h * ROWS,
        )  # fmt: skip
        iou = slow_complete_iou(predicted, box)
        of_box.append(1 - iou)
        wanted[image, anchor, row, column] = max(wanted[image, anchor, row, column], iou)
        of_class += [entropy(t[5 + k], float(k == c)) for k in range(classes)] if classes > 1 else []
    objects = [entropy(raw[i, a, 4, r, k], wanted[i, a, r, k]) for i, a, r, k in np.ndindex(wanted.shape)]
    parts = 0.05 * np.mean(of_box or [0]) + PIXELS / 640**2 * np.mean(objects)
    return float(64 * 3 * (parts + 0.5 * classes / 80 * np.mean(of_class or [0])))


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_against_loops(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, 6, classes)
    found = rng.normal(0, 2, (6, 3 * (5 + classes), ROWS, COLUMNS)).astype(np.float32)
    fast = yolo_loss(torch.from_numpy(found), torch.from_numpy(padded_boxes(boxes)), ANCHORS, PIXELS)
    assert fast.item() == pytest.approx(slow_loss(found, boxes, classes), rel=1e-5)


def test_complete_iou_against_scalars_and_its_ends() -> None:
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(np.concatenate([rng.uniform(0, 1, (200, 2)), rng.uniform(0.05, 1, (200, 2))], 1))
            for _ in range(2))  # fmt: skip
    slow = [slow_complete_iou(tuple(x), tuple(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(complete_iou(a, b), slow, atol=1e-5)
    torch.testing.assert_close(complete_iou(a, a), torch.ones(200, dtype=torch.float64), atol=1e-4, rtol=0)
    assert min(slow) > -1.5


def test_an_image_without_boxes_teaches_that_there_is_nothing() -> None:
    found = torch.zeros(2, 18, ROWS, COLUMNS, requires_grad=True)
    yolo_loss(found, torch.zeros(2, 0, 5), ANCHORS, PIXELS).backward()
    grad = found.grad
    assert grad is not None
    by_value = grad.reshape(2, 3, 6, ROWS, COLUMNS).abs().sum((0, 1, 3, 4))
    assert by_value[4] > 0
    assert by_value[[0, 1, 2, 3, 5]].sum() == 0


def test_going_down_the_loss_leads_to_the_boxes() -> None:
    """The outputs themselves are learnt: what stands between them and the boxes is loss, decoding and measuring."""
    drawn = random_boxes(np.random.default_rng(3), 40, 3, most=3)
    # Sides that no anchor comes near to are predicted by none.
    boxes = tuple(b[((b[:, 3:] > 0.1) & (b[:, 3:] < 0.6)).all(1)] for b in drawn)
    truth = torch.from_numpy(padded_boxes(boxes))
    assert sum(map(len, boxes)) > 12
    found = torch.zeros(40, 24, 8, 8, requires_grad=True)
    optimiser = torch.optim.Adam([found], lr=0.1)
    losses = []
    for _ in range(150):
        loss = yolo_loss(found, truth, ANCHORS, 64 * 64)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    measured = average_precision(detections(found.detach().numpy(), ANCHORS), boxes, 3)
    assert measured["map50"] > 0.95


def test_other_outputs_are_refused() -> None:
    for shape in ((2, 17, 4, 4), (2, 15, 4, 4), (2, 18)):
        with pytest.raises(TrainingError, match="are not those of a detection head with 3 anchors"):
            yolo_loss(torch.zeros(shape), torch.zeros(2, 0, 5), ANCHORS, PIXELS)
