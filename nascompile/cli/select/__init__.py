"""`nascompile select`."""
