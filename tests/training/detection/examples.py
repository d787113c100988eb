"""Boxes and outputs at random, and what the slow way makes of them."""

from __future__ import annotations

from math import atan, pi

import numpy as np
import torch

torch.set_num_threads(1)

ANCHORS = ((0.08, 0.1), (0.2, 0.35), (0.6, 0.5))

#: Image, anchor, row, column, class, then the box in cells: centre x and y relative to the cell, width, height.
Place = tuple[int, int, int, int, int, tuple[float, float, float, float]]


def random_boxes(rng: np.random.Generator, images: int, classes: int, most: int = 4) -> tuple[np.ndarray, ...]:
    """Of each image up to `most` boxes, inside of it; some centres lie on the edges of eighths."""
    found = []
    for _ in range(images):
        n = int(rng.integers(most + 1))
        sides = rng.uniform(0.03, 0.9, (n, 2))
        centres = sides / 2 + rng.uniform(size=(n, 2)) * (1 - sides)
        eighths = (centres * 8).round() / 8
        inside = ((eighths >= sides / 2) & (eighths <= 1 - sides / 2)).all(1, keepdims=True)
        on_edge = (rng.uniform(size=(n, 1)) < 0.3) & inside
        centres = np.where(on_edge, eighths, centres)
        found.append(np.concatenate([rng.integers(classes, size=(n, 1)), centres, sides], 1).astype(np.float32))
    return tuple(found)


def slowly_assigned(boxes: tuple[np.ndarray, ...], rows: int, columns: int) -> set[Place]:
    """YOLOv5's rule, box by box and cell by cell, in float32 as the fast one."""
    found: set[Place] = set()
    for image, of_image in enumerate(boxes):
        for c, x, y, w, h in of_image:
            cx, cw, cy, ch = *(s * np.float32(columns) for s in (x, w)), *(s * np.float32(rows) for s in (y, h))
            for a, (aw, ah) in enumerate(ANCHORS):
                ratios = (cw / np.float32(aw * columns), ch / np.float32(ah * rows))
                if max(max(r, 1 / r) for r in ratios) >= 4:
                    continue
                column, row = int(cx), int(cy)
                cells = [(row, column)]
                if cx % 1 < 0.5 and column > 0:
                    cells.append((row, column - 1))
                if cx % 1 > 0.5 and column < columns - 1:
                    cells.append((row, column + 1))
                if cy % 1 < 0.5 and row > 0:
                    cells.append((row - 1, column))
                if cy % 1 > 0.5 and row < rows - 1:
                    cells.append((row + 1, column))
                found |= {
                    (image, a, r, k, int(c), (float(cx - k), float(cy - r), float(cw), float(ch))) for r, k in cells
                }
    return found


def slow_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Of two boxes: centre x, centre y, width, height."""
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    common = max(0.0, w) * max(0.0, h)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def slow_complete_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    iou = slow_iou(a, b)
    w = max(a[0] + a[2] / 2, b[0] + b[2] / 2) - min(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = max(a[1] + a[3] / 2, b[1] + b[3] / 2) - min(a[1] - a[3] / 2, b[1] - b[3] / 2)
    distance = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    v = 4 / pi**2 * (atan(b[2] / b[3]) - atan(a[2] / a[3])) ** 2
    return iou - distance / (w**2 + h**2) - v * (v / (1 - iou + v + 1e-12))
