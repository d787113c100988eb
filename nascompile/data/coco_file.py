"""Images with boxes: annotations in COCO's JSON, the images beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.class_folders import part_of
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.image_folder import Frame, check_image_shape, decode_images
from nascompile.data.listing import unread

__all__ = ["coco_files", "read_coco"]

_KEYS = ("images", "annotations", "categories")
_MOST = 1e9


@dataclass(frozen=True, eq=False)
class _Image:
    """An image's file, part and size, and its boxes: (category id, left, top, width, height) in pixels."""

    name: str
    part: str
    width: float
    height: float
    boxes: list[tuple[Any, float, float, float, float]]


def coco_files(tree: FileTree, only: str | None = None) -> dict[str, Mapping[str, Any]]:
    """Name -> content of the JSON files that hold COCO annotations; of one file, where it is given.

    Raises:
        FileError: a .json file is broken.
    """
    result = {}
    for name in tree.names:
        if name.lower().endswith(".json") and only in (None, name):
            try:
                content = json.loads(tree.content(name))
            except ValueError as error:
                hint = "it may be truncated: fetch it again, or remove it"
                raise bad_data(f"`{tree.place(name)}` is not JSON: {error}", hint, "unreadable") from error
            if isinstance(content, dict) and all(isinstance(content.get(key), list) for key in _KEYS):
                result[name] = content
    return result


def read_coco(tree: FileTree, files: Mapping[str, Mapping[str, Any]], wanted: Wanted) -> Examples:
    """The images of annotation files and their boxes.

    Files whose name or folder says `train`, `val` or `test` are official parts, where one says `train`. Boxes of
    crowds are left out, boxes are cut at the image's edges, and those without an area are dropped. Categories without
    a box are no classes.

    Raises:
        FileError: an annotation, a category or an image is missing or malformed.
    """
    check_image_shape(tree.source, wanted.shape)
    parts = {name: part_of(name) for name in files}
    official = len(files) > 1 and "train" in parts.values()
    dropped = Counter[str]()
    categories: dict[Any, str] = {}
    images: list[_Image] = []
    for name, content in files.items():
        found = _images(tree, name, content, parts[name], categories=categories, dropped=dropped)
        images += found if official else [replace(image, part="") for image in found]
    if not any(image.boxes for image in images):
        raise bad_data(f"`{tree.source}` has no boxes", "annotate some", "few-classes")
    used = {box[0] for image in images for box in image.boxes}
    numbers = {c: i for i, c in enumerate(c for c in categories if c in used)}
    boxes = tuple(_shares(image, numbers) for image in images)
    order = tuple(categories[c] for c in numbers)

    def read(chosen: NDArray[np.intp]) -> Decoded:
        frames: dict[str, Frame] = {}
        decoded = decode_images(tree, [images[i].name for i in chosen], wanted.shape, frames)
        turned = tuple(_turned(tree, images[i], boxes[i], frames[images[i].name]) for i in chosen)
        count = sum(frame.turned > 1 for frame in frames.values())
        return replace(
            decoded, boxes=turned, notes=decoded.notes | ({"turned with their boxes": count} if count else {})
        )

    unused = [categories[c] for c in categories if c not in used]
    others = set(tree.names) - {image.name for image in images} - set(files)
    notes = {"boxes left out": dict(dropped), "categories without a box": unused, **unread(others)}
    return Examples(
        "coco",
        "image",
        _rarest(boxes, order),
        [image.part for image in images],
        lambda i: tree.place(images[i].name),
        read=read,
        order=order,
        boxes=boxes,
        task="detection",
        notes={key: value for key, value in notes.items() if value},
    )


def _images(
    tree: FileTree, name: str, content: Mapping[str, Any], part: str, categories: dict[Any, str], dropped: Counter[str]
) -> list[_Image]:
    """The images of one annotation file; its categories join those of the others."""
    place = tree.place(name)
    for category in sorted(content["categories"], key=lambda c: str(_get(place, c, "id")).zfill(12)):
        known = categories.setdefault(category["id"], str(_get(place, category, "name")))
        if known != str(category["name"]):
            message = f"category {category['id']} is `{known}` in one file and `{category['name']}` in `{place}`"
            raise bad_data(message, "give all annotation files the same categories", "bad-boxes")
        if twins := [other for other, called in categories.items() if called == known and other != category["id"]]:
            message = f"`{place}` has two categories called `{known}`: {twins[0]} and {category['id']}"
            raise bad_data(message, "name them apart, or give their annotations one `category_id`", "bad-boxes")
    by_id: dict[Any, _Image] = {}
    finder = _Finder(tree, name, part)
    for image in content["images"]:
        size = [_number(place, image, key) for key in ("width", "height")]
        if min(size) <= 0 or _get(place, image, "id") in by_id:
            message = f"image {image['id']} of `{place}` has no size, or the number of another image"
            raise bad_data(message, "give every image its own `id`, and `width` and `height` in pixels", "bad-boxes")
        file = finder.find(str(_get(place, image, "file_name")))
        by_id[_get(place, image, "id")] = _Image(file, part, size[0], size[1], [])
    for annotation in content["annotations"]:
        _add_box(place, annotation, by_id, categories, dropped)
    return list(by_id.values())


def _add_box(
    place: str, annotation: Any, images: dict[Any, _Image], categories: dict[Any, str], dropped: Counter[str]
) -> None:
    number = _get(place, annotation, "id")
    image, category = images.get(_get(place, annotation, "image_id")), _get(place, annotation, "category_id")
    if image is None or category not in categories:
        message = f"annotation {number} of `{place}` is of an image or a category that is not listed"
        raise bad_data(message, "list all images and categories, or remove the annotation", "bad-boxes")
    box = _get(place, annotation, "bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))):
        message = f"annotation {number} of `{place}` has the box {str(box)[:80]}"
        raise bad_data(message, "`bbox` is [left, top, width, height] in pixels", "bad-boxes")
    if annotation.get("iscrowd"):
        dropped["crowds"] += 1
        return
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(image.width, box[0] + box[2]), min(image.height, box[1] + box[3])
    if right <= left or bottom <= top:
        dropped["without area"] += 1
        return
    image.boxes.append((category, left, top, right - left, bottom - top))


class _Finder:
    """Where an annotation's image lies in the tree.

    Args:
        tree: all files.
        name: the annotation file.
        part: its part, which tells images of one name apart.
    """

    def __init__(self, tree: FileTree, name: str, part: str) -> None:
        self.tree, self.name, self.part = tree, name, part
        self.by_name: dict[str, list[str]] = {}
        for file in tree.names:
            self.by_name.setdefault(file.rsplit("/", 1)[-1], []).append(file)

    def find(self, file_name: str) -> str:
        """The one file that ends so; with several, the one beside the annotations, else the one of their part."""
        pure = PurePosixPath(file_name.replace("\\", "/"))
        if pure.is_absolute() or ".." in pure.parts or not pure.name:
            message = f"`{self.tree.place(self.name)}` names an image outside of it: `{file_name}`"
            raise bad_data(message, "`file_name` is relative to the folder of images", "bad-boxes")
        result = [f for f in self.by_name.get(pure.name, ()) if f == str(pure) or f.endswith(f"/{pure}")]
        beside = str(PurePosixPath(self.name).parent / pure)
        if len(result) > 1 and beside in result:
            return beside
        if len(result) > 1:
            result = [f for f in result if self.part in map(part_of, _parents(f))]
        if len(result) != 1:
            many = "several images" if result else "no image"
            message = f"`{self.tree.source}` has {many} `{file_name}` of `{self.name}`"
            raise bad_data(message, "put the images of each part in a folder named after it", "bad-boxes")
        return result[0]


def _parents(name: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(name).parents]


def _shares(image: _Image, numbers: dict[Any, int]) -> NDArray[np.float32]:
    """[boxes, 5]: class, centre and sides as shares of the image."""
    rows = [
        (numbers[c], (left + w / 2) / image.width, (top + h / 2) / image.height, w / image.width, h / image.height)
        for c, left, top, w, h in image.boxes
    ]
    return np.array(rows, np.float32).reshape(-1, 5)


def _turned(tree: FileTree, image: _Image, boxes: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """The boxes where they are after the picture was turned by its EXIF orientation.

    Raises:
        FileError: the size that the annotations give is not that of the picture.
    """
    given, own = (image.width, image.height), (frame.width, frame.height)
    if given == own:
        return _oriented(boxes, frame.turned)
    if frame.turned > 4 and given == own[::-1]:
        return boxes  # annotated as it is seen
    message = f"`{tree.place(image.name)}` is {own[0]} x {own[1]}, its annotations say {given[0]:g} x {given[1]:g}"
    raise bad_data(
        message, "give the image that was annotated, or correct `width`, `height` and its boxes", "bad-boxes"
    )


def _oriented(boxes: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Boxes turned as `ImageOps.exif_transpose` turns their image.

    Example:
        >>> box = np.array([[0, 0.25, 0.125, 0.5, 0.25]], np.float32)  # at the left top
        >>> _oriented(box, 6).tolist()  # turned clockwise: at the right top
        [[0.0, 0.875, 0.25, 0.25, 0.5]]
    """
    c, x, y, w, h = boxes.T
    if orientation > 4:
        x, y, w, h = y, x, h, w
    x = 1 - x if orientation in (2, 3, 6, 7) else x
    y = 1 - y if orientation in (3, 4, 7, 8) else y
    return np.stack([c, x, y, w, h], axis=1).astype(np.float32)


def _rarest(boxes: tuple[NDArray[np.float32], ...], order: tuple[str, ...]) -> list[str]:
    """The class of each image by which images are spread over the parts."""
    present = [sorted({int(c) for c in b[:, 0]}) for b in boxes]
    images = Counter(c for classes in present for c in classes)
    return [order[min(classes, key=lambda c: (images[c], c))] if classes else "" for classes in present]


def _get(place: str, entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise bad_data(
            f"an entry of `{place}` has no `{key}`: {str(entry)[:80]}", "see COCO's data format", "bad-boxes"
        )
    value = entry[key]
    if key.endswith("id") and not isinstance(value, int | str):
        message = f"an entry of `{place}` has the `{key}` {str(value)[:80]}"
        raise bad_data(message, "numbers of images and categories are whole", "bad-boxes")
    return value


def _number(place: str, entry: Any, key: str) -> float:
    value = _get(place, entry, key)
    if not _is_finite(value):
        message = f"`{key}` of an image in `{place}` is {str(value)[:40]}"
        raise bad_data(message, "give it in pixels", "bad-boxes")
    return float(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= _MOST
