"""Mean average precision, as COCO measures it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nascompile.training.errors import TrainingError

__all__ = ["average_precision"]


def average_precision(found: Sequence[NDArray[Any]], truth: Sequence[NDArray[Any]], classes: int) -> dict[str, float]:
    """mAP at an IoU of 0.5, and its mean over 0.5, 0.55, ..., 0.95, by pycocotools.

    Of each class the precision is averaged over 101 recalls, then over the classes that have boxes. The 100 surest
    boxes of an image count.

    Args:
        found: of each image [boxes, 6]: class, score, left, top, width, height.
        truth: of each image [boxes, 5]: class, centre x, centre y, width, height; in the same unit.
        classes: their number.

    Returns:
        `map50` and `map50_95`.

    Raises:
        TrainingError: there is no box to be found.

    Example:
        >>> truth = [np.array([[0, 0.5, 0.5, 0.2, 0.2]])]
        >>> found = average_precision([np.array([[0, 0.9, 0.44, 0.4, 0.2, 0.2]])], truth, 1)
        >>> {name: round(value, 3) for name, value in found.items()}
        {'map50': 1.0, 'map50_95': 0.4}
    """
    if not any(map(len, truth)):
        raise TrainingError.of("no-examples", "there is no box by which to measure detection", "give images with boxes")
    from pycocotools.cocoeval import COCOeval

    # It prints what it does.
    with redirect_stdout(io.StringIO()):
        images, evaluation = len(truth), cast(Any, COCOeval)
        measured = evaluation(
            _coco(_true_boxes(truth), images, classes), _coco(_found_boxes(found), images, classes), "bbox"
        )
        measured.params.maxDets = [100]
        measured.params.areaRng, measured.params.areaRngLbl = [[0, 1e10]], ["all"]
        measured.evaluate()
        measured.accumulate()
    precision = np.asarray(measured.eval["precision"])[..., 0, 0]  # [IoUs, recalls, classes]
    there = precision[:, :, (precision > -1).all((0, 1))]
    return {"map50": float(there[0].mean()), "map50_95": float(there.mean())}


def _coco(boxes: list[dict[str, Any]], images: int, classes: int) -> Any:
    """Boxes as pycocotools holds them."""
    from pycocotools.coco import COCO

    result: Any = COCO()
    result.dataset = {
        "images": [{"id": k} for k in range(images)],
        "categories": [{"id": k} for k in range(classes)],
        "annotations": boxes,
    }
    result.createIndex()
    return result


def _true_boxes(truth: Sequence[NDArray[Any]]) -> list[dict[str, Any]]:
    rows = [(k, *row) for k, boxes in enumerate(truth) for row in np.asarray(boxes, np.float64).tolist()]
    # To COCO's code a box of number 0 is none.
    return [
        _box(number, k, int(of_class), (x - w / 2, y - h / 2, w, h))
        for number, (k, of_class, x, y, w, h) in enumerate(rows, start=1)
    ]


def _found_boxes(found: Sequence[NDArray[Any]]) -> list[dict[str, Any]]:
    rows = [(k, *row) for k, boxes in enumerate(found) for row in np.asarray(boxes, np.float64).tolist()]
    return [
        {**_box(number, k, int(of_class), (left, top, w, h)), "score": score}
        for number, (k, of_class, score, left, top, w, h) in enumerate(rows, start=1)
    ]


def _box(number: int, image: int, of_class: int, box: tuple[float, float, float, float]) -> dict[str, Any]:
    area = box[2] * box[3]
    return {"id": number, "image_id": image, "category_id": of_class, "bbox": list(box), "area": area, "iscrowd": 0}
