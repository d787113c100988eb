"""Scoring many candidates, and the table that keeps the scores."""
