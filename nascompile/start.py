"""Before anything else is loaded: Ctrl-C ends a command at once, and what hides a package of ours is named.

The packages beside this one have common names: a script `solvers.py`, a folder `spaces` without code, and Hugging
Face's `spaces` are taken for ours where they come first.
"""

# What these need is nearly all that is loaded before Ctrl-C is minded.
import os
import signal
import sys

__all__ = ["Interrupted", "begin", "hidden", "interruptible"]

_NAMES = ("spaces", "solvers", "samplers")
#: In the `__init__.py` of each of ours.
_MARK = b"from spaces.lazy import face"


class Interrupted(SystemExit):
    """Ctrl-C, and what became of the work has been said."""

    def __init__(self) -> None:
        super().__init__(130)


def begin() -> None:
    """Look whether this package can be used.

    Raises:
        ImportError: another package or module hides one of ours. A command says so and ends with exit code 2.
    """
    command = _is_command()
    if command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    if command:
        # We use no plugins of pydantic's, and it would look for them in every package that is installed.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if sentence := hidden():
        if command:
            print(f"error: {sentence}", file=sys.stderr)
            sys.exit(2)
        raise ImportError(sentence)


def interruptible() -> None:
    """From here on whoever is at work may say what became of it: Ctrl-C raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    # No KeyboardInterrupt: of one that passed through generated code Python remembers to die by the signal.
    print("interrupted; nothing was written", file=sys.stderr)
    raise Interrupted


def _is_command() -> bool:
    """Whether this process is `nascompile` or `python -m nascompile`, and not someone's program that imports it."""
    started = sys.argv[0] if sys.argv else ""
    if started == "-m":  # what the word is until the module is found
        return not {"nascompile", "-mnascompile"}.isdisjoint(sys.orig_argv)
    return started.replace("\\", "/").rpartition("/")[2] in ("nascompile", "nascompile.exe")


def hidden() -> str:
    """One sentence on what hides a package of ours, and what to do about it; empty where nothing does."""
    return next(filter(None, map(_hidden, _NAMES)), "")


def _hidden(name: str) -> str:
    from pathlib import Path

    ours = Path(__file__).parents[1] / name / "__init__.py"
    place = _found(name)
    if place is None or not ours.parent.is_dir():
        return ""
    result = Path(place)
    gone = f"{ours} is gone, or of another package called `{name}`, such as Hugging Face's: "
    gone += "uninstall that one, then install nascompile anew"
    if not ours.is_file():
        return gone
    if result.resolve() not in (ours.resolve(), ours.parent.resolve()):
        way = "rename it, uninstall what it came with, or start elsewhere: its place comes first in `sys.path`"
        return f"{result} hides nascompile's own package `{name}`: {way}"
    return gone if result.is_dir() or _MARK not in result.read_bytes() else ""


def _found(name: str) -> str | None:
    """The file that Python takes for a package, or the folder where it has none; loads neither."""
    from importlib.util import find_spec

    there = sys.modules.get(name)
    spec = getattr(there, "__spec__", None) or (None if there else find_spec(name))
    if spec is None:
        return getattr(there, "__file__", None)
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)
