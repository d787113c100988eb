"""The compiled program: variants, lowered layers, the state graph, and its candidates."""
