"""The command line."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C, also while it loads, is exit code 130 without a traceback."""
    try:
        from nascompile.cli.app import run

        run()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
