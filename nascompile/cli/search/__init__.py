"""`nascompile search`, `resume` and `worker`."""
