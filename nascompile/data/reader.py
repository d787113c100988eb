"""Which reader takes what lies at a path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from nascompile.data.class_folders import class_folders, with_suffix
from nascompile.data.coco_file import coco_files, read_coco
from nascompile.data.examples import Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree, is_archive, open_tree
from nascompile.data.image_folder import IMAGES, image_examples
from nascompile.data.keywords import with_keywords
from nascompile.data.listing import Listing
from nascompile.data.metadata_table import listed_files, path_column
from nascompile.data.npz_file import read_npy, read_npz
from nascompile.data.roles import label_column
from nascompile.data.sound_file import SOUNDS
from nascompile.data.sound_folder import sound_examples
from nascompile.data.tables import TABLES, read_table
from nascompile.data.ts_file import read_ts
from nascompile.data.window_table import read_windows

__all__ = ["read_examples"]

_KINDS = (
    "a folder or archive of images, sounds (.wav, .flac, .ogg, .mp3), tables (.csv, .parquet), .ts, .npy, or a .json "
    "of COCO annotations with its images; or an .npz, .csv or .parquet file"
)


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
    if wanted.columns.option and result.format != "table" and "listed in" not in result.notes:
        message = f"{wanted.columns.option} is for tables (.csv, .parquet), and `{text}` is none"
        raise bad_data(message, f"leave {wanted.columns.option} out", "bad-option")
    if wanted.keywords and result.format != "sounds":
        message = f"--keywords is for files of sound, and `{text}` has none"
        raise bad_data(message, "leave --keywords out", "bad-option")
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
    elif suffix in TABLES:
        return _read_table(open_tree(path.parent), path.name, wanted)
    elif suffix == ".npy":
        return read_npy(open_tree(path.parent), wanted)
    elif suffix == ".json":
        above = path.parent.parent if path.parent.name == "annotations" else path.parent
        tree, only = open_tree(above), str(PurePosixPath(path.relative_to(above)))
    else:
        raise bad_data(f"`{path}` is of no format that is read", f"give {_KINDS}", "no-data")
    if with_suffix(tree.names, (".ts",)) and only is None:
        return read_ts(tree, wanted, choice)
    if choice is not None:
        tree = tree.under(choice)
    annotations = {} if boxes is False and only is None else coco_files(tree, only)
    if annotations:
        return read_coco(tree, annotations, wanted)
    if boxes or only:
        message = f"`{tree.place(only) if only else tree.source}` has no COCO annotations"
        raise bad_data(message, "a .json file with `images`, `annotations` and `categories` is needed", "no-data")
    return _read_files(tree, wanted)


def _read_table(tree: FileTree, name: str, wanted: Wanted) -> Examples:
    """The files that a table lists, or the windows in it."""
    table = read_table(name, tree.place(name), tree.content(name))
    column = path_column(table, (*IMAGES, *SOUNDS))
    if column is None:
        return read_windows(tree, [name], wanted)
    return _read_listing(tree, listed_files(tree, name, table, column, wanted), wanted)


def _read_listing(tree: FileTree, listing: Listing, wanted: Wanted) -> Examples:
    """Images or sounds."""
    images, sounds = with_suffix(listing.names, IMAGES), with_suffix(listing.names, SOUNDS)
    if images and sounds:
        message = f"`{tree.source}` has {len(images)} images and {len(sounds)} sounds"
        raise bad_data(message, "keep them in folders of their own", "no-data")
    if not sounds:
        return image_examples(tree, listing, wanted)
    return sound_examples(tree, with_keywords(tree, listing, wanted), wanted)


def _read_files(tree: FileTree, wanted: Wanted) -> Examples:
    """Images or sounds in folders of classes or listed in a table; or windows in tables; or arrays."""
    tables, files = with_suffix(tree.names, TABLES), with_suffix(tree.names, (*IMAGES, *SOUNDS))
    if not files and tables:
        return read_windows(tree, tables, wanted)
    if not files and with_suffix(tree.names, (".npy",)):
        return read_npy(tree, wanted)
    if not files:
        kinds = sorted({PurePosixPath(n).suffix.lower() for n in tree.names} - {""})
        message = f"`{tree.source}` has no data" + (f", only {', '.join(kinds[:8])} files" if kinds else "")
        raise bad_data(message, f"give {_KINDS}", "no-data")
    listings = []
    for name in tables:
        table = read_table(name, tree.place(name), tree.content(name))
        column = path_column(table, (*IMAGES, *SOUNDS))
        if column and (wanted.columns.label or label_column(table.names)):
            listings.append((name, table, column))
    if len(listings) > 1:
        message = f"`{tree.source}` has {len(listings)} tables that list files: {', '.join(n for n, _, _ in listings)}"
        raise bad_data(message, f"give the one that is meant: --data {tree.place(listings[0][0])}", "which-table")
    if listings:
        name, table, column = listings[0]
        return _read_listing(tree, listed_files(tree, name, table, column, wanted), wanted)
    return _read_listing(tree, class_folders(tree, (*IMAGES, *SOUNDS)), wanted)


def _set_name(path: Path) -> str:
    """`Name` of `Name_TRAIN.ts`."""
    stem = path.stem
    return stem[: stem.rfind("_")] if stem.lower().endswith(("_train", "_test")) else stem
