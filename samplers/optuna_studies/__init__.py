"""Optuna's samplers on feasible sets, and feasible sets in Optuna's studies."""
