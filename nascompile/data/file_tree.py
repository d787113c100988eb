"""The files under a folder, or inside a zip or tar archive, which is read where it is: nothing is unpacked to disk."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from nascompile.data.examples import bad_data

__all__ = ["FileTree", "is_archive", "open_tree"]

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError,
    tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError,
)  # fmt: skip
_DEPTH = 6
_LARGEST = 1 << 30


@dataclass(frozen=True, eq=False)
class FileTree:
    """Names of files, and their contents when asked for.

    Args:
        source: the folder or archive, for messages.
        names: relative, with `/`, sorted; hidden files are left out.
        reading: yields (name, content) of the names given, in the order that is cheapest.
    """

    source: str
    names: tuple[str, ...]
    reading: Callable[[Iterable[str]], Iterator[tuple[str, bytes]]]

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Some files with their contents, in any order.

        Raises:
            FileError: a file cannot be read.
        """
        try:
            yield from self.reading(names)
        except _BROKEN as error:
            raise _broken(self.source, error) from error

    def content(self, name: str) -> bytes:
        """The content of one file."""
        return next(self.contents([name]))[1]

    def under(self, folder: str) -> FileTree:
        """The part of the tree in one of its folders; names stay as they are."""
        prefix = folder.strip("/") + "/"
        return replace(self, names=tuple(n for n in self.names if n.startswith(prefix) or f"/{prefix}" in n))

    def place(self, name: str) -> str:
        """A file as messages name it."""
        return f"{self.source}/{name}"


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive.

    Example:
        >>> is_archive(Path("a.tar.gz")), is_archive(Path("a.npz"))
        (True, False)
    """
    return path.name.lower().endswith(_ARCHIVES)


def open_tree(path: Path) -> FileTree:
    """The files of a folder or an archive.

    Raises:
        FileError: it cannot be read, or has names that point out of it, or links.
    """
    try:
        if path.is_dir():
            return _folder(path)
        return _zip(path) if path.name.lower().endswith(".zip") else _tar(path)
    except _BROKEN as error:
        raise _broken(str(path), error) from error


def _folder(path: Path) -> FileTree:
    names: list[str] = []

    def walk(folder: Path, prefix: str, depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                # Links to folders are followed, so the depth ends a cycle.
                if entry.is_dir() and depth < _DEPTH:
                    walk(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
                elif entry.is_file():
                    names.append(prefix + entry.name)

    walk(path, "", 1)

    def reading(wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in wanted:
            yield name, (path / name).read_bytes()

    return FileTree(str(path), _visible(names), reading)


def _zip(path: Path) -> FileTree:
    with zipfile.ZipFile(path) as archive:
        # The upper half of the attributes is the Unix mode; 0o12 in its first four bits is a link.
        for entry in archive.infolist():
            _check(path, entry.filename, entry.file_size, link=entry.external_attr >> 28 == 0o12)
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]

    def reading(wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        with zipfile.ZipFile(path) as archive:
            for name in wanted:
                yield name, archive.read(name)

    return FileTree(str(path), _visible(names), reading)


def _tar(path: Path) -> FileTree:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        _check_end(archive, members)
    for member in members:
        special = not (member.isfile() or member.isdir())
        _check(path, member.name, member.size, link=special)
    files = {str(PurePosixPath(m.name)): m for m in members if m.isfile()}

    def reading(wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        # A compressed archive has no random access: going forwards, it is decompressed once.
        with tarfile.open(path) as archive:
            for name in sorted(wanted, key=lambda n: files[n].offset_data):
                stream = archive.extractfile(files[name])
                content = stream.read() if stream else b""
                if len(content) != files[name].size:
                    raise EOFError(f"`{name}` ends early")
                yield name, content

    return FileTree(str(path), _visible(files), reading)


def _check_end(archive: tarfile.TarFile, members: list[tarfile.TarInfo]) -> None:
    """Raises unless a block of zeros follows the last member: at a damaged header, `tarfile` stops without a word."""
    last = max(members, key=lambda m: m.offset_data, default=None)
    stream = archive.fileobj
    if last is None or stream is None:
        return
    size = last.size if last.isreg() else 0
    stream.seek(last.offset_data + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"it is damaged or ends after `{last.name}`")


def _visible(names: Iterable[str]) -> tuple[str, ...]:
    """Sorted, without hidden files and what macOS adds to archives."""
    hidden = (".", "__MACOSX")
    return tuple(sorted(n for n in names if not any(part.startswith(hidden) for part in n.split("/"))))


def _check(path: Path, name: str, size: int, link: bool) -> None:
    """Raises for a member that no data set needs: it points out of the archive, is no file, or is enormous."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if not name or pure.is_absolute() or ".." in pure.parts:
        raise bad_data(
            f"`{path}` has a member that points out of it: `{name}`", "pack the archive again", "bad-archive"
        )
    if link:
        message = f"`{path}` has a member that is a link or a device: `{name}`"
        raise bad_data(message, "pack it with the files themselves (`tar --dereference`)", "bad-archive")
    if size > _LARGEST:
        raise bad_data(f"`{name}` in `{path}` is larger than 1 GiB", "unpack it to a folder", "bad-archive")


def _broken(source: str, error: BaseException) -> Exception:
    hint = "the file may be truncated or of another format: fetch or pack it again"
    return bad_data(f"`{source}` cannot be read: {error}", hint, "unreadable")
