# `make run` does the main job and `make test` runs the tests, each alone on a fresh machine with Python and make.
PYTHON ?= python3
BIN := .venv/bin
# Newer than what it was made from, or it is made again.
READY := .venv/ready

.PHONY: run test lint check setup clean

run: $(READY)  ## the networks of a space that fit a microcontroller
	$(BIN)/nascompile reduce spaces/dscnn.yaml --mcu stm32f412

test: $(READY)  ## every test and every example in the documentation
	$(BIN)/python -m pytest -n auto -rs

lint: $(READY)  ## formatting, style, types, and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check: lint test

setup: $(READY)  ## a virtual environment in .venv with nascompile and the tools for its tests
	@echo 'ready: run ". .venv/bin/activate", then "nascompile --help"'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is Python %d.%d, which is too old: make PYTHON=..., 3.11 or newer" % sys.version_info[:2])'
	@echo 'setting up .venv, once; this takes minutes'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
