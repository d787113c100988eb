"""The command line."""

import sys
from typing import TYPE_CHECKING

from spaces.lazy import face

if TYPE_CHECKING:
    from nascompile.cli.app import app

__all__ = ["app", "main"]

__getattr__, __dir__ = face(__name__, {"app": "nascompile.cli.app"})


def main() -> None:
    """Run the command line; Ctrl-C, also while it loads, is exit code 130 without a traceback."""
    try:
        from nascompile.cli.app import run

        run()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
