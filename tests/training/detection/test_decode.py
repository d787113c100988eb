"""Decoding undoes encoding; suppression all at once is suppression one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nascompile.data.boxes import padded_boxes
from nascompile.training.detection.assignment import assign
from nascompile.training.detection.average_precision import average_precision
from nascompile.training.detection.decode import decode, detections, suppress
from tests.training.detection.examples import ANCHORS, random_boxes, slow_iou

ROWS, COLUMNS, CLASSES = 8, 6, 2


def encoded(boxes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, list[tuple]]:
    """The outputs that say these boxes, and (image, which of its decoded boxes, the box as shares)."""
    found = torch.full((len(boxes), 3, 5 + CLASSES, ROWS, COLUMNS), -9.0)
    places = assign(torch.from_numpy(padded_boxes(boxes)), ANCHORS, ROWS, COLUMNS)
    sides = torch.tensor([COLUMNS, ROWS])
    wanted = []
    for i, a, r, k, box, c in zip(places.image, places.anchor, places.row, places.column, places.box,
                                  places.of_class, strict=True):  # fmt: skip
        size = torch.tensor(ANCHORS[a]) * sides
        steps = torch.cat([(box[:2] + 0.5) / 2, (box[2:] / size).sqrt() / 2]).clamp(1e-6, 1 - 1e-6)
        found[i, a, :4, r, k] = steps.logit()
        found[i, a, 4, r, k], found[i, a, 5 + c, r, k] = 9, 9
        share = torch.cat([(box[:2] + torch.stack([k, r])) / sides, box[2:] / sides])
        wanted.append((int(i), int((a * ROWS + r) * COLUMNS + k), share, int(c)))
    return found.reshape(len(boxes), -1, ROWS, COLUMNS).numpy(), wanted


def spread(n: int = 30) -> tuple[np.ndarray, ...]:
    """A box in each of some images: none takes the place of another."""
    found = random_boxes(np.random.default_rng(1), n, CLASSES, most=1)
    # Sides that no anchor comes near to are predicted by none.
    return tuple(b[(b[:, 3:] > 0.06).all(1) & (b[:, 3:] < 0.8).all(1)] for b in found)


def test_decoding_undoes_encoding() -> None:
    found, wanted = encoded(spread())
    boxes, scores = decode(torch.from_numpy(found), ANCHORS)
    assert len(wanted) > 30
    for image, place, share, c in wanted:
        torch.testing.assert_close(boxes[image, place], share, atol=1e-4, rtol=1e-4)
        assert scores[image, place, c] > 0.999
        assert scores[image, place, 1 - c] < 0.001


def test_what_is_encoded_is_found() -> None:
    boxes = spread()
    found = detections(encoded(boxes)[0], ANCHORS, least=0.5)
    for some, box in zip(found, boxes, strict=True):
        reached = {tuple(row) for row in assign_of(box)}
        assert len(some) == bool(reached)
        for c, score, left, top, w, h in some.tolist():
            of_class, x, y, bw, bh = box[0].tolist()
            assert (c, score > 0.99) == (of_class, True)
            np.testing.assert_allclose((left, top, w, h), (x - bw / 2, y - bh / 2, bw, bh), atol=1e-4)
    assert average_precision(found, boxes, CLASSES)["map50"] > 0.9


def assign_of(box: np.ndarray) -> list[list[float]]:
    return assign(torch.from_numpy(padded_boxes((box,))), ANCHORS, ROWS, COLUMNS).box.tolist()


def slowly_suppressed(boxes: list[tuple[float, ...]], classes: list[int], overlap: float) -> list[bool]:
    kept: list[int] = []
    for k, box in enumerate(boxes):
        if all(classes[j] != classes[k] or slow_iou(boxes[j], box) <= overlap for j in kept):
            kept.append(k)
    return [k in kept for k in range(len(boxes))]


@pytest.mark.parametrize("seed", range(8))
def test_suppression_is_that_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # So crowded that what drops a box is often dropped itself.
    boxes = np.concatenate([rng.uniform(0.3, 0.7, (3, 60, 2)), rng.uniform(0.1, 0.4, (3, 60, 2))], -1)
    classes = rng.integers(2, size=(3, 60))
    found = suppress(torch.from_numpy(boxes), torch.from_numpy(classes), 0.4).tolist()
    slow = [slowly_suppressed([*map(tuple, b)], c, 0.4) for b, c in zip(boxes.tolist(), classes.tolist(), strict=True)]
    assert found == slow
    assert 3 < sum(map(sum, slow)) < 150


def test_the_surest_are_kept_in_order_and_cut_at_the_edges() -> None:
    found = np.random.default_rng(0).normal(0, 2, (4, 21, 8, 8)).astype(np.float32)
    for rows in detections(found, ANCHORS, most=20):
        assert len(rows) == 20
        assert (np.diff(rows[:, 1]) <= 0).all()
        assert (rows[:, 2:4] >= 0).all()
        assert (rows[:, 2:4] + rows[:, 4:] <= 1 + 1e-6).all()
    assert all((rows[:, 1] >= 0.7).all() for rows in detections(found, ANCHORS, least=0.7))
