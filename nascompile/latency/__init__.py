"""Latency profiles from measurements."""
