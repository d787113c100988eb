"""A made data set for detection: coloured rectangles, discs and triangles before noise, as COCO's JSON beside images.

    python benchmarks/made_detection.py shapes                             # 1,000 images of 64 x 64
    python benchmarks/made_detection.py shapes -n 200 --side 96 --seed 1
    nascompile search prototype_detection input.height=64 input.width=64 choices.classes.options=[3] --data shapes ...

Each image has one to three shapes, 1/6 to 1/2 of a side wide and high, of a random colour, which hardly overlap. The
same seed draws the same images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["CLASSES", "write_shapes"]

CLASSES = ("rectangle", "disc", "triangle")

#: left, top, width, height, in pixels.
Box = tuple[int, int, int, int]


def write_shapes(folder: Path, images: int, side: int = 64, seed: int = 0, classes: int = len(CLASSES)) -> Path:
    """Write `annotations.json` and `images/`.

    Args:
        folder: made if it is not there.
        images: how many.
        side: of an image, in pixels.
        seed: decides everything.
        classes: only so many of `CLASSES`.

    Returns:
        The folder.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for k in range(images):
        image, found = draw(rng, side, classes)
        name = f"images/{k:05d}.png"
        image.save(folder / name)
        listed.append({"id": k, "file_name": name, "width": side, "height": side})
        for c, box in found:
            boxes.append({"id": len(boxes) + 1, "image_id": k, "category_id": c, "bbox": list(box), "iscrowd": 0})
    categories = [{"id": c, "name": name} for c, name in enumerate(CLASSES[:classes])]
    content = {"images": listed, "annotations": boxes, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def draw(rng: np.random.Generator, side: int, classes: int) -> tuple[Image.Image, list[tuple[int, Box]]]:
    """One image, and the class and box of each of its shapes."""
    background = rng.integers(40, 216, 3) + rng.normal(0, 25, (side, side, 3))
    image = Image.fromarray(background.clip(0, 255).astype(np.uint8))
    pen, found = ImageDraw.Draw(image), list[tuple[int, Box]]()
    for _ in range(int(rng.integers(1, 4))):
        box = place(rng, side, [b for _, b in found])
        if box is None:
            continue
        of_class = int(rng.integers(classes))
        colour = tuple(int(c) for c in (background.mean((0, 1)) + rng.choice([-110, 110], 3)).clip(0, 255))
        left, top, right, bottom = box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1
        if CLASSES[of_class] == "rectangle":
            pen.rectangle((left, top, right, bottom), fill=colour)
        elif CLASSES[of_class] == "disc":
            pen.ellipse((left, top, right, bottom), fill=colour)
        else:
            pen.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], fill=colour)
        found.append((of_class, box))
    return image, found


def place(rng: np.random.Generator, side: int, others: list[Box]) -> Box | None:
    """A box that covers no more than a tenth of another's area; None where that does not come in 20 draws."""
    for _ in range(20):
        width, height = (int(s) for s in rng.integers(side // 6, side // 2 + 1, 2))
        left, top = int(rng.integers(side - width + 1)), int(rng.integers(side - height + 1))
        common = (
            max(0, min(left + width, x + w) - max(left, x)) * max(0, min(top + height, y + h) - max(top, y)) / (w * h)
            for x, y, w, h in others
        )
        if max(common, default=0) <= 0.1:
            return left, top, width, height
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-n", "--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write_shapes(given.folder, given.images, given.side, given.seed)


if __name__ == "__main__":
    main()
