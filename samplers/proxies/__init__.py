"""Zero-cost proxies: indicators of accuracy that need no training, each one a file of this package."""
