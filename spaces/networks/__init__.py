"""Candidates as PyTorch modules."""
