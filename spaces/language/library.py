"""Find a space: a path, or the name of a library space, from any folder."""

from __future__ import annotations

from pathlib import Path

from spaces.errors import SpaceError, Span, did_you_mean

__all__ = ["find_space", "library"]

_HOME = Path(__file__).parents[1]


def library() -> dict[str, Path]:
    """The library's spaces: name -> file.

    Example:
        >>> "dscnn" in library()
        True
    """
    return {path.stem: path for path in sorted(_HOME.glob("*.yaml"))}


def find_space(name: str, folder: Path | None = None, span: Span | None = None) -> Path:
    """The file of a space.

    Args:
        name: a path to a YAML file, or a library name. `spaces/dscnn.yaml` also finds the library's own `dscnn`
            where no such file exists, so that the documentation's commands work after `pip install`.
        folder: where a relative path starts; the working folder by default.
        span: the place to blame.

    Raises:
        SpaceError: there is no such space.
    """
    path = (folder or Path()) / name
    if path.suffix in (".yaml", ".yml"):
        if path.exists():
            return path
        if Path(name).parent in (Path("spaces"), Path()) and path.stem in library():
            return library()[path.stem]
    elif name in library():
        return library()[name]
    hint = did_you_mean(Path(name).stem, library()) + "; `nascompile spaces` lists the library"
    raise SpaceError.of("unknown-space", f"there is no space `{name}`", hint, span)
