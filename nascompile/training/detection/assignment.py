"""Which cells and anchors are to predict which boxes (YOLOv5's assignment)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nascompile.data.anchors import Anchors
from nascompile.training.detection.head import in_cells

__all__ = ["MOST_RATIO", "Assigned", "assign"]

#: A box is predicted from an anchor where no side is this many times the other's (YOLOv5: `anchor_t`).
MOST_RATIO = 4.0

#: The cell of a box's centre, then those to its left, above it, to its right and below it: (columns, rows).
_NEIGHBOURS = ((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1))


@dataclass(frozen=True, eq=False)
class Assigned:
    """Boxes and the places that predict them; a box has several, or none.

    Args:
        image: int64 [k], which image of the batch.
        anchor: int64 [k], which anchor.
        row: int64 [k], of the cell.
        column: int64 [k], of the cell.
        box: float32 [k, 4], centre x and y relative to the cell, width, height; in cells.
        of_class: int64 [k].
    """

    image: torch.Tensor
    anchor: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    box: torch.Tensor
    of_class: torch.Tensor

    def __len__(self) -> int:
        return len(self.image)


def assign(boxes: torch.Tensor, anchors: Anchors, rows: int, columns: int) -> Assigned:
    """Assign boxes to cells and anchors.

    A box with sides w, h belongs to every anchor with sides a, b for which max(w/a, a/w, h/b, b/h) < `MOST_RATIO`. It
    is predicted by the cell in which its centre lies, and by the neighbour on each axis to which the centre is nearer
    than the middle of the cell, where there is one.

    Args:
        boxes: [n, most, 5]: class (below 0: no box), centre x, centre y, width, height as shares of the image.
        anchors: sizes of boxes.
        rows: of cells.
        columns: of cells.

    Example:
        >>> box = torch.tensor([[[0, 0.3, 0.55, 0.2, 0.2]]])
        >>> found = assign(box, ((0.1, 0.3), (0.9, 0.9)), rows=4, columns=4)
        >>> list(zip(found.anchor.tolist(), found.row.tolist(), found.column.tolist()))
        [(0, 2, 1), (0, 2, 0), (0, 1, 1)]
    """
    sizes = in_cells(anchors, rows, columns, boxes)
    shape = boxes.new_tensor([columns, rows])
    centres, sides = boxes[..., 1:3] * shape, boxes[..., 3:] * shape
    ratio = sides[:, :, None] / sizes
    matched = torch.maximum(ratio, 1 / ratio).amax(-1) < MOST_RATIO  # [n, most, anchors]
    matched &= boxes[..., :1] >= 0
    home = torch.minimum(centres.floor(), shape - 1)
    cells = home[:, :, None] + boxes.new_tensor(_NEIGHBOURS)  # [n, most, 5, 2]
    taken = _near(centres - home) & ((cells >= 0) & (cells < shape)).all(-1)
    image, box, which, anchor = (matched[:, :, None] & taken[..., None]).nonzero(as_tuple=True)
    cell = cells[image, box, which]
    relative = torch.cat([centres[image, box] - cell, sides[image, box]], dim=-1)
    column, row = cell.long().unbind(-1)
    return Assigned(image, anchor, row, column, relative, of_class=boxes[image, box, 0].long())


def _near(place: torch.Tensor) -> torch.Tensor:
    """[n, most, 2], a centre within its cell -> [n, most, 5], whether the cell and its neighbours predict the box."""
    x, y = place.unbind(-1)
    return torch.stack([torch.ones_like(x, dtype=torch.bool), x < 0.5, y < 0.5, x > 0.5, y > 0.5], dim=-1)
