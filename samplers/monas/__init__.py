"""MONAS: prune a cell space by score."""
