"""Floor package."""
