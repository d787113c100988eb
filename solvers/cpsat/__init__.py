"""OR-Tools CP-SAT as an engine."""
