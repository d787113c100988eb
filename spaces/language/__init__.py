"""The language: from YAML text to a Space."""
