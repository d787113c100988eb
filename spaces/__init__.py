"""Floor 1: the space language, its blocks, costs and targets, and the compiled program."""
