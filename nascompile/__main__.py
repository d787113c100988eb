"""`python -m nascompile`."""

from nascompile.cli import main

main()
