# Two commands set everything up: `make setup`, then `. .venv/bin/activate`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup test lint check clean

setup:  ## a virtual environment in .venv with nascompile and the tools for its tests
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@echo 'ready: run ". .venv/bin/activate", then "nascompile --help"'

test:  ## every test and every example in the documentation
	$(BIN)/python -m pytest -n auto

lint:  ## formatting, style, types, and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check: lint test

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
