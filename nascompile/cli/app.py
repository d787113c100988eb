"""The command line: one function per command, one way of failing."""

from __future__ import annotations

import json
import sys

import typer

from nascompile import __version__
from nascompile.cli.check import check
from nascompile.cli.compile import compile_space
from nascompile.cli.deploy import deploy
from nascompile.cli.diff import diff
from nascompile.cli.explain import explain
from nascompile.cli.latency import latency
from nascompile.cli.listing import mcus, schema, spaces
from nascompile.cli.output import Interrupted, err
from nascompile.cli.outputs import checks_outputs
from nascompile.cli.reduce import count, reduce
from nascompile.cli.sample import sample
from nascompile.cli.score import score
from nascompile.cli.search.command import search
from nascompile.cli.search.train import resume, worker
from nascompile.cli.select.command import select
from nascompile.cli.show import export, show
from spaces.errors import NascompileError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="nascompile",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, function in {
    "reduce": reduce, "count": count, "show": show, "export": export, "check": check, "explain": explain, "diff": diff,
    "compile": compile_space, "search": search, "spaces": spaces, "mcus": mcus, "schema": schema, "score": score,
    "select": select, "sample": sample, "resume": resume, "worker": worker, "deploy": deploy,
}.items():  # fmt: skip
    app.command(name)(checks_outputs(function))
app.add_typer(latency, name="latency")


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


def main() -> None:
    """Run the command line; a user's mistake gives one clear message and exit code 2, never a traceback."""
    try:
        app(prog_name="nascompile")
    except NascompileError as error:
        _report(error)
        sys.exit(2)
    except SystemExit as end:
        # Typer turns Ctrl-C into exit code 130, without a word.
        if end.code == _INTERRUPTED and not isinstance(end, Interrupted):
            err.print("interrupted; nothing was written")
        raise
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough; Python's own complaint at exit would only confuse.
        sys.stdout = None
        sys.exit(0)
    except MemoryError:
        err.print("out of memory; use larger steps, fewer budgets, or a machine with more memory")
        sys.exit(2)


def _report(error: NascompileError) -> None:
    if "--json" in sys.argv:
        fields = [
            {"code": d.code, "message": d.message, "place": str(d.span) if d.span else None, "hint": d.hint}
            for d in error.diagnostics
        ]
        print(json.dumps({"errors": fields}, indent=2))
    for diagnostic in error.diagnostics:
        print(f"error: {diagnostic.render()}", file=sys.stderr)
