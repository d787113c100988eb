"""Feasible sets: the tree, and questions about it."""
