"""The command line."""

from nascompile.cli.app import app, main

__all__ = ["app", "main"]
