"""A sampler that learns: a Gaussian process over decisions and costs."""
