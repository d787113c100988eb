"""Images in folders of classes, decoded by Pillow to the network's channels, height and width."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.class_folders import class_folders
from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data, input_hint, sides
from nascompile.data.file_tree import FileTree

__all__ = ["IMAGES", "decode_images", "read_images"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
#: Whatever a file is called, no decoder is tried that starts a program (EPS) or reads other files.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")


def read_images(tree: FileTree, wanted: Wanted) -> Examples:
    """The images of a tree `[train|valid|test/]CLASS/FILE`.

    Raises:
        FileError: the layout is another, or the network takes no images.
    """
    check_image_shape(tree.source, wanted.shape)
    result = class_folders(tree, IMAGES)

    def read(chosen: NDArray[np.intp]) -> Decoded:
        return decode_images(tree, [result.names[i] for i in chosen], wanted.shape)

    return Examples(
        "images",
        "image",
        result.labels,
        result.parts,
        lambda i: tree.place(result.names[i]),
        read=read,
        notes=result.notes,
    )


def check_image_shape(source: str, shape: tuple[int, ...]) -> None:
    """Raises unless a shape is that of grey or colour images."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        message = f"`{source}` has images, and the network's input is {sides(shape)}"
        sizes = shape[1:] if len(shape) == 3 else (32, 32)
        raise bad_data(message, input_hint((3, *sizes), shape), "bad-shape")


def decode_images(tree: FileTree, names: list[str], shape: tuple[int, ...]) -> Decoded:
    """Images as uint8 [n, *shape].

    One channel is the ITU-R 601-2 luma, transparency is dropped, the camera's orientation is applied. An image of
    another size is resized to height x width by Pillow's bilinear filter, which averages over all pixels when it makes
    an image smaller; the ratio of its sides is not kept.

    Raises:
        FileError: a file is no image, or a broken one.
    """
    x = np.empty((len(names), *shape), np.uint8)
    position = {name: i for i, name in enumerate(names)}
    sizes, digests = Counter[str](), dict[str, bytes]()
    for name, content in tree.contents(names):
        digests[name] = content_digest(content)
        x[position[name]], size = _decoded(tree.place(name), content, shape)
        sizes[size] += 1
    target = sides((shape[1], shape[2]))
    resized = {size: n for size, n in sizes.most_common() if size != target}
    notes: dict[str, Any] = {"colour": "luma" if shape[0] == 1 else "RGB", "resized": sum(resized.values())}
    if resized:
        notes |= {"resize": f"Pillow bilinear to {target}, ratio not kept", "from": next(iter(resized))}
    return Decoded(x, notes=notes, digests=[digests[name] for name in names])


def _decoded(place: str, content: bytes, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], str]:
    """One image [channels, height, width], and the size it had."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise bad_data("images need Pillow", "`pip install pillow`", "no-pillow") from error
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            # Looking for an orientation is slow; only files with EXIF data have one.
            image = ImageOps.exif_transpose(opened) if opened.info.get("exif") else opened
            size = sides((image.height, image.width))
            if image.mode.startswith("I"):
                # 16 bits per pixel; Pillow would clip them at 255.
                image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image).reshape(height, width, channels)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise bad_data(f"`{place}` is not an image that can be read: {error}", "replace or remove it") from error
    return np.moveaxis(pixels, -1, 0), size
