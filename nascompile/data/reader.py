"""Which reader takes what lies at a path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from nascompile.data.class_folders import with_suffix
from nascompile.data.coco_file import coco_files, read_coco
from nascompile.data.examples import Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree, is_archive, open_tree
from nascompile.data.image_folder import IMAGES, read_images
from nascompile.data.npz_file import read_npz
from nascompile.data.ts_file import read_ts
from nascompile.data.wav_folder import read_wav_folder

__all__ = ["read_examples"]

_KINDS = "images, .wav, .ts, or a .json of COCO annotations with its images; or an .npz file"


def read_examples(text: str, wanted: Wanted) -> Examples:
    """The examples at a path.

    Args:
        text: a path, or `ARCHIVE:NAME`.
        wanted: the network's input, and what it learns: annotations of boxes are looked for where that is `detection`,
            taken where it is left open.

    Raises:
        FileError: nothing is there, it is none of the formats, or its reader refuses it.
    """
    path, choice = _chosen(text)
    arrays = path.suffix.lower() == ".npz"
    boxes = None if wanted.task is None else wanted.task == "detection"
    result = read_npz(path, wanted) if arrays else _read_tree(path, choice, wanted, boxes)
    if not result.labels:
        raise bad_data(f"`{text}` has no examples", f"give {_KINDS}", "no-data")
    if result.kind != "audio" and (wanted.features is not None or wanted.rate is not None):
        option = "--features" if wanted.features is not None else "--rate"
        raise bad_data(f"{option} is for sound, and `{text}` has none", f"leave {option} out", "bad-option")
    return result


def _chosen(text: str) -> tuple[Path, str | None]:
    """A path that exists, and what is chosen inside of it."""
    if Path(text).exists():
        return Path(text), None
    before, colon, inside = text.rpartition(":")
    if colon and inside and Path(before).exists():
        return Path(before), inside
    raise bad_data(f"there is no `{before or text}`", "check the path to the data", "no-data")


def _read_tree(path: Path, choice: str | None, wanted: Wanted, boxes: bool | None) -> Examples:
    """The examples of a folder, an archive, or a file that lies among others."""
    suffix, only = path.suffix.lower(), None
    if path.is_dir() or is_archive(path):
        tree = open_tree(path)
    elif suffix == ".ts":
        tree, choice = open_tree(path.parent), _set_name(path)
    elif suffix == ".json":
        above = path.parent.parent if path.parent.name == "annotations" else path.parent
        tree, only = open_tree(above), str(PurePosixPath(path.relative_to(above)))
    else:
        raise bad_data(f"`{path}` is of no format that is read", f"give a folder or archive of {_KINDS}", "no-data")
    if with_suffix(tree.names, (".ts",)) and only is None:
        return read_ts(tree, wanted, choice)
    if choice is not None:
        tree = tree.under(choice)
    annotations = {} if boxes is False and only is None else coco_files(tree, only)
    if annotations:
        return read_coco(tree, annotations, wanted)
    return _read_folders(tree, wanted, boxes, only)


def _read_folders(tree: FileTree, wanted: Wanted, boxes: bool | None, only: str | None) -> Examples:
    """Images or clips in folders of classes."""
    images, clips = with_suffix(tree.names, IMAGES), with_suffix(tree.names, (".wav",))
    if boxes or only:
        message = f"`{tree.place(only) if only else tree.source}` has no COCO annotations"
        raise bad_data(message, "a .json file with `images`, `annotations` and `categories` is needed", "no-data")
    if images and clips:
        message = f"`{tree.source}` has {len(images)} images and {len(clips)} .wav files"
        raise bad_data(message, "keep them in folders of their own", "no-data")
    if not images and not clips:
        kinds = sorted({PurePosixPath(n).suffix.lower() for n in tree.names} - {""})
        message = f"`{tree.source}` has no data" + (f", only {', '.join(kinds[:8])} files" if kinds else "")
        raise bad_data(message, f"give {_KINDS}", "no-data")
    return read_wav_folder(tree, wanted) if clips else read_images(tree, wanted)


def _set_name(path: Path) -> str:
    """`Name` of `Name_TRAIN.ts`."""
    stem = path.stem
    return stem[: stem.rfind("_")] if stem.lower().endswith(("_train", "_test")) else stem
