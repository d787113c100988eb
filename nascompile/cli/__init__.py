"""The command line."""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C, also while it loads, is exit code 130 without a traceback."""
    try:
        # Nothing that is loaded goes away: looking for garbage among it is a tenth of the time. A command looks again.
        gc.disable()
        from nascompile.cli.app import run

        run()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    finally:
        gc.enable()
