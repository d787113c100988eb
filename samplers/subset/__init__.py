"""How `samplers.subset.hypervolume` chooses: greedy, local search, dynamic programming, branch and bound, evolution."""
