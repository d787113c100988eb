"""Deployment: a trained network becomes C99 without dependencies, and is proven on the host and on an emulated core."""
