"""A sampler that learns: a Gaussian process over decisions, costs and paths."""
