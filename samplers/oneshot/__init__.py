"""One-shot search: one super-network is trained, and networks are ranked by the weights that they share in it."""
