"""Microcontrollers: the catalogue, and the files that describe them."""
