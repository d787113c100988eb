"""Runs on disk: which candidates are trained, by whom, with what result; and what is chosen of them."""
