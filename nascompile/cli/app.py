"""The command line: its commands by their names, each loaded when it is called; one way of failing."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from nascompile import __version__
from nascompile.cli.outputs import checks_outputs
from spaces.errors import NascompileError

__all__ = ["COMMANDS", "app", "load", "run"]

_INTERRUPTED = 130

#: Command -> its module and what it is called there, and its line in `nascompile --help`, which loads none of them.
COMMANDS = {
    "reduce": ("reduce:reduce", "Reduce a space to its exact feasible set X^f, and write that set to a file."),
    "count": ("reduce:count", "Print the exact number of feasible networks, and nothing else."),
    "show": (
        "show:show",
        "Look into a set: its counts, and some members with their costs; or into the folder of a run.",
    ),
    "export": ("show:export", "Write the members of a set with all their costs."),
    "check": (
        "check:check",
        "Check one network: every term of its costs, both RAM models, and which limit it breaks by how much.",
    ),
    "explain": (
        "explain:explain",
        "Explain what the limits leave: per depth the least value each can have, and where nothing fits, why.",
    ),
    "diff": ("diff:diff", "Compare two feasible sets of one space: what fits both, and what fits only one."),
    "compile": ("compile:compile_space", "Compile a space and print a stage of the compiler."),
    "search": (
        "search.command:search",
        "Search a feasible set for the networks worth having; no result is ever infeasible.",
    ),
    "spaces": ("listing:spaces", "List the library's search spaces, or the blocks of the language."),
    "mcus": (
        "listing:mcus",
        "List the microcontrollers: memory usable for activations, flash, core, clock, boards.",
    ),
    "schema": (
        "listing:schema",
        "Print the JSON schema of the files that you write, for editors: spaces, targets, latency profiles.",
    ),
    "score": (
        "score:score",
        "Score the networks of a set by zero-cost proxies, with MACs and parameters beside them.",
    ),
    "select": (
        "select.command:select",
        "Choose the k candidates that together dominate the largest hypervolume of the objectives (PrototypeNAS, Eq.",
    ),
    "sample": (
        "sample:sample",
        "Choose candidates from a set: all of them fit, no network comes twice, and one seed gives one sequence.",
    ),
    "resume": (
        "search.train:resume",
        "Go on with a search that was interrupted, or killed, and bring it to its end; or extend it.",
    ),
    "worker": (
        "search.train:worker",
        "Help with a search that goes on elsewhere: train its candidates until there are no more.",
    ),
    "report": (
        "page.command:report",
        "Write a set or a run as one page: a file that needs no network, on a phone, on a desk or on paper.",
    ),
    "deploy": (
        "deploy:deploy",
        "Write a network as plain C99 without dependencies: static buffers, one call, a Makefile and a CMake file.",
    ),
    "doctor": (
        "doctor:doctor",
        "Say what is installed here, what is missing for which command, and the line that installs it.",
    ),
    "latency": ("latency:latency", "Latency profiles of devices: make, list and show them."),
}


def load(name: str) -> Any:
    """The command of this name, its module loaded."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    result = getattr(import_module(f"nascompile.cli.{module}"), attribute)
    if not isinstance(result, typer.Typer):
        function, result = result, typer.Typer(add_completion=False, rich_markup_mode=None)
        result.command(name)(checks_outputs(function))
    return typer.main.get_command(result)


class _Commands(TyperGroup):
    """Commands that are names and lines of help until one of them is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        command = load(name) if name else None
        if not gc.get_freeze_count():
            # What is loaded now stays to the end: neither a command nor Python's own end needs to look through it.
            gc.freeze()
        gc.enable()
        return name, command, rest

    def make_context(self, *given: Any, **more: Any) -> Any:
        with _reader():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        with _reader():
            return super().invoke(ctx)


@contextmanager
def _reader() -> Iterator[None]:
    """The reader of a pipe (`head`, say) may have seen enough: no mistake of anyone's, and nothing to say."""
    try:
        yield
    except BrokenPipeError:
        _let_go()
        # Not to be caught by typer, which would end with 1, as if the answer were no.
        raise SystemExit(0) from None


def _let_go() -> None:
    """What still waits to be written goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush() -> None:
    """Short output is written only now."""
    try:
        sys.stdout.flush()
    except OSError as cause:
        _let_go()
        if not isinstance(cause, BrokenPipeError):
            print(f"error: cannot write the output: {cause.strerror}", file=sys.stderr)
            sys.exit(2)


app = typer.Typer(
    name="nascompile",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nascompile {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Compile neural-network search spaces for microcontrollers, and reduce them to their exact feasible sets.

    Exit codes: 0 done, 1 the answer is no (nothing fits, a check fails, sets differ), 2 an error, 130 interrupted.
    """


def run() -> None:
    """Run the command line; a user's mistake gives one clear message and exit code 2, never a traceback.

    Raises:
        KeyboardInterrupt: Ctrl-C, and the command has not said itself what became of its work.
    """
    try:
        app(prog_name="nascompile")
    except NascompileError as error:
        _report(error)
        sys.exit(2)
    except SystemExit as end:
        # Typer turns Ctrl-C into exit code 130, without a word; a command's own Interrupted has said all there is.
        if end.code == _INTERRUPTED and type(end) is SystemExit:
            raise KeyboardInterrupt from None
        raise
    except MemoryError:
        print(
            "out of memory; use larger steps, allow less with `--max-memory`, or take `--solver relaxed`",
            file=sys.stderr,
        )
        sys.exit(2)
    finally:
        _flush()


def _report(error: NascompileError) -> None:
    if "--json" in sys.argv:
        fields = [
            {"code": d.code, "message": d.message, "place": str(d.span) if d.span else None, "hint": d.hint}
            for d in error.diagnostics
        ]
        print(json.dumps({"errors": fields}, indent=2))
    for diagnostic in error.diagnostics:
        print(f"error: {diagnostic.render()}", file=sys.stderr)
