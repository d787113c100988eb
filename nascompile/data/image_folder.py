"""Images in files, decoded by Pillow to the network's channels, height and width."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data, input_hint, sides
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["IMAGES", "Frame", "check_image_shape", "decode_images", "image_examples"]

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
#: Whatever a file is called, no decoder is tried that starts a program (EPS) or reads other files.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
#: The tag of EXIF data that says how the camera was held: 1 to 8, 1 upright.
_ORIENTATION = 274


@dataclass(frozen=True)
class Frame:
    """How an image lies in its file, and was turned.

    Args:
        width: in pixels, as the file has it, before it was turned.
        height: likewise.
        turned: EXIF's orientation, 1 to 8; 1 and it was not turned.
    """

    width: int
    height: int
    turned: int


def image_examples(tree: FileTree, listing: Listing, wanted: Wanted) -> Examples:
    """The images of a listing.

    Raises:
        FileError: the network takes no images.
    """
    check_image_shape(tree.source, wanted.shape)

    def read(chosen: NDArray[np.intp]) -> Decoded:
        return decode_images(tree, [listing.names[int(i)] for i in chosen], wanted.shape)

    return Examples(
        "images", "image", where=lambda i: tree.place(listing.names[i]), read=read, notes=listing.notes,
        **listing.learnt(),
    )  # fmt: skip


def check_image_shape(source: str, shape: tuple[int, ...]) -> None:
    """Raises unless a shape is that of grey or colour images."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        message = f"`{source}` has images, and the network's input is {sides(shape)}"
        sizes = shape[1:] if len(shape) == 3 else (32, 32)
        raise bad_data(message, input_hint((3, *sizes), shape), "bad-shape")


def decode_images(
    tree: FileTree, names: Sequence[str], shape: tuple[int, ...], frames: dict[str, Frame] | None = None
) -> Decoded:
    """Images [n, *shape], as uint8, or float32 where they have 16 bits or more: with all that these tell.

    One channel is the ITU-R 601-2 luma, transparency is dropped, the camera's orientation is applied. An image of
    another size is resized to height x width by Pillow's bilinear filter, which averages over all pixels when it makes
    an image smaller; the ratio of its sides is not kept.

    Args:
        tree: where they are.
        names: of their files.
        shape: channels, height, width.
        frames: name -> how it lay in its file, to be filled.

    Raises:
        FileError: a file is no image, or a broken one, or has 8 bits where others have 16.
    """
    x = np.empty((0,))
    position = {name: i for i, name in enumerate(names)}
    sizes, digests, first = Counter[str](), dict[str, bytes](), ""
    for name, content in tree.contents(names):
        digests[name] = content_digest(content)
        pixels, frame = _decoded(tree.place(name), content, shape)
        if not first:
            x, first = np.empty((len(names), *shape), pixels.dtype), name
        if pixels.dtype != x.dtype:
            few, many = (name, first) if pixels.dtype == np.uint8 else (first, name)
            message = f"`{tree.place(few)}` has 8 bits a pixel, and `{many}` more"
            raise bad_data(message, "give all images alike: what is white in one is black in the other", "bad-images")
        x[position[name]] = pixels
        upright = (frame.height, frame.width) if frame.turned < 5 else (frame.width, frame.height)
        sizes[sides(upright)] += 1
        if frames is not None:
            frames[name] = frame
    target = sides((shape[1], shape[2]))
    resized = {size: n for size, n in sizes.most_common() if size != target}
    notes: dict[str, Any] = {"colour": "luma" if shape[0] == 1 else "RGB", "resized": sum(resized.values())}
    if resized:
        notes |= {"resize": f"Pillow bilinear to {target}, ratio not kept", "from": next(iter(resized))}
    return Decoded(x, notes=notes, digests=[digests[name] for name in names])


def _decoded(place: str, content: bytes, shape: tuple[int, ...]) -> tuple[NDArray[Any], Frame]:
    """One image [channels, height, width], and how it lay in its file."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise bad_data("images need Pillow", "`pip install pillow`", "no-pillow") from error
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            # Looking for an orientation is slow; only files with EXIF data have one.
            turned = opened.getexif().get(_ORIENTATION, 1) if opened.info.get("exif") else 1
            frame = Frame(*opened.size, turned if turned in range(2, 9) else 1)
            image = _converted(ImageOps.exif_transpose(opened) if frame.turned > 1 else opened, channels)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image).reshape(height, width, -1)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        why = "it begins as none of a known format" if isinstance(error, UnidentifiedImageError) else error
        raise bad_data(f"`{place}` is not an image that can be read: {why}", "replace or remove it") from error
    return np.broadcast_to(np.moveaxis(pixels, -1, 0), shape), frame


def _converted(image: Image, channels: int) -> Image:
    """In 8 bits a channel, or, of an image with more, as floats as they are: 12 bits in a file of 16 stay 12 bits."""
    if image.mode[0] in "IF":
        return image.convert("F") if image.mode in ("I", "F") else _of_words(image)
    return image.convert("L" if channels == 1 else "RGB")


def _of_words(image: Image) -> Image:
    """From the modes `I;16` and `I;16B`, which Pillow cannot resize."""
    from PIL import Image

    return Image.fromarray(np.asarray(image).astype(np.float32))
