"""`nascompile report`: a set or a run as one page that needs nothing else."""
