"""Runtimes: which kernels run for the operators of a layer, and what they take."""
