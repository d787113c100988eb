"""A Program as texts for other tools."""
